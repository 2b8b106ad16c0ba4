import type { Exit } from './entry.ts';
import { programNotFound } from './run-folder.ts';
import type { UsageLimit } from './usage-limit.ts';
import type { HealthStatus, SaidBy } from './words.ts';

/** Agent of a todo that does not name one: the best of `runners` is taken for each run. */
export const autoAgent = 'auto';
/** The last of every chain: local, always there. It works on nothing; it says so, and puts the todo off. */
export const fallbackRunner = 'fallback';
export const builtInAgents: readonly string[] = ['claude', 'shell'];
/** A shell is none: it would run the words of a prompt as commands. */
export const builtInRunners: readonly string[] = ['claude'];

type Configured = { readonly agent: string; readonly priority: number; readonly enabled: boolean };

/** Those that may be chosen, first choice first. The order is the configuration's alone. */
export const chainOf = (runners: readonly Configured[]): readonly string[] =>
  runners
    .filter(({ enabled }) => enabled)
    .toSorted((a, b) => a.priority - b.priority)
    .map(({ agent }) => agent);

/** What a todo gets whose author named no agent. */
export const defaultAgent = ({ runners }: { readonly runners: readonly Configured[] }): string =>
  chainOf(runners).length > 0 ? autoAgent : 'claude';

/** How a runner is, as the last look or run left it. */
export type RunnerHealth = {
  readonly status: HealthStatus;
  readonly reason: string;
  readonly whatToDo: string | null;
};

/** What a look at a runner's program found. */
export type RunnerSeen = {
  readonly program: string;
  /** Null: there is none of that name, or it may not be executed. */
  readonly path: string | null;
  /** Of `needs_env`. Names alone: what they hold is nobody's business. */
  readonly missing: readonly string[];
  /** Null: it was not asked. */
  readonly probe: {
    readonly command: string;
    readonly exitCode: number | null;
    readonly osSignal: string | null;
    readonly timedOut: boolean;
    readonly startError: string | null;
    readonly tail: string;
  } | null;
};

/** One that did not answer in time may only be slow: it is no first choice, but nobody knows that it is broken. */
export function runnerHealth(agent: string, { program, path, missing, probe }: RunnerSeen): RunnerHealth {
  if (path === null)
    return {
      status: 'unhealthy',
      reason: `${program} was not found or may not be executed`,
      whatToDo: `Install it, or name it: todo config set agents.${agent}.command PATH`,
    };
  if (missing.length > 0)
    return {
      status: 'unhealthy',
      reason: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not set`,
      whatToDo: `Set ${missing.join(', ')} where the daemon is started, or in agents.${agent}.env`,
    };
  if (probe === null) return { status: 'unknown', reason: 'not asked yet', whatToDo: null };
  const whatToDo = `See what it says: ${probe.command}`;
  if (probe.timedOut) return { status: 'unknown', reason: `its probe (${probe.command}) had no answer in time`, whatToDo };
  if (probe.startError !== null) return { status: 'unhealthy', reason: `its probe could not be started: ${probe.startError}`, whatToDo };
  if (probe.exitCode !== 0) {
    const end = probe.osSignal === null ? `exit code ${probe.exitCode}` : probe.osSignal;
    const said = lastLine(probe.tail);
    return { status: 'unhealthy', reason: `its probe failed: ${end}${said === '' ? '' : `: ${said}`}`, whatToDo };
  }
  return { status: 'healthy', reason: versionIn(probe.tail) ?? 'it answers', whatToDo: null };
}

const saidCharsMax = 200;
const lastLine = (tail: string): string => (tail.trimEnd().split('\n').at(-1) ?? '').trim().slice(0, saidCharsMax);
/** What `--version` says, on its first line. */
export const versionIn = (tail: string): string | null => tail.trim().split('\n')[0]?.trim().slice(0, 80) || null;

/** What a run taught about its runner, and until when it is not asked for that. */
export type Cooling = {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly kind: 'limit' | 'auth' | 'spawn';
  readonly why: string;
};

/** After its program could not be started, or its key was refused: a person mends that, or nobody does. After a limit, the least. */
export const coolMs = { spawn: 60_000, auth: 15 * 60_000, limit: 10_000 } as const;

/** Who was chosen for a run, and what was against those before. */
export type Choice = {
  readonly agent: string;
  /** The first choice of the configuration; null: there is none. */
  readonly first: string | null;
  /** Nobody can work on it. */
  readonly degraded: boolean;
  readonly passedOver: readonly { readonly agent: string; readonly why: string; readonly untilMs: number | null }[];
};

/** As people read it: `claude: not used, its probe failed: exit code 1; codex: chosen`. */
export const choiceText = ({ agent, degraded, passedOver }: Choice): string =>
  [...passedOver.map((it) => `${it.agent}: not used, ${it.why}`), `${agent}: chosen${degraded ? ' (degraded)' : ''}`].join('; ');

/** Why no agent works on a todo. */
export const nobodyText = ({ passedOver }: Pick<Choice, 'passedOver'>): string =>
  `no agent worked on it (${passedOver.length === 0 ? 'no runners are configured' : passedOver.map((it) => `${it.agent}: ${it.why}`).join('; ')})`;

/** The todo of a run that nobody worked on comes back when a runner may be well again: not at once, and within the hour. */
const waitMs = { least: 60_000, most: 3_600_000 };

/**
 * Of limits and refusals the end is known; of an illness it is not, so each time in a row (`before`) waits twice as long. Whoever gets well takes back
 * what was put off, so the wait only bounds how often the same is said.
 */
export function fallbackUntilMs({ passedOver }: Pick<Choice, 'passedOver'>, before: number, nowMs: number): number {
  const ends = passedOver.map(({ untilMs }) => untilMs ?? nowMs + waitMs.least * 2 ** before);
  const soonestMs = Math.min(...(ends.length === 0 ? [nowMs + waitMs.least * 2 ** before] : ends));
  return Math.min(nowMs + waitMs.most, Math.max(nowMs + waitMs.least, soonestMs));
}

/** What a run's first word teaches about its runner. */
export type Lesson =
  | { readonly kind: 'well' }
  /** It was lost: once is chance. */
  | { readonly kind: 'lost' }
  /** The next run would end the same way. */
  | { readonly kind: 'cools'; readonly cooling: Cooling; readonly failed: boolean }
  | { readonly kind: 'nothing' };

type Word = {
  readonly says: string | null;
  readonly saidBy: SaidBy;
  readonly reason: string | null;
  readonly limit?: UsageLimit;
  readonly fault?: 'auth';
};
type LessonNeeds = { readonly nowMs: number; readonly limitWaitMs: number; readonly limitMaxMs: number };

export function lessonOf(word: Word, exit: Exit | null, { nowMs, limitWaitMs, limitMaxMs }: LessonNeeds): Lesson {
  const cools = (kind: Cooling['kind'], untilMs: number, why: string, failed = false): Lesson => ({
    kind: 'cools',
    cooling: { sinceMs: nowMs, untilMs, kind, why },
    failed,
  });
  if (word.limit !== undefined) {
    // A provider whose limit is over by its own word, and which refuses all the same, must not be asked again at once.
    const untilMs = Math.min(nowMs + limitMaxMs, Math.max(nowMs + coolMs.limit, word.limit.resetsAtMs ?? nowMs + limitWaitMs));
    return cools('limit', untilMs, 'its usage limit is reached');
  }
  if (word.fault === 'auth') return cools('auth', nowMs + coolMs.auth, 'its key or account was refused');
  if (word.saidBy === 'deadline' || word.saidBy === 'person') return { kind: 'nothing' };
  if (word.says !== null) return { kind: 'well' };
  if (exit?.kind !== 'spawn-error') return { kind: 'lost' };
  // What else keeps a run from starting (its folder is gone, the disk is full) would keep any other from it.
  if (exit.why !== programNotFound) return { kind: 'nothing' };
  return cools('spawn', nowMs + coolMs.spawn, `it could not be started: ${exit.why}`, true);
}
