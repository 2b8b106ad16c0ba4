// `todo chaos` as people run it: real faults in homes of its own. It must hold, and it must be able to find that something does not.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, testHome } from './harness.ts';

/** What each needs of the machine; null: nothing, so it is tried everywhere. */
const all: Readonly<Record<string, RegExp | null>> = {
  'daemon-killed': null,
  'daemon-stopped': null,
  'watchdog-killed': null,
  'agent-killed': null,
  'tmux-killed': /tmux/,
  'agent-memory': /root|cgroup/,
  'daemon-memory': /root|cgroup/,
  'read-only': /root/,
  'disk-full': /root/,
  'store-down': /mariadb/,
  'store-killed': /mariadb/,
  'slow-tcp': /mariadb/,
  'clock-jump': null,
};

test('[P-53] todo chaos: each fault is seen and mended, nothing is lost and nothing doubled; what cannot be tried is named', async (t) => {
  const home = await testHome(t);
  // A database only where there is one: it is named as not tried elsewhere, and CI has it.
  const { held, scenarios } = await home.json(['chaos', '--at-once', '4']);
  assert.deepEqual(
    scenarios.map((it: Json) => it.name),
    Object.keys(all),
  );
  for (const it of scenarios) {
    const told = JSON.stringify(it);
    if (it.result === 'not tried') assert.ok(all[it.name]?.test(it.why), told);
    else {
      assert.deepEqual([it.result, it.lost, it.doubled], ['held', 0, 0], told);
      assert.ok(it.todos > 0 && it.detectedMs >= 0 && it.mendedMs > 0, told);
    }
  }
  assert.equal(held, true);
  assert.deepEqual(await home.json(['list']).then(({ todos }) => todos), [], 'the home of the person is left alone');
});

test('todo chaos: a scenario that is not known is a mistake of the call, and --help names them all', async (t) => {
  const home = await testHome(t);
  const { code, stderr } = await home.todo(['chaos', 'asteroid']);
  assert.equal(code, 64);
  assert.match(stderr, /no scenario asteroid/);
  const { stdout } = await home.todo(['chaos', '--help']);
  for (const name of Object.keys(all)) assert.ok(stdout.includes(name));
});

test('todo chaos: a promise that breaks is exit code 1 and says which', async (t) => {
  const home = await testHome(t);
  // Its agents call sleep, and this one kills who calls it: none of them comes to an end.
  const bin = join(home.work, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'sleep'), '#!/bin/sh\nkill -9 "$PPID"\n', { mode: 0o755 });
  const { code, stdout } = await home.todo(['--json', 'chaos', 'agent-killed'], { env: { PATH: `${bin}:${process.env['PATH']}` } });
  const { held, scenarios } = JSON.parse(stdout);
  assert.deepEqual([code, held, scenarios[0].result], [1, false, 'broken'], stdout);
  assert.match(scenarios[0].why, /did not complete|waited|no agent runs/);
});
