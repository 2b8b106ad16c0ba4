import type { Outcome, Proof, TerminalStatus } from './words.ts';

/** From when to when; by the time at which todos ended. Null = no bound. */
export type MetricsRange = { readonly sinceMs: number | null; readonly untilMs: number | null };

/** Todos that ended alike. */
export type EndedGroup = {
  readonly agent: string;
  readonly status: TerminalStatus;
  readonly proof: Proof | null;
  readonly todos: number;
  /** All their runs, lost and sent back ones included. */
  readonly runs: number;
  readonly runsMax: number;
};

/** Milliseconds from the claim of a run to its end. */
export type Durations = {
  readonly count: number;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
};

/** What a store counted; nothing in it is estimated. */
export type EndedFigures = {
  readonly groups: readonly EndedGroup[];
  readonly outcomes: readonly { readonly outcome: Outcome; readonly runs: number }[];
  /** Of the run that ended its todo, by agent; null stands for all together. */
  readonly durations: readonly (Durations & { readonly agent: string | null })[];
};

/** Counts of one set of todos that have ended. */
export type CompletionCounts = {
  readonly ended: number;
  readonly byStatus: Readonly<Record<TerminalStatus, number>>;
  /** Of the completed ones. */
  readonly byProof: Readonly<Record<Proof, number>>;
  /** Forced ones among the completed; null where none completed. */
  readonly forcedShare: number | null;
  readonly attempts: { readonly total: number; readonly mean: number | null; readonly max: number };
  readonly durations: Durations;
};

export type CompletionMetrics = CompletionCounts &
  MetricsRange & {
    /** How single runs ended. */
    readonly byOutcome: Readonly<Partial<Record<Outcome, number>>>;
    readonly byAgent: Readonly<Record<string, CompletionCounts>>;
  };

const none: Durations = { count: 0, meanMs: null, p50Ms: null, p95Ms: null };

export function completionMetrics(figures: EndedFigures, range: MetricsRange): CompletionMetrics {
  const durationsOf = (agent: string | null): Durations => {
    const found = figures.durations.find((it) => it.agent === agent);
    return found === undefined ? none : { count: found.count, meanMs: found.meanMs, p50Ms: found.p50Ms, p95Ms: found.p95Ms };
  };
  const agents = [...new Set(figures.groups.map(({ agent }) => agent))].sort();
  const ofAgent = (agent: string) => figures.groups.filter((group) => group.agent === agent);
  return {
    ...range,
    ...counts(figures.groups, durationsOf(null)),
    byOutcome: Object.fromEntries(figures.outcomes.map(({ outcome, runs }) => [outcome, runs])),
    byAgent: Object.fromEntries(agents.map((agent) => [agent, counts(ofAgent(agent), durationsOf(agent))])),
  };
}

function counts(groups: readonly EndedGroup[], durations: Durations): CompletionCounts {
  const sum = (fits: (group: EndedGroup) => boolean): number => groups.filter(fits).reduce((total, { todos }) => total + todos, 0);
  const ended = sum(() => true);
  const completed = sum(({ status }) => status === 'completed');
  const byProof = (proof: Proof): number => sum((group) => group.status === 'completed' && group.proof === proof);
  const runs = groups.reduce((total, group) => total + group.runs, 0);
  return {
    ended,
    byStatus: { completed, failed: sum(({ status }) => status === 'failed'), cancelled: sum(({ status }) => status === 'cancelled') },
    byProof: {
      verified: byProof('verified'),
      unverified: byProof('unverified'),
      forced: byProof('forced'),
      overridden: byProof('overridden'),
    },
    forcedShare: completed === 0 ? null : byProof('forced') / completed,
    attempts: {
      total: runs,
      mean: ended === 0 ? null : runs / ended,
      max: groups.reduce((most, group) => Math.max(most, group.runsMax), 0),
    },
    durations,
  };
}
