import type { Outcome } from './words.ts';

/** A run that has ended, as the store has it. */
export type PastRun = {
  readonly todoId: string;
  readonly agent: string;
  readonly project: string;
  readonly outcome: Outcome;
  readonly round: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
};

/** The longest silence of a run that has ended, where this home remembers it. */
export type PastSilence = { readonly bad: boolean; readonly silentMs: number };

/** What is known of a run that lives. */
export type LiveSigns = {
  readonly agent: string;
  readonly project: string;
  /** Runs of the same todo that were lost or reset before. */
  readonly earlierBad: number;
  readonly ageMs: number;
  readonly silentMs: number;
  readonly round: number;
};

/** Hung (a timer had to end it) or failed. What a person or a usage limit ended says nothing about the agent. */
const badOutcomes: ReadonlySet<Outcome> = new Set<Outcome>(['forced', 'reset', 'failed', 'lost']);
const isBad = ({ outcome }: Pick<PastRun, 'outcome'>): boolean => badOutcomes.has(outcome);
export const counts = ({ outcome }: Pick<PastRun, 'outcome'>): boolean => badOutcomes.has(outcome) || outcome === 'done';
export const isBadOutcome = (outcome: Outcome): boolean => badOutcomes.has(outcome);

/** With fewer there is no number: chance alone would make one up. */
const runsMin = 40;
const eachMin = 8;
/** The later part of the history is predicted from the earlier one, to see what the model is worth. */
const trainedShare = 0.7;
/** At these shares of what good runs took a run is looked at again: those that are still going are other runs than all that began. */
const looksAt = [0.5, 0.9, 0.99] as const;
/** Sizes kept of each distribution. */
const gridSize = 21;
const groupsMax = 200;

type Group = { readonly bad: number; readonly all: number };
type Grid = readonly number[];

/** Small, and all that a prediction needs. Kept as a note of the journal. */
export type PredictionModel = {
  readonly v: 1;
  readonly fittedAtMs: number;
  readonly runs: number;
  readonly bad: number;
} & (
  | { readonly kind: 'too-little'; readonly needs: string }
  | {
      readonly kind: 'fitted';
      readonly weights: readonly number[];
      readonly means: readonly number[];
      readonly scales: readonly number[];
      readonly agents: Readonly<Record<string, Group>>;
      readonly projects: Readonly<Record<string, Group>>;
      readonly recent: Group;
      /** How long runs took, in milliseconds: equally many lie between two neighbours. */
      readonly tookMs: { readonly good: Grid };
      /** Longest silences; null where too few are remembered. */
      readonly silentMs: { readonly good: Grid; readonly bad: Grid } | null;
      /** How many good and bad runs came to that round, from the first. */
      readonly rounds: { readonly good: readonly number[]; readonly bad: readonly number[] };
      /** Mean squared error on the later runs, that of always saying the earlier runs' share, and how many looks that was. */
      readonly brier: number;
      readonly brierOfBaseRate: number;
      readonly looks: number;
    }
);

export type Prediction =
  | { readonly kind: 'none'; readonly why: string }
  | {
      readonly kind: 'risk';
      /** That it hangs or fails, 0 to 1. */
      readonly probability: number;
      /** The same before silence and round are looked at: what `brier` was measured of. */
      readonly calibrated: number;
      /** The share of all runs. */
      readonly baseRate: number;
      readonly reasons: readonly string[];
    };

const names = ['agent', 'project', 'earlier', 'recent', 'age'] as const;

/** `runs` in any order; what does not count is left out. Cheap: a few milliseconds for two thousand runs. */
export function fitPrediction(given: readonly PastRun[], silences: readonly PastSilence[], nowMs: number): PredictionModel {
  const runs = given.filter(counts).toSorted((a, b) => a.startedAtMs - b.startedAtMs);
  const bad = runs.filter(isBad).length;
  const about = { v: 1, fittedAtMs: nowMs, runs: runs.length, bad } as const;
  if (runs.length < runsMin || bad < eachMin || runs.length - bad < eachMin)
    return {
      ...about,
      kind: 'too-little',
      needs: `${runsMin} ended runs with at least ${eachMin} of each kind; there are ${runs.length}, ${bad} of them hung or failed`,
    };
  const cut = Math.floor(runs.length * trainedShare);
  const { brier, brierOfBaseRate, looks } = judged(runs, cut);
  const all = trained(runs);
  return {
    ...about,
    kind: 'fitted',
    ...all.logistic,
    agents: all.history.groups('agent'),
    projects: all.history.groups('project'),
    recent: all.history.recent(),
    tookMs: { good: all.tookGood },
    silentMs: silenceGrids(silences),
    rounds: { good: reached(runs, false), bad: reached(runs, true) },
    brier,
    brierOfBaseRate,
    looks,
  };
}

/** Fitted on what came first, asked about what came later: nothing of a run is known to the model that judges it but what stood before it. */
function judged(runs: readonly PastRun[], cut: number): { brier: number; brierOfBaseRate: number; looks: number } {
  const earlier = runs.slice(0, cut);
  const model = trained(earlier);
  const share = earlier.filter(isBad).length / earlier.length;
  let [error, errorOfBase, looks] = [0, 0, 0];
  for (const run of runs.slice(cut)) {
    for (const row of rowsOf(run, model.history, model.tookGood)) {
      const truth = isBad(run) ? 1 : 0;
      error += (chanceBy(model.logistic, row.x) - truth) ** 2;
      errorOfBase += (share - truth) ** 2;
      looks += 1;
    }
    model.history.add(run);
  }
  return { brier: error / looks, brierOfBaseRate: errorOfBase / looks, looks };
}

function trained(runs: readonly PastRun[]) {
  const tookGood = gridOf(runs.filter((run) => !isBad(run)).map(tookMs));
  const history = newHistory();
  const rows: Row[] = [];
  for (const run of runs) {
    rows.push(...rowsOf(run, history, tookGood));
    history.add(run);
  }
  return { history, tookGood, logistic: fitLogistic(rows) };
}

type Row = { readonly x: readonly number[]; readonly bad: boolean };

/** A run at its start, and at the ages that it lived to see. Each look counts the same: among those that are still going at an age the bad ones are more. */
function rowsOf(run: PastRun, history: History, tookGood: Grid): Row[] {
  const ages = [0, ...looksAt.map((share) => at(tookGood, share))].filter((ageMs) => ageMs <= tookMs(run));
  const earlier = history.earlierBad(run.todoId);
  return ages.map((ageMs) => ({
    x: features(history, { ...run, earlierBad: earlier, ageMs }, tookGood),
    bad: isBad(run),
  }));
}

type Known = Pick<LiveSigns, 'agent' | 'project' | 'earlierBad' | 'ageMs'>;
type Shares = { group(of: 'agent' | 'project', name: string): Group; all(): Group; recent(): Group };

function features(history: Shares, { agent, project, earlierBad, ageMs }: Known, tookGood: Grid): readonly number[] {
  const base = shareOf(history.all(), 0.5);
  return [
    logOdds(shareOf(history.group('agent', agent), base)),
    logOdds(shareOf(history.group('project', project), base)),
    Math.min(3, earlierBad),
    logOdds(shareOf(history.recent(), base)),
    // How few of the good ones take longer.
    -Math.log(Math.max(0.5 / gridSize, 1 - shareBelow(tookGood, ageMs))),
  ];
}

/** A group with few runs is as all are: three runs of the whole stand in for what is not known. */
const shareOf = ({ bad, all }: Group, base: number): number => (bad + 3 * base) / (all + 3);
const logOdds = (share: number): number => Math.log(share / (1 - share));

const recentMax = 10;
type History = Shares & {
  add(run: PastRun): void;
  earlierBad(todoId: string): number;
  groups(of: 'agent' | 'project'): Readonly<Record<string, Group>>;
};

function newHistory(): History {
  const groups = { agent: new Map<string, Group>(), project: new Map<string, Group>() };
  const earlier = new Map<string, number>();
  let all: Group = { bad: 0, all: 0 };
  let recent: boolean[] = [];
  const plus = ({ bad, all: count }: Group, isBadOne: boolean): Group => ({ bad: bad + (isBadOne ? 1 : 0), all: count + 1 });
  return {
    group: (of, name) => groups[of].get(name) ?? none,
    all: () => all,
    recent: () => ({ bad: recent.filter(Boolean).length, all: recent.length }),
    earlierBad: (todoId) => earlier.get(todoId) ?? 0,
    groups: (of) => Object.fromEntries([...groups[of]].toSorted((a, b) => b[1].all - a[1].all).slice(0, groupsMax)),
    add(run) {
      const wasBad = isBad(run);
      for (const kind of ['agent', 'project'] as const) groups[kind].set(run[kind], plus(groups[kind].get(run[kind]) ?? none, wasBad));
      all = plus(all, wasBad);
      recent = [...recent, wasBad].slice(-recentMax);
      if (run.outcome === 'lost' || run.outcome === 'reset') earlier.set(run.todoId, (earlier.get(run.todoId) ?? 0) + 1);
    },
  };
}
const none: Group = { bad: 0, all: 0 };

/** What a run that lives comes to, with the reasons that weigh most. Pure: the same at every look at the same signs. */
export function predict(model: PredictionModel | null, signs: LiveSigns): Prediction {
  if (model === null) return { kind: 'none', why: 'nothing was learned from the history yet' };
  if (model.kind === 'too-little') return { kind: 'none', why: `too little history: it needs ${model.needs}` };
  const shares: Shares = {
    group: (of, name) => (of === 'agent' ? model.agents : model.projects)[name] ?? none,
    all: () => ({ bad: model.bad, all: model.runs }),
    recent: () => model.recent,
  };
  const x = features(shares, signs, model.tookMs.good);
  const baseRate = model.bad / model.runs;
  // Worth nothing on the later runs: then the share of all runs is the better answer, and says so.
  const worth = model.brier < model.brierOfBaseRate;
  const calibrated = worth ? chanceBy(model, x) : baseRate;
  const signals = [silenceSign(model.silentMs, signs.silentMs), roundSign(model.rounds, signs.round)].filter((it) => it !== null);
  const odds = signals.reduce((sum, { factor }) => sum * factor, calibrated / (1 - calibrated));
  const reasons = [
    ...(worth ? reasonsOf(model, x, signs) : ['the history tells these runs apart no better than chance: this is the share of all runs']),
    ...signals.map(({ reason }) => reason),
  ];
  return { kind: 'risk', probability: odds / (1 + odds), calibrated, baseRate, reasons };
}

type Fitted = Extract<PredictionModel, { kind: 'fitted' }>;
/** What moves the odds by less is no reason. */
const reasonMin = 0.2;

function reasonsOf(model: Fitted, x: readonly number[], { agent, project, earlierBad, ageMs }: LiveSigns): readonly string[] {
  const words: Readonly<Record<(typeof names)[number], () => string>> = {
    agent: () => `agent ${agent}: ${groupText(model.agents[agent])}`,
    project: () => `project ${project}: ${groupText(model.projects[project])}`,
    earlier: () =>
      earlierBad === 0 ? 'no earlier run of this todo was lost or reset' : `${earlierBad} earlier runs of this todo were lost or reset`,
    recent: () => `of the last ${model.recent.all} runs here ${model.recent.bad} hung or failed`,
    age: () => `it runs for ${duration(ageMs)}; ${percent(shareBelow(model.tookMs.good, ageMs))} of the good ones were over by then`,
  };
  return names
    .map((name, index) => ({ name, moves: (model.weights[index + 1] ?? 0) * standard(model, x[index] ?? 0, index) }))
    .filter(({ moves }) => Math.abs(moves) >= reasonMin)
    .toSorted((a, b) => Math.abs(b.moves) - Math.abs(a.moves))
    .map(({ name, moves }) => `${moves > 0 ? '+' : '−'} ${words[name]()}`);
}

const groupText = (group: Group | undefined): string =>
  group === undefined ? 'no run of it has ended here yet' : `${group.bad} of ${group.all} runs hung or failed`;

type Sign = { readonly factor: number; readonly reason: string };
/** One sign alone never moves the odds further; silence and rounds hang together with age. */
const factorMax = 10;
const factorMin = 1 / 3;
const bounded = (factor: number): number => Math.min(factorMax, Math.max(factorMin, factor));

function silenceSign(grids: Fitted['silentMs'], silentMs: number): Sign | null {
  if (grids === null) return null;
  const above = (grid: Grid): number => (1 - shareBelow(grid, silentMs) + 1 / gridSize) / (1 + 1 / gridSize);
  const factor = bounded(above(grids.bad) / above(grids.good));
  if (factor < 1.25) return null;
  return {
    factor,
    reason: `+ silent for ${duration(silentMs)}; ${percent(shareBelow(grids.good, silentMs))} of the good ones never were for so long`,
  };
}

function roundSign({ good, bad }: Fitted['rounds'], round: number): Sign | null {
  const share = (counted: readonly number[]): number => ((counted[Math.min(round, counted.length) - 1] ?? 0) + 1) / ((counted[0] ?? 0) + 1);
  const factor = bounded(share(bad) / share(good));
  return round < 2 || (factor < 1.25 && factor > 0.8)
    ? null
    : {
        factor,
        reason: `${factor > 1 ? '+' : '−'} round ${round}: ${good[round - 1] ?? 0} good and ${bad[round - 1] ?? 0} bad runs came so far`,
      };
}

const roundsMax = 20;
const reached = (runs: readonly PastRun[], bad: boolean): readonly number[] =>
  Array.from({ length: roundsMax }, (_, index) => runs.filter((run) => isBad(run) === bad && run.round > index).length);

const silencesMin = 20;
function silenceGrids(silences: readonly PastSilence[]): Fitted['silentMs'] {
  const of = (bad: boolean) => silences.filter((it) => it.bad === bad).map(({ silentMs }) => silentMs);
  const [good, bad] = [of(false), of(true)];
  return good.length < silencesMin || bad.length < eachMin ? null : { good: gridOf(good), bad: gridOf(bad) };
}

const tookMs = ({ startedAtMs, endedAtMs }: PastRun): number => Math.max(0, endedAtMs - startedAtMs);

/** Quantiles, from the least to the most. */
function gridOf(values: readonly number[]): Grid {
  const sorted = values.toSorted((a, b) => a - b);
  return Array.from({ length: gridSize }, (_, index) => sorted[Math.round((index / (gridSize - 1)) * (sorted.length - 1))] ?? 0);
}
const at = (grid: Grid, share: number): number => grid[Math.min(grid.length - 1, Math.round(share * (grid.length - 1)))] ?? 0;
const shareBelow = (grid: Grid, value: number): number => {
  const above = grid.findIndex((it) => it >= value);
  return above < 0 ? 1 : above / grid.length;
};

type Logistic = Pick<Fitted, 'weights' | 'means' | 'scales'>;
const standard = ({ means, scales }: Logistic, value: number, index: number): number =>
  (value - (means[index] ?? 0)) / (scales[index] ?? 1);
const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));
const chanceBy = (model: Logistic, x: readonly number[]): number =>
  sigmoid(x.reduce((sum, value, index) => sum + (model.weights[index + 1] ?? 0) * standard(model, value, index), model.weights[0] ?? 0));

/** Pulls the weights towards nothing: a history of forty runs must not be sure. */
const ridge = 2;
const stepsMax = 12;
const spreadMin = 0.25;

/** Logistic regression by Newton's method. */
function fitLogistic(rows: readonly Row[]): Logistic {
  const size = names.length;
  const means = names.map((_, at_) => rows.reduce((sum, { x }) => sum + (x[at_] ?? 0), 0) / rows.length);
  const scales = names.map((_, at_) => {
    const spread = Math.sqrt(rows.reduce((sum, { x }) => sum + ((x[at_] ?? 0) - (means[at_] ?? 0)) ** 2, 0) / rows.length);
    // What hardly differed from run to run must not weigh much because it did at the beginning.
    return Math.max(spread, spreadMin);
  });
  const inputs = rows.map(({ x }) => [1, ...x.map((value, at_) => standard({ weights: [], means, scales }, value, at_))]);
  let weights: number[] = Array(size + 1).fill(0);
  for (let step = 0; step < stepsMax; step++) {
    const gradient: number[] = weights.map((weight, at_) => (at_ === 0 ? 0 : ridge * weight));
    const hessian = weights.map((_, row) => weights.map((__, column) => (row === column && row > 0 ? ridge : 0)));
    for (const [index, { bad }] of rows.entries()) {
      const z = inputs[index] as number[];
      const chance = sigmoid(z.reduce((sum, value, at_) => sum + value * (weights[at_] ?? 0), 0));
      const curve = Math.max(1e-6, chance * (1 - chance));
      for (const [row, value] of z.entries()) {
        gradient[row] = (gradient[row] ?? 0) + (chance - (bad ? 1 : 0)) * value;
        const line = hessian[row] as number[];
        for (const [column, other] of z.entries()) line[column] = (line[column] ?? 0) + curve * value * other;
      }
    }
    const move = solve(hessian, gradient);
    weights = weights.map((weight, at_) => weight - (move[at_] ?? 0));
    if (move.every((it) => Math.abs(it) < 1e-6)) break;
  }
  return { weights, means, scales };
}

/** Gauss with the largest element of each column first. The matrix is positive definite (ridge), so there is always one. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): readonly number[] {
  const rows = matrix.map((row, index) => [...row, right[index] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    const best = rows.findIndex(
      (row, index) =>
        index >= column && Math.abs(row[column] ?? 0) === Math.max(...rows.slice(column).map((it) => Math.abs(it[column] ?? 0))),
    );
    const pivot = rows[best] as number[];
    [rows[column], rows[best]] = [pivot, rows[column] as number[]];
    for (const row of rows) {
      if (row === pivot) continue;
      const share = (row[column] ?? 0) / (pivot[column] ?? 1);
      for (let index = column; index <= size; index++) row[index] = (row[index] ?? 0) - share * (pivot[index] ?? 0);
    }
  }
  return rows.map((row, index) => (row[size] ?? 0) / (row[index] ?? 1));
}

export const percent = (share: number): string => `${Math.round(share * 100)} %`;
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
