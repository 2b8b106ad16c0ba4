import type { Delivery, DeliveryDeath } from './delivery.ts';
import type { Death, Entry } from './entry.ts';

/** What could not be finished, as people see it. */
export type DeadLetter = {
  /** The run's id, or the delivery's. */
  readonly id: string;
  readonly kind: 'completion' | 'delivery';
  readonly todoId: string | null;
  readonly number: number | null;
  readonly title: string;
  readonly runId: string | null;
  readonly class: string;
  readonly code: string | null;
  readonly reason: string;
  /** Of what is kept: record, collected text, raw output or body. Null where there is none, or far too much. */
  readonly payloadSha256: string | null;
  readonly firstFailedAtMs: number;
  readonly deadAtMs: number;
  readonly attempts: number;
  /** How often it was requeued before it died this time. */
  readonly requeued: number;
  /** It died the same way before: a requeue needs force. */
  readonly poison: boolean;
};

/** With its whole history. */
export type WholeDeadLetter = DeadLetter & {
  readonly causes: readonly string[];
  /** All deaths, oldest first; each is linked to the one before by its place. */
  readonly deaths: readonly {
    readonly atMs: number;
    readonly class: string;
    readonly message: string;
    readonly causes: readonly string[];
    readonly fingerprint: string;
    readonly attempts: readonly { readonly atMs: number; readonly message: string; readonly delayMs: number | null }[];
  }[];
};

/** So many deaths in the same way, and only a person who insists sends it around again. */
const poisonDeaths = 2;

export function isPoison(deaths: readonly { readonly fingerprint: string }[]): boolean {
  const last = deaths.at(-1);
  if (last === undefined || deaths.length < poisonDeaths) return false;
  return deaths.slice(-poisonDeaths).every(({ fingerprint }) => fingerprint === last.fingerprint);
}

/** The same failure reads the same, whatever numbers, ids and paths it names. */
export const fingerprintOf = (errorClass: string, where: string, message: string): string =>
  `${errorClass} ${where} ${message
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27,}/gi, '#')
    .replace(/\d+/g, '#')
    .slice(0, 300)}`;

/** The messages behind an error, outermost first, itself left out. A chain that is longer may be a ring. */
export function causesOf(error: unknown): readonly string[] {
  const causes: string[] = [];
  let it = (error as { cause?: unknown } | null | undefined)?.cause;
  for (; it !== undefined && it !== null && causes.length < causesMax; it = (it as { cause?: unknown }).cause)
    causes.push((it instanceof Error ? it.message : String(it)).slice(0, causeCharsMax));
  return causes;
}
const causesMax = 10;
const causeCharsMax = 1000;

/** Of a completion of before deaths were kept there is less to tell. */
function deathsOf(entry: Entry): readonly Death[] {
  if (entry.deaths !== undefined && entry.deaths.length > 0) return entry.deaths;
  const atMs = entry.timeline.findLast(({ fact }) => fact === 'dead-lettered')?.atMs ?? entry.startedAtMs;
  const message = entry.givenUp ?? 'the completion was given up';
  return [{ atMs, errorClass: 'unknown', code: null, message, causes: [], at: entry.fact, fingerprint: message, attempts: [] }];
}

export function letterOfEntry(entry: Entry): WholeDeadLetter {
  const deaths = deathsOf(entry);
  const last = deaths.at(-1)!;
  return {
    id: entry.ref.runId,
    kind: 'completion',
    todoId: entry.ref.todoId,
    number: entry.todo.number,
    title: entry.todo.title,
    runId: entry.ref.runId,
    code: last.code,
    payloadSha256: last.payloadSha256 ?? entry.reported?.recordDigest ?? entry.collected?.textSha256 ?? null,
    ...toldOf(deaths, last),
  };
}

export function letterOfDelivery(delivery: Delivery): WholeDeadLetter {
  const { deaths } = delivery;
  const last = deaths.at(-1)!;
  const number = delivery.body['todo'];
  return {
    id: delivery.id,
    kind: 'delivery',
    todoId: delivery.todoId,
    number: typeof number === 'number' ? number : null,
    title: delivery.what,
    runId: delivery.runId,
    code: null,
    payloadSha256: delivery.sha256,
    ...toldOf(deaths, last),
  };
}

type Died = Omit<DeliveryDeath, 'attempts'> & Pick<WholeDeadLetter['deaths'][number], 'attempts'>;

/** How it died, now and before: the same of whatever it was. */
const toldOf = (deaths: readonly Died[], last: Died) => ({
  class: last.errorClass,
  reason: last.message,
  firstFailedAtMs: last.attempts[0]?.atMs ?? last.atMs,
  deadAtMs: last.atMs,
  attempts: last.attempts.length,
  requeued: deaths.length - 1,
  poison: isPoison(deaths),
  causes: last.causes,
  deaths: deaths.map(({ atMs, errorClass, message, causes, fingerprint, attempts }) => ({
    atMs,
    class: errorClass,
    message,
    causes,
    fingerprint,
    attempts,
  })),
});
