import { isObject, parsedJson } from './shape.ts';

/** Who did it: the daemon by itself, one of its timers, a watchdog, or a person who asked for it. */
export type HealingActor = 'daemon' | 'timer' | 'watchdog' | 'person';

/** `done`: a second look found it mended · `failed`: it did not · `unseen`: nobody could look · `blocked`: it was given to a person instead. */
export type HealingOutcome = 'done' | 'failed' | 'unseen' | 'blocked';

/** What one action of healing leaves as the detail of its row in `self_healing_events`. */
export type HealingDetail = {
  readonly actor: HealingActor;
  readonly reason: string;
  /** What was found before, and what the look after it found. */
  readonly before: string;
  readonly after: string;
  readonly outcome: HealingOutcome;
  readonly subject?: string;
};

/** One row, as shown. What rows of other kinds do not say is null. */
export type HealingEvent = {
  readonly id: string;
  readonly atMs: number;
  readonly todoId: string | null;
  readonly runId: string | null;
  readonly what: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly before: string | null;
  readonly after: string | null;
  readonly outcome: string | null;
  readonly detail: string;
};

type Row = Pick<HealingEvent, 'id' | 'atMs' | 'todoId' | 'runId' | 'what' | 'detail'>;

export function healingEventOf({ id, atMs, todoId, runId, what, detail }: Row): HealingEvent {
  const parsed = parsedJson(detail);
  const said: Record<string, unknown> = isObject(parsed) ? parsed : {};
  const text = (...names: string[]): string | null => {
    const found = names.map((name) => said[name]).find((value) => value !== undefined && value !== null);
    return found === undefined ? null : typeof found === 'string' ? found : JSON.stringify(found);
  };
  return {
    ...{ id, atMs, todoId, runId, what, detail },
    actor: text('actor', 'by'),
    reason: text('reason', 'why') ?? (isObject(parsed) ? null : detail),
    before: text('before', 'from'),
    after: text('after'),
    outcome: text('outcome'),
  };
}

/** How many automatic recoveries a todo gets before a person must look at it. */
export const recoveriesMax = 3;

/** Rows of recoveries begin so. */
export const recoveryPrefix = 'recovery.';

type Note = { readonly kind: string; readonly atMs: number; readonly what: string; readonly detail: string };

/**
 * How often the daemon (of whatever host) has acted on a todo by itself since a person last took it out of `blocked`. From the store's rows, and
 * those that it has not heard of yet; what stands in both counts once.
 */
export function automaticRecoveries(notes: readonly Note[]): number {
  const releasedAtMs = Math.max(Number.NEGATIVE_INFINITY, ...notes.filter(isRelease).map(({ atMs }) => atMs));
  const acts = notes.filter(({ kind, atMs, what, detail }) => {
    if (kind !== 'healing' || !what.startsWith(recoveryPrefix) || atMs <= releasedAtMs) return false;
    const said = parsedJson(detail);
    return isObject(said) && said['actor'] === 'daemon' && said['outcome'] !== 'blocked';
  });
  return new Set(acts.map(({ atMs, what, detail }) => `${atMs} ${what} ${detail}`)).size;
}

/** The audit row of a status that a person changed (store/notes.ts). */
function isRelease({ kind, what, detail }: Note): boolean {
  if (kind !== 'audit' || what !== 'status') return false;
  const said = parsedJson(detail);
  return isObject(said) && said['from'] === 'blocked' && said['by'] === 'person';
}

/** At most this many heals by hand in a minute; what a person asks for more often is a loop in a script. */
export type HealRate =
  | { readonly allowed: true; readonly times: readonly number[] }
  | { readonly allowed: false; readonly retryAfterMs: number };

/** `times`: of the heals so far, by the wall clock. One that lies in the future (the clock was set back) counts as now. */
export function healRate(times: readonly number[], nowMs: number, perMinute: number): HealRate {
  const recent = times.map((atMs) => Math.min(atMs, nowMs)).filter((atMs) => nowMs - atMs < 60_000);
  if (recent.length < perMinute) return { allowed: true, times: [...recent, nowMs] };
  const oldest = recent.toSorted((a, b) => a - b)[recent.length - perMinute] ?? nowMs;
  return { allowed: false, retryAfterMs: oldest + 60_000 - nowMs };
}

/** A row in one sentence: why, what was found then, who did it and what came of it. */
export function healingText(event: HealingEvent): string {
  const parts = [event.reason, event.after].filter((it) => it !== null && it !== '');
  const by = [event.actor === null ? null : `by ${event.actor}`, event.outcome].filter((it) => it !== null);
  return parts.length === 0 ? event.detail : `${parts.join('; ')}${by.length === 0 ? '' : ` (${by.join(', ')})`}`;
}
