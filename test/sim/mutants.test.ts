// Tests of the tests: each planted bug must be seen by the layer that is named for it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Mutant, mutants } from './mutants.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

type Ran = { readonly status: number | null; readonly output: string };

function run(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env, NODE_TEST_CONTEXT: undefined },
    timeout: 120_000,
    maxBuffer: 1 << 28,
  });
  return { status, output: `${stdout}${stderr}` };
}

const onlyThose = (only: string | undefined): readonly string[] => (only === undefined ? [] : ['--test-name-pattern', only]);

function runPlanted(mutant: Mutant, layer: Exclude<Mutant['killedBy'], { built: string }>): Ran {
  const what =
    'seeds' in layer ? ['test/sim/run.ts', '--seeds', layer.seeds.join('..'), '--keep', '1'] : [...onlyThose(layer.only), layer.test];
  return run(root, ['--import', './test/sim/mutant-hook.ts', ...what], { SIGNOFF_MUTANT: JSON.stringify(mutant) });
}

/** A checkout of its own, so that what is built there is nobody else's. */
function checkout(): { readonly folder: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'todo-planted-'));
  for (const name of ['src', 'bin', 'hooks', 'test', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

function plant({ file, find, replace }: Mutant, folder: string): void {
  const path = join(folder, 'src', file);
  const parts = readFileSync(path, 'utf8').split(find);
  assert.equal(parts.length, 2, `the place to plant the bug stands ${parts.length - 1} times in ${file}`);
  writeFileSync(path, parts.join(replace));
}

for (const mutant of mutants) {
  const { killedBy } = mutant;
  const layer = 'seeds' in killedBy ? 'the simulation' : 'built' in killedBy ? killedBy.built : killedBy.test;
  test(`planted: ${mutant.name}; killed by ${layer}`, () => {
    if ('built' in killedBy) {
      using copy = checkout();
      const layerOf = [...onlyThose(killedBy.only), killedBy.built];
      const sound = run(copy.folder, layerOf);
      assert.equal(sound.status, 0, `it fails where nothing is planted:\n${sound.output.slice(-2000)}`);
      assert.match(sound.output, /pass 1$/m, 'the test was there');
      plant(mutant, copy.folder);
      const { status, output } = run(copy.folder, layerOf);
      assert.equal(status, 1, `nobody saw it:\n${output.slice(-2000)}`);
      return;
    }
    const { status, output } = runPlanted(mutant, killedBy);
    assert.match(output, /planted in /, `the bug was never loaded:\n${output.slice(-2000)}`);
    assert.ok(!/the place to plant the bug stands/.test(output), output.slice(-2000));
    assert.equal(status, 1, `nobody saw it:\n${output.slice(-2000)}`);
  });
}
