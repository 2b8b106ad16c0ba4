import type { Adapter } from './agent.ts';
import { type Backoff, backoffMs, jobBackoff } from './backoff.ts';
import type { Config } from './config.ts';
import type { Ending, Entry } from './entry.ts';
import type { CheckResult } from './evidence.ts';
import { inMs } from './seconds.ts';

/** What a run comes to. Decided from the word that stands, the emergency if there was one, and the checks; from nothing else. */
export function endingOf(
  entry: Pick<Entry, 'todo' | 'signal' | 'exit' | 'emergency' | 'superseded' | 'checks' | 'round'>,
  config: Config,
  nowMs: number,
  random: () => number,
): Ending {
  const { todo, signal, emergency } = entry;
  const same = { attempts: todo.attempts, resets: todo.resets, notBeforeMs: null, proof: null };
  if (entry.superseded)
    return {
      ...same,
      outcome: 'superseded',
      todoStatus: 'open',
      reason: 'another run has this todo; this output is kept, nothing is recorded',
    };
  if (emergency?.action === 'complete')
    return { ...same, outcome: 'forced', todoStatus: 'completed', proof: 'forced', reason: emergency.reason };
  if (emergency?.action === 'reset') return afterReset(todo.resets + 1, emergency.reason, same, config);
  const reason = signal?.reason ?? null;
  const says = signal?.says ?? null;
  switch (says) {
    case 'done':
      return afterDone(entry, same);
    case 'failed':
      return { ...same, outcome: 'failed', todoStatus: 'failed', reason: reason ?? 'the agent said that it failed' };
    case 'blocked':
      return {
        ...same,
        outcome: 'blocked',
        todoStatus: 'blocked',
        reason: reason ?? signal?.summary ?? 'the agent said that it is blocked',
      };
    case 'parked':
      return { ...same, outcome: 'parked', todoStatus: 'parked', reason, notBeforeMs: signal?.notBeforeMs ?? null };
    case 'released':
      return { ...same, outcome: 'released', todoStatus: 'open', reason };
    case 'cancelled':
      return { ...same, outcome: 'cancelled', todoStatus: 'cancelled', reason };
    case null:
      return afterLoss(entry, same, config, nowMs, random);
    default:
      return says satisfies never;
  }
}

type Same = Pick<Ending, 'attempts' | 'resets' | 'notBeforeMs' | 'proof'>;

function afterDone(entry: Pick<Entry, 'signal' | 'checks' | 'round'>, same: Same): Ending {
  const checks = checksOfRound(entry);
  const failed = checks.filter((check) => !check.passed);
  if (checks.length > 0 && failed.length === 0)
    return { ...same, outcome: 'done', todoStatus: 'completed', proof: 'verified', reason: null };
  if (entry.signal?.saidBy === 'person')
    return { ...same, outcome: 'done', todoStatus: 'completed', proof: 'overridden', reason: entry.signal.reason };
  if (checks.length === 0) return { ...same, outcome: 'done', todoStatus: 'completed', proof: 'unverified', reason: null };
  const more = entry.round > 1 ? ` after ${entry.round} rounds` : '';
  return {
    ...same,
    outcome: 'failed',
    todoStatus: 'failed',
    reason: `said done, but ${failed.length} of ${checks.length} checks failed${more}: ${failed.map((check) => check.command).join('; ')}`,
  };
}

/** Death by an OS signal, a spawn error or a lost session is no answer: a new attempt by policy `job`, then failed. */
function afterLoss(
  entry: Pick<Entry, 'todo' | 'exit' | 'signal'>,
  same: Same,
  config: Config,
  nowMs: number,
  random: () => number,
): Ending {
  const attempts = entry.todo.attempts + 1;
  const why = entry.signal?.reason ?? lossOf(entry);
  const most = jobAttempts(config);
  if (attempts >= most) return { ...same, attempts, outcome: 'lost', todoStatus: 'failed', reason: `${why}; ${attempts} attempts used up` };
  return {
    ...same,
    attempts,
    outcome: 'lost',
    todoStatus: 'open',
    reason: `${why}; attempt ${attempts} of ${most}`,
    notBeforeMs: nowMs + jobDelayMs(attempts, config, random),
  };
}

export const lossOf = ({ exit }: Pick<Entry, 'exit'>): string =>
  exit === null
    ? 'the session ended without an answer'
    : exit.kind === 'signal'
      ? `the agent died by ${exit.osSignal}`
      : exit.kind === 'spawn-error'
        ? `the agent could not be started: ${exit.why}`
        : exit.kind === 'code'
          ? `the agent ended with exit code ${exit.code}`
          : 'the session was lost';

/** Policy `job`: 1, 2, 4, 8 … s ± 25 %, at most 300 s. */
export const jobDelayMs = (attempt: number, config: Config, random: () => number): number =>
  backoffMs(jobBackoffOf(config), attempt, random);

export function jobBackoffOf({ run, policies: { job } }: Config): Backoff {
  const maxMs = job.max_delay === undefined ? jobBackoff.maxMs : inMs(job.max_delay);
  const firstMs = Math.min(maxMs, inMs(job.initial_delay ?? run.retry_delay));
  return { ...jobBackoff, firstMs, maxMs, factor: job.backoff_factor ?? jobBackoff.factor };
}

/** Attempts of policy `job` in all, the first one included. */
export const jobAttempts = ({ run, policies: { job } }: Config): number =>
  job.max_retries === undefined ? run.attempts : job.max_retries + 1;

function afterReset(resets: number, reason: string, same: Same, config: Config): Ending {
  if (resets > config.run.resets)
    return {
      ...same,
      resets,
      outcome: 'reset',
      todoStatus: 'blocked',
      reason: `${reason}; reset ${config.run.resets} times before, now blocked`,
    };
  return { ...same, resets, outcome: 'reset', todoStatus: 'open', reason: `${reason}; reset ${resets} of ${config.run.resets}` };
}

export const checksOfRound = ({ checks, round }: Pick<Entry, 'checks' | 'round'>): readonly CheckResult[] =>
  checks.filter((check) => check.round === round);

/** Checks are asked where somebody claims the work is done, or where it was forced and people want to see how far it got. */
export const wantsChecks = ({
  signal,
  emergency,
  superseded,
  todo,
}: Pick<Entry, 'signal' | 'emergency' | 'superseded' | 'todo'>): boolean =>
  !superseded && todo.checks.length > 0 && (emergency?.action === 'complete' || (emergency === null && signal?.says === 'done'));

/** Whether a failed check goes back to the agent: same run, fence and token, round + 1, bounded. */
export function maySendBack(
  entry: Pick<Entry, 'signal' | 'emergency' | 'superseded' | 'kind' | 'round' | 'todo'>,
  adapter: Pick<Adapter, 'conversational'>,
  config: Config,
): boolean {
  if (entry.superseded || entry.emergency !== null || entry.signal?.says !== 'done') return false;
  if (entry.signal.saidBy === 'person' || entry.signal.saidBy === 'deadline') return false;
  if (entry.kind !== 'child' && entry.kind !== 'tmux') return false;
  return adapter.conversational ? entry.round <= config.behavior.max_rounds : entry.round < entry.todo.rounds;
}

/** What the agent reads when it is sent back. */
export function feedbackOf(checks: readonly CheckResult[]): string {
  const failed = checks.filter((check) => !check.passed);
  const parts = failed.map((check) => `$ ${check.command}\n${howItEnded(check)}\n${check.outputTail.trim()}`);
  return `Not done yet: ${failed.length} of ${checks.length} acceptance checks failed. Mend the cause, then finish again.\n\n${parts.join('\n\n')}`;
}

export const howItEnded = (check: CheckResult): string =>
  check.startError !== null
    ? `could not be started: ${check.startError}`
    : check.timedOut
      ? `timed out after ${Math.round(check.durationMs / 1000)} s`
      : check.osSignal !== null
        ? `ended by ${check.osSignal}`
        : `exit code ${check.exitCode}`;
