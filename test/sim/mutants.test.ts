// Tests of the tests: each planted bug must be seen by the layer that is named for it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Mutant, mutants } from './mutants.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function run(mutant: Mutant): { status: number | null; output: string } {
  const { killedBy } = mutant;
  const what = 'seeds' in killedBy ? ['test/sim/run.ts', '--seeds', killedBy.seeds.join('..'), '--keep', '1'] : [killedBy.test];
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', './test/sim/mutant-hook.ts', ...what], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, SIGNOFF_MUTANT: JSON.stringify(mutant), NODE_TEST_CONTEXT: undefined },
    timeout: 120_000,
    maxBuffer: 1 << 28,
  });
  return { status, output: `${stdout}${stderr}` };
}

for (const mutant of mutants) {
  const layer = 'seeds' in mutant.killedBy ? 'the simulation' : mutant.killedBy.test;
  test(`planted: ${mutant.name}; killed by ${layer}`, () => {
    const { status, output } = run(mutant);
    assert.match(output, /planted in /, `the bug was never loaded:\n${output.slice(-2000)}`);
    assert.ok(!/the place to plant the bug stands/.test(output), output.slice(-2000));
    assert.equal(status, 1, `nobody saw it:\n${output.slice(-2000)}`);
  });
}
