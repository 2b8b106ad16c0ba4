// The whole daemon in simulated worlds, by seed: crashes at any call, faulty files and stores, late and foreign signals, a second daemon.
// SIM_SEEDS says how many; a failing one prints the line that replays it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replayLine, tellMany } from './pool.ts';

const count = Number(process.env['SIM_SEEDS'] ?? 5000);

/** All cores of a quiet machine need a minute and a half for five thousand; one that has other work, some more. */
const timeout = 15 * 60_000;

test(`[C-17] [C-29] [C-46] [C-47] all eight promises are kept in ${count} simulated worlds, and a seed is always the same story`, {
  timeout,
}, async (t) => {
  const tally = await tellMany({ from: 1, to: count }, { failuresMax: 5 });
  const crashes = Object.values(tally.crashPoints).reduce((all, times) => all + times, 0);
  t.diagnostic(
    `${tally.seeds} seeds in ${Math.round(tally.elapsedMs / 1000)} s, ${tally.twice} told twice, ${crashes} crashes at ${Object.keys(tally.crashPoints).length} kinds of points`,
  );
  assert.ok(tally.seeds >= count && tally.twice > 0 && crashes > count / 2, 'the worlds are as bad as they should be');
  assert.deepEqual(
    tally.failed.map(({ seed, violations }) => `${violations[0]}  replay: ${replayLine(seed)}`),
    [],
  );
});
