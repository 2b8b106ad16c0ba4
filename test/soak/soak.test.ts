// Two minutes of what `node test/soak/run.ts --minutes 30` does for half an hour.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './soak.ts';

test('[P-38] two minutes at work under faults: nothing lost or doubled, no growth, nothing left over, no error that nobody handled', async (t) => {
  const soaked = await soak({ minutes: 2, seed: 20_261_122, tell: () => {} });
  for (const [name, text] of Object.entries(soaked.grown)) t.diagnostic(`${name}: ${text}`);
  assert.deepEqual(soaked.wrong, [], `the home stays: ${soaked.folder}`);
  assert.ok(soaked.todos >= 30, `${soaked.todos} todos`);
  for (const [name, times] of Object.entries(soaked.faults)) assert.ok(times >= 1, `no ${name} in two minutes`);
});
