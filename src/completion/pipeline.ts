import type { StepResult } from '../core/advance.ts';
import { advance, giveUp } from '../core/advance.ts';
import { causesOf } from '../core/dead-letter.ts';
import type { Entry } from '../core/entry.ts';
import { hasEnded, layerOf } from '../core/entry.ts';
import { isOperational, messageOf, retryOf } from '../core/errors.ts';
import { stamp } from '../core/signal.ts';
import { wantsChecks } from '../core/verdict.ts';
import { classOf, ofCode } from '../resilience/error-class.ts';
import { Refused } from '../resilience/errors.ts';
import { bury } from './bury.ts';
import { check } from './check.ts';
import { clean } from './clean.ts';
import { close } from './close.ts';
import { collect } from './collect.ts';
import { confirm } from './confirm.ts';
import type { Step, StepNeeds } from './needs.ts';
import { record } from './record.ts';
import { report } from './report-step.ts';

/** How the pipeline reads and moves an entry: durable when it resolves. */
export type Ledger = {
  get(runId: string): Entry;
  update(runId: string, change: (entry: Entry) => Entry): Promise<Entry>;
};

/** What the daemon wants to hear of. */
export type Heard = {
  /** The checks of this round are known, nothing is decided yet. True = the run was sent back: it is no completion any more. */
  checked(entry: Entry): Promise<boolean>;
  failed(entry: Entry): void;
  ended(entry: Entry): void;
};

/** Nothing follows an ended completion, and nothing precedes a word. */
export function stepAfter(entry: Pick<Entry, 'fact' | 'givenUp' | 'superseded'>): Step | null {
  if (hasEnded(entry.fact)) return null;
  if (entry.givenUp !== null) return bury;
  switch (entry.fact) {
    case 'signalled':
      return collect;
    case 'collected':
      return check;
    case 'checked':
      return report;
    case 'reported':
      return entry.superseded ? clean : record;
    case 'recorded':
      return confirm;
    case 'confirmed':
      return clean;
    case 'cleaned':
      return close;
    default:
      return null;
  }
}

/**
 * Takes one signalled run to its end. Safe to start again from any fact: after a crash the journal is read and this same loop goes on.
 * `sleep` waits for the next attempt and may wake early; it says leave where whoever started this will start it again.
 */
export async function complete(
  runId: string,
  ledger: Ledger,
  heard: Heard,
  needs: StepNeeds,
  sleep: (untilMs: number) => Promise<'go-on' | 'leave'>,
  stop: AbortSignal,
): Promise<void> {
  // Facts that wait for the next one that is saved. Nobody else sees them, so nobody else's save makes them durable.
  let waiting: readonly Move[] = [];
  for (;;) {
    const entry = applied(waiting, ledger.get(runId));
    const step = stepAfter(entry);
    if (step === null || stop.aborted) return;
    if (entry.nextAttemptAtMs > needs.world.clock.nowMs()) {
      if ((await sleep(entry.nextAttemptAtMs)) === 'leave' || stop.aborted) return;
    }
    const startedMs = needs.world.clock.monotonicMs();
    const result = await attempt(step, entry, needs, stop);
    if (stop.aborted) return;
    if (result.kind === 'done' && result.fact === 'checked' && (await heard.checked({ ...entry, ...result.changes }))) return;
    const at = {
      nowMs: needs.world.clock.nowMs(),
      durationMs: Math.round(needs.world.clock.monotonicMs() - startedMs),
      random: needs.world.random.next,
      isPaid: paid(entry, result, needs.storeRetries),
    };
    const move: Move = (now) =>
      result.kind === 'defect' ? afterDefect(now, result.error, at.nowMs) : advance(now, result, needs.config, at);
    if (mayWait(entry, result)) {
      waiting = [...waiting, move];
      tell(move(entry), result, at.durationMs, needs, heard);
      continue;
    }
    // What was collected is flushed with the report. Where that failed it is collected again.
    const holding = result.kind === 'done' || entry.reported !== null ? waiting : [];
    waiting = [];
    const moved = await ledger.update(runId, (now) => applied([...holding, move], now));
    tell(moved, result, at.durationMs, needs, heard);
  }
}

/** What a step with the store brings to the budget of its retries, or takes from it; false where there is nothing left to take. A conflict is the answer of a store that works. */
function paid({ fact }: Entry, result: Attempted, budget: StepNeeds['storeRetries']): boolean {
  if (fact !== 'reported' && fact !== 'recorded') return true;
  if (result.kind === 'done') budget.succeeded();
  const isTrouble = result.kind === 'failed' && result.code.startsWith('STORE_') && retryOf(result.code) === 'forever';
  return !isTrouble || budget.take(1);
}

type Move = (entry: Entry) => Entry;
const applied = (moves: readonly Move[], entry: Entry): Entry => moves.reduce((now, move) => move(now), entry);

/**
 * Facts that need no flush of their own: the next step only looks, or can be taken again from the fact before.
 * Durable stay: what checks said (they may be dear), the digest of what will be sent, that it was confirmed, the end.
 */
function mayWait(entry: Entry, result: Attempted): boolean {
  if (result.kind !== 'done') return false;
  if (result.fact === 'collected' || result.fact === 'checked')
    return (result.changes?.checks ?? entry.checks).length === entry.checks.length && !wantsChecks(entry);
  return result.fact === 'recorded' || result.fact === 'cleaned';
}

type Attempted = StepResult | { readonly kind: 'defect'; readonly error: unknown };

/** Only errors with a code in the table become results; a defect ends this attempt and is counted apart. */
async function attempt(step: Step, entry: Entry, needs: StepNeeds, stop: AbortSignal): Promise<Attempted> {
  try {
    const result = await step(entry, needs, stop);
    return result.kind === 'failed' ? { errorClass: ofCode(result.code), ...result } : result;
  } catch (error) {
    if (error instanceof Refused) return { kind: 'refused', code: error.code, reason: error.message, retryAfterMs: error.retryAfterMs };
    if (!isOperational(error)) return { kind: 'defect', error };
    return { kind: 'failed', code: error.code, reason: error.message, errorClass: classOf(error), causes: causesOf(error) };
  }
}

/** Defects at the same fact until a completion is given up. */
export const defectsMax = 3;

/** The second defect at the same fact takes the simple completion, the third gives up. One bad todo never stops the others. */
function afterDefect(entry: Entry, error: unknown, nowMs: number): Entry {
  const defects = entry.defects + 1;
  const message = `defect: ${messageOf(error)}`;
  const next: Entry = {
    ...entry,
    defects,
    nextAttemptAtMs: nowMs + 1000,
    lastError: { code: 'DEFECT', message, atMs: nowMs, errorClass: 'defect' },
    timeline: stamp(entry, { atMs: nowMs, fact: 'failed-attempt', reason: message }),
  };
  if (defects >= defectsMax)
    return giveUp(next, { reason: message, code: 'DEFECT', errorClass: 'defect', causes: causesOf(error), atMs: nowMs });
  const beforeRecord = entry.fact === 'signalled' || entry.fact === 'collected' || entry.fact === 'checked';
  return defects === 2 && beforeRecord ? { ...next, simple: true, fact: 'signalled', collected: null, reported: null } : next;
}

function tell(entry: Entry, result: Attempted, durationMs: number, { world }: StepNeeds, heard: Heard): void {
  const fields = {
    todo: entry.todo.number,
    run: entry.ref.runId,
    fact: entry.fact,
    layer: layerOf(entry.fact),
    attempt: entry.attempt,
    durationMs,
  };
  switch (result.kind) {
    case 'done':
      world.log.info('completion', entry.fact, { ...fields, reason: result.reason ?? null });
      if (hasEnded(entry.fact)) heard.ended(entry);
      return;
    case 'disproved':
      world.log.warn('completion', 'disproved', { ...fields, reason: result.reason });
      return;
    case 'failed':
      world.log.warn('completion', 'step failed', {
        ...fields,
        code: result.code,
        reason: result.reason,
        nextAttemptAtMs: entry.nextAttemptAtMs,
      });
      heard.failed(entry);
      return;
    case 'refused':
      world.log.debug('completion', 'step refused', {
        ...fields,
        code: result.code,
        reason: result.reason,
        nextAttemptAtMs: entry.nextAttemptAtMs,
      });
      return;
    case 'defect':
      world.log.error('completion', 'defect', {
        ...fields,
        reason: messageOf(result.error),
        stack: result.error instanceof Error ? result.error.stack : null,
      });
      heard.failed(entry);
      return;
    default:
      result satisfies never;
  }
}
