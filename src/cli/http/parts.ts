import type { Config } from '../../core/config.ts';
import type { Overview, Part, ShownDeadLetter, ShownNote, ShownWatchdog } from '../../core/dashboard.ts';
import { isOperational, OperationalError } from '../../core/errors.ts';
import { isObject, parsedJson } from '../../core/shape.ts';
import { keptDeliveries } from '../../daemon/deliveries.ts';
import type { AuditLine, Clock, World } from '../../world.ts';
import { type Letter, lettersOf } from '../dead-letters.ts';
import { changeOfTodo } from '../history.ts';
import { waitingRetries } from '../waiting-retries.ts';
import { stateText, watchdogsSeen } from '../watchdog-status.ts';

/** What of the overview is asked of the store, or of files. */
export type Parts = Pick<Overview, 'todos' | 'retries' | 'deadLetters' | 'watchdogs' | 'notifications' | 'healing' | 'audit'>;

export type LookNeeds = { readonly world: World; readonly config: Config };
type Source = {
  readonly clock: Clock;
  /** Opens what is looked at, for one look at all parts. */
  use(look: (needs: LookNeeds) => Promise<void>): Promise<void>;
  /** Between two looks, even where much changes; and where nothing is known to have changed. */
  readonly gapMs: number;
  readonly everyMs: number;
  readonly onDefect: (error: unknown) => void;
};

/** Of lists: more is counted and not shown. */
const rowsMax = 50;
const linesMax = 20;

/**
 * Answers at once with what was last seen, each part of its own moment; what is due is looked at behind the answer, so that nobody who asks waits for a
 * store that hangs. Nobody asks, nobody looks. `changes`: another number than at the last look, and there may be something new. `anew` looks at once, and
 * resolves when that is done.
 */
export function lookBehind({ clock, use, gapMs, everyMs, onDefect }: Source): ((changes: number) => Parts) & { anew(): Promise<void> } {
  let parts: Parts = nothingYet;
  let busy: Promise<void> | null = null;
  let seen = Number.NaN;
  let endedMs = Number.NEGATIVE_INFINITY;
  const put = <Name extends keyof Parts>(name: Name, part: Parts[Name]): void => {
    parts = { ...parts, [name]: part };
  };
  const look = async (): Promise<void> => {
    try {
      await use(async (needs) => {
        await Promise.all((Object.keys(looks) as (keyof Parts)[]).map((name) => one(name, needs)));
      });
    } catch (error) {
      // The home cannot even be opened.
      if (!isOperational(error)) return onDefect(error);
      for (const name of Object.keys(looks) as (keyof Parts)[]) put(name, { ...parts[name], problem: error.message } as never);
    } finally {
      busy = null;
      endedMs = clock.monotonicMs();
    }
  };
  const one = async (name: keyof Parts, needs: LookNeeds): Promise<void> => {
    try {
      const value = await looks[name](needs);
      put(name, { value, asOfMs: clock.nowMs(), problem: null } as never);
    } catch (error) {
      if (!isOperational(error)) throw error;
      put(name, { ...parts[name], problem: error.message } as never);
    }
  };
  const seenBehind = (changes: number): Parts => {
    const waitedMs = clock.monotonicMs() - endedMs;
    if (busy === null && waitedMs >= (changes === seen ? everyMs : gapMs)) {
      seen = changes;
      busy = look();
    }
    return parts;
  };
  return Object.assign(seenBehind, {
    async anew(): Promise<void> {
      // What is under way began before it was asked for.
      await busy;
      busy ??= look();
      await busy;
    },
  });
}

const notYet: Part<never> = { value: null, asOfMs: null, problem: null };
const nothingYet: Parts = {
  ...{ todos: notYet, retries: notYet, deadLetters: notYet, watchdogs: notYet, notifications: notYet, healing: notYet, audit: notYet },
};

/** One of them, asked now. */
export const lookAt = <Name extends keyof Parts>(name: Name, needs: LookNeeds): Promise<Value<Name>> => looks[name](needs);

type Value<Name extends keyof Parts> = NonNullable<Parts[Name]['value']>;
const looks: { readonly [Name in keyof Parts]: (needs: LookNeeds) => Promise<Value<Name>> } = {
  todos: ({ world }) => world.store.byStatus() as Promise<Readonly<Record<string, number>>>,
  async retries({ world, config }) {
    const { waiting, unsure } = await waitingRetries(world, config);
    if (unsure !== null) throw notWhole('what waits for another attempt', unsure);
    return { count: waiting.length, nextAtMs: waiting[0]?.nextAtMs ?? null, items: waiting.slice(0, rowsMax) };
  },
  async deadLetters({ world }) {
    const { letters, unsure } = await lettersOf(world);
    if (unsure !== null) throw notWhole('dead letters', unsure);
    return { count: letters.length, items: letters.toReversed().slice(0, rowsMax).map(shownLetter) };
  },
  async watchdogs({ world }) {
    return watchdogsSeen(world).map(
      (it): ShownWatchdog => ({
        name: it.name,
        state: stateText(it),
        sinceMs: it.sinceMs,
        pid: it.child?.process.pid ?? null,
        restarts: it.restarts.length,
        reason: it.why,
      }),
    );
  },
  async notifications({ world, config }) {
    const all = keptDeliveries(world.journal);
    const dead = all.filter(({ isDead }) => isDead).length;
    return { waiting: all.length - dead, dead, configured: config.monitoring.webhook_url !== null };
  },
  healing: ({ world }) => world.store.healingEvents({ todoId: null, limit: linesMax }),
  audit: async ({ world }) => (await world.store.auditTail(linesMax)).map(shownNote),
};

/** The commands show what they can see all the same, and say so; a figure that is too small would say nothing. */
const notWhole = (subject: string, why: string): OperationalError =>
  new OperationalError('STORE_UNREACHABLE', { operation: 'looking for', subject, why });

const shownLetter = ({ id, kind, todoId, number, class: of, deadAtMs, attempts, reason }: Letter): ShownDeadLetter => ({
  ...{ id, kind, todoId, number, class: of, sinceMs: deadAtMs, attempts, lastError: reason },
});

/** A line of the audit trail as a person reads it. */
export function shownNote({ atMs, todoId, number, what, detail }: AuditLine): ShownNote {
  return { atMs, todoId, number, what, detail: detailText(what, detail) };
}

function detailText(what: string, detail: string): string {
  const change = changeOfTodo(detail);
  if (change !== null) {
    const { from, to, by, reason } = change;
    const words = what === 'held' ? `${heldText(from)} → ${heldText(to)}` : `${from} → ${to}`;
    return `${words}${by === null ? '' : ` by ${by}`}${reason === null ? '' : `: ${reason}`}`;
  }
  const said = detail.startsWith('{') ? parsedJson(detail) : null;
  if (!isObject(said)) return detail;
  return Object.entries(said)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
}

const heldText = (value: string | number | null): string => (Number(value) === 1 ? 'held' : 'not held');
