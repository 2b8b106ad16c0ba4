// What was learned from ended runs: is it worth more than the share of all runs, is it calibrated, and does it stay silent where it knows nothing?
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitPrediction, type PastRun, type Prediction, type PredictionModel, predict } from '../../src/core/prediction.ts';

const minuteMs = 60_000;
/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

type Chance = (agent: string, project: string) => number;
const shaky: Chance = (agent, project) => (agent === 'shaky' ? 0.6 : 0.05) + (project === 'hard' ? 0.25 : 0);

/** Runs of two agents in two projects; bad ones take long, as what hangs until a timer ends it does. */
function history(count: number, seed: number, chance: Chance, slowBad = true): PastRun[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, index) => {
    const agent = random() < 0.4 ? 'shaky' : 'steady';
    const project = random() < 0.3 ? 'hard' : 'easy';
    const bad = random() < chance(agent, project);
    const startedAtMs = index * 10 * minuteMs;
    const tookMs = (bad && slowBad ? 30 + 10 * random() : 1 + 9 * random()) * minuteMs;
    const outcome = bad ? (random() < 0.5 ? 'forced' : 'failed') : 'done';
    return { todoId: `t${index}`, agent, project, outcome, round: 1, startedAtMs, endedAtMs: startedAtMs + tookMs };
  });
}

const start = { agent: 'shaky', project: 'easy', earlierBad: 0, ageMs: 0, silentMs: 0, round: 1 };
const chanceOf = (prediction: Prediction): number => (prediction.kind === 'risk' ? prediction.probability : Number.NaN);
const fitted = (model: PredictionModel): Extract<PredictionModel, { kind: 'fitted' }> => {
  if (model.kind !== 'fitted') assert.fail(model.needs);
  return model;
};

test('[C-54] (U) on runs that came later it errs less than the share of all runs, and what it says comes true as often as it says', () => {
  const model = fitted(fitPrediction(history(600, 1, shaky), [], 0));
  assert.ok(model.brier < 0.85 * model.brierOfBaseRate, `Brier ${model.brier} beside ${model.brierOfBaseRate}`);
  const later = history(4000, 2, shaky);
  const bins = new Map<number, { said: number; came: number; count: number }>();
  for (const run of later) {
    const said = chanceOf(predict(model, { ...start, agent: run.agent, project: run.project }));
    const bin = bins.get(Math.round(said * 10)) ?? { said: 0, came: 0, count: 0 };
    bins.set(Math.round(said * 10), { said: bin.said + said, came: bin.came + (run.outcome === 'done' ? 0 : 1), count: bin.count + 1 });
  }
  for (const [, { said, came, count }] of bins)
    if (count >= 100)
      assert.ok(Math.abs(said - came) / count < 0.12, `said ${(said / count).toFixed(2)}, came ${(came / count).toFixed(2)} of ${count}`);
});

test('agent, project and age move it, each with its reason; a run that outlives all good ones is almost certain to be bad', () => {
  const model = fitPrediction(history(600, 1, shaky), [], 0);
  const [steady, atStart, hard, old] = [
    { ...start, agent: 'steady' },
    start,
    { ...start, project: 'hard' },
    { ...start, ageMs: 25 * minuteMs },
  ].map((signs) => predict(model, signs));
  const chances = [steady!, atStart!, hard!, old!].map(chanceOf);
  assert.deepEqual(
    chances,
    chances.toSorted((a, b) => a - b),
  );
  assert.ok(chanceOf(steady!) < 0.2 && chanceOf(old!) > 0.85, chances.join());
  assert.ok(
    old!.kind === 'risk' && /^\+ it runs for 25 min; 100 % of the good ones were over by then$/.test(old!.reasons[0]!),
    JSON.stringify(old),
  );
  assert.ok(
    atStart!.kind === 'risk' && atStart!.reasons.some((it) => /^\+ agent shaky: \d+ of \d+ runs hung or failed$/.test(it)),
    JSON.stringify(atStart),
  );
});

for (const [name, runs] of [
  ['no history', []],
  ['a short one', history(39, 1, shaky)],
  ['one in which all went well', history(200, 1, () => 0)],
  ['one of what says nothing of the agent', history(200, 1, shaky).map((run) => ({ ...run, outcome: 'cancelled' as const }))],
] as const)
  test(`too little history gives no number and says so: ${name}`, () => {
    const prediction = predict(fitPrediction(runs, [], 0), start);
    assert.deepEqual([prediction.kind, 'probability' in prediction], ['none', false]);
    assert.match(
      prediction.kind === 'none' ? prediction.why : '',
      /too little history: it needs 40 ended runs with at least 8 of each kind; there are \d+/,
    );
  });

test('where nothing can be learned it does not pretend: chance is told as the share of all runs', () => {
  let pretended = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const model = fitted(
      fitPrediction(
        history(300, seed, () => 0.3, false),
        [],
        0,
      ),
    );
    assert.ok(model.brier > 0.9 * model.brierOfBaseRate, `seed ${seed}: ${model.brier} beside ${model.brierOfBaseRate}`);
    if (model.brier < model.brierOfBaseRate) pretended++;
    else assert.ok(Math.abs(chanceOf(predict(model, start)) - model.bad / model.runs) < 1e-9);
  }
  assert.ok(pretended < 20, 'it found out that it knows nothing');
});

test('silence and rounds move the odds within bounds, and only where the history knows of them', () => {
  const runs = history(600, 1, shaky).map((run, index) => ({ ...run, round: run.outcome === 'done' ? 1 : 1 + (index % 3) }));
  const silences = Array.from({ length: 120 }, (_, index) => ({
    bad: index % 3 === 0,
    silentMs: (index % 3 === 0 ? 20 : 1) * minuteMs + index,
  }));
  const [knows, knowsNot] = [fitPrediction(runs, silences, 0), fitPrediction(runs, [], 0)];
  const silent = { ...start, agent: 'steady', silentMs: 10 * minuteMs };
  const found = predict(knows, silent);
  assert.ok(found.kind === 'risk' && found.probability > found.calibrated);
  assert.ok(found.probability / (1 - found.probability) <= (10.001 * found.calibrated) / (1 - found.calibrated));
  assert.ok(
    found.reasons.some((it) => /^\+ silent for 10 min; \d+ % of the good ones never were for so long$/.test(it)),
    JSON.stringify(found),
  );
  assert.equal(chanceOf(predict(knowsNot, silent)), chanceOf(predict(knowsNot, { ...silent, silentMs: 0 })));
  const third = predict(knows, { ...start, agent: 'steady', round: 3 });
  assert.ok(chanceOf(third) > chanceOf(predict(knows, { ...start, agent: 'steady' })));
  assert.ok(
    third.kind === 'risk' && third.reasons.some((it) => /^\+ round 3: 0 good and \d+ bad runs came so far$/.test(it)),
    JSON.stringify(third),
  );
});

test('earlier lost runs of the same todo count for a later one, never for themselves', () => {
  const random = randomFrom(7);
  const runs: PastRun[] = [];
  for (let todo = 0; todo < 200; todo++)
    for (let attempt = 0, lost = random() < 0.2; attempt < 3; attempt++) {
      const at = (todo * 3 + attempt) * minuteMs;
      const about = { todoId: `t${todo}`, agent: 'a', project: 'p', round: 1, startedAtMs: at, endedAtMs: at + 1000 };
      runs.push({ ...about, outcome: lost ? 'lost' : 'done' });
      if (!lost) break;
      lost = random() < 0.7;
    }
  const model = fitPrediction(runs, [], 0);
  const [first, third] = [0, 2].map((earlierBad) => predict(model, { ...start, agent: 'a', project: 'p', earlierBad }));
  assert.ok(chanceOf(third!) > chanceOf(first!) + 0.2, JSON.stringify([first, third]));
  assert.ok(third!.kind === 'risk' && third!.reasons.includes('+ 2 earlier runs of this todo were lost or reset'));
});
