import { type Role, roles } from './dashboard.ts';
import { isObject, parsedJson } from './shape.ts';

/** Somebody who is logged in. His secret is nowhere kept: the key is its SHA-256, the id the beginning of that. */
export type Session = {
  readonly v: 1;
  readonly id: string;
  readonly role: Role;
  /** As the audit trail names them. */
  readonly actor: string;
  /** The address that logged in. */
  readonly from: string;
  readonly createdAtMs: number;
  readonly seenAtMs: number;
  /** Whatever is done with it. */
  readonly endsAtMs: number;
};

export type SessionRules = { readonly idleMs: number; readonly maxMs: number };

export const sessionIdOf = (sha256: string): string => sha256.slice(0, 16);

/** Of one that is not used any more. */
export const expiresAtMs = ({ seenAtMs, endsAtMs }: Session, { idleMs }: SessionRules): number => Math.min(endsAtMs, seenAtMs + idleMs);

/** Not with every request: what is written is flushed to disk. */
export const touchDue = ({ seenAtMs }: Session, { idleMs }: SessionRules, nowMs: number): boolean =>
  nowMs - seenAtMs > Math.min(60_000, idleMs / 4);

/** Null: another version wrote it, or nobody. */
export function parseSession(text: string | null): Session | null {
  const value = text === null ? null : parsedJson(text);
  return isObject(value) && value['v'] === 1 && roles.includes(value['role'] as Role) ? (value as Session) : null;
}

/** What a person who asks for a code may be called. */
export const actorPattern = /^[\w.@ -]{1,64}$/;
