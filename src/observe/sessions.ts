import type { Role } from '../core/dashboard.ts';
import { expiresAtMs, parseSession, type Session, type SessionRules, sessionIdOf, touchDue } from '../core/session.ts';
import type { Keep } from '../resilience/kept.ts';
import type { World } from '../world.ts';

export type Sessions = {
  /** A word that lets in once, for a minute; null: too many of them wait. */
  newCode(who: { readonly role: Role; readonly actor: string }): { readonly code: string; readonly expiresAtMs: number } | null;
  /** Null: no such code, or not any more. */
  login(code: string, from: string): Promise<{ readonly secret: string; readonly session: Session } | null>;
  /** Null: nobody is logged in by that. */
  find(secret: string): Promise<Session | null>;
  end(id: string): Promise<boolean>;
  all(): readonly Session[];
  readonly rules: SessionRules;
  readonly keep: Keep;
};

const codeMs = 60_000;
const codesMax = 20;
/** Of one server; the one that was used longest ago makes room. */
const sessionsMax = 200;
/** What lasts of all that is kept. */
export const sessionPrefix = 'session:';

type Code = { readonly role: Role; readonly actor: string; readonly expiresAtMs: number };

/** Secrets are random and long, so their digests are kept and compared, never they themselves. */
export function sessionsIn(
  keep: Keep,
  rules: SessionRules,
  { clock, random, digest }: Pick<World, 'clock' | 'random' | 'digest'>,
): Sessions {
  /** By digest. They live a minute, in the process that gave them. */
  const codes = new Map<string, Code>();
  const put = (sha256: string, session: Session): Promise<void> =>
    keep.put(`${sessionPrefix}${sha256}`, JSON.stringify(session), expiresAtMs(session, rules));
  const listed = () =>
    keep.all(sessionPrefix).flatMap(({ key, value }) => {
      const session = parseSession(value);
      return session === null || expiresAtMs(session, rules) <= clock.nowMs() ? [] : [{ key, session }];
    });

  return {
    rules,
    keep,
    newCode({ role, actor }) {
      const nowMs = clock.nowMs();
      for (const [sha256, code] of codes) if (code.expiresAtMs <= nowMs) codes.delete(sha256);
      if (codes.size >= codesMax) return null;
      const code = random.token();
      codes.set(digest.sha256(code), { role, actor, expiresAtMs: nowMs + codeMs });
      return { code, expiresAtMs: nowMs + codeMs };
    },
    async login(code, from) {
      const sha256 = digest.sha256(code);
      const known = codes.get(sha256);
      // Before anything is waited for: of two who come at once one gets in.
      codes.delete(sha256);
      const nowMs = clock.nowMs();
      if (known === undefined || known.expiresAtMs <= nowMs) return null;
      const old = listed().toSorted((a, b) => b.session.seenAtMs - a.session.seenAtMs);
      for (const { key, session } of old.slice(sessionsMax - 1)) await keep.drop(key, session.endsAtMs);
      const secret = random.token();
      const key = digest.sha256(secret);
      const { role, actor } = known;
      const session: Session = {
        v: 1,
        id: sessionIdOf(key),
        role,
        actor,
        from,
        createdAtMs: nowMs,
        seenAtMs: nowMs,
        endsAtMs: nowMs + rules.maxMs,
      };
      await put(key, session);
      return { secret, session };
    },
    async find(secret) {
      const sha256 = digest.sha256(secret);
      const session = parseSession(await keep.get(`${sessionPrefix}${sha256}`));
      const nowMs = clock.nowMs();
      if (session === null || expiresAtMs(session, rules) <= nowMs) return null;
      if (!touchDue(session, rules, nowMs)) return session;
      const seen = { ...session, seenAtMs: nowMs };
      await put(sha256, seen);
      return seen;
    },
    async end(id) {
      const found = listed().filter(({ session }) => session.id === id);
      for (const { key, session } of found) await keep.drop(key, session.endsAtMs);
      return found.length > 0;
    },
    all: () => listed().map(({ session }) => session),
  };
}
