// The configuration of a living daemon changes: by its file, by SIGHUP, by command; and what is wrong changes nothing.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { withoutTmux } from './without-tmux.ts';

const behavior = { quiet_after: 0.1, term_grace: 1 };
const fileOf = (home: TestHome): string => join(home.folder, 'hooks', 'config.json');
const said = (home: TestHome): Json => JSON.parse(readFileSync(fileOf(home), 'utf8'));
const taken = (home: TestHome): Json[] => home.log('monitor').filter((line) => line.event === 'configuration taken up');
const refused = (home: TestHome): Json[] => home.log('monitor').filter((line) => line.event === 'configuration refused');

/** As an editor does it: whole, under another name, then in its place. */
function replace(home: TestHome, config: Json): void {
  writeFileSync(`${fileOf(home)}.new`, JSON.stringify(config));
  renameSync(`${fileOf(home)}.new`, fileOf(home));
}

test('[P-05] the numbers of a policy change under a daemon that lives: a run that was retried without end is given up by the new ones', async (t) => {
  const home = await testHome(t, {
    behavior,
    monitoring: { rescan: 0.2, watcher: false },
    policies: { job: { max_retries: 100, initial_delay: 0.05, max_delay: 0.05 } },
    breakers: { runner: { failure_threshold: 1000 } },
  });
  const daemon = await home.daemon({ PATH: withoutTmux(join(home.work, '..', 'bin')).PATH });
  const { number } = await home.add('true', '--session', 'tmux');
  const failedStarts = () => home.log('completion').filter((line) => line.event === 'start failed');
  await home.until('it is tried again and again', () => failedStarts().length >= 4);

  const set = await home.json(['config', 'set', 'policies.job.max_retries', '0']);
  assert.deepEqual([set.live, set.changed, set.needsRestart], [true, [{ key: 'policies.job.max_retries', from: 100, to: 0 }], []]);
  const todo = await home.untilTodo(number, 'given up', (it) => it.status === 'failed');
  assert.match(todo.reason, /attempt/);
  assert.equal(said(home).policies.job.initial_delay, 0.05, 'what else stands there stays');

  await home.json(['config', 'set', 'breakers.runner.failure_threshold', '3']);
  const { breakers } = await home.json(['breaker', 'list']);
  assert.equal(breakers.find((it: Json) => it.name === 'runner.tmux').profile.failureThreshold, 3);
  assert.equal(daemon.process.exitCode, null, 'the same process');
  const audits = await home.until('both are in the audit', () => {
    const rows = rowsOf(home, "SELECT detail FROM audit WHERE what = 'configuration' ORDER BY at_ms");
    return rows.length === 2 ? rows.map((row) => JSON.parse(row.detail as string)) : null;
  });
  assert.deepEqual([audits[0].by, audits[0].changed], ['person', set.changed]);
});

test('[P-05] a changed file is taken up by itself, with the watcher and by the scan alone, and by SIGHUP', async (t) => {
  const byItself = async (watcher: boolean): Promise<void> => {
    // A scan so seldom that only the event can be what brought it.
    const home = await testHome(t, { behavior, monitoring: { watcher, rescan: watcher ? 3000 : 0.2 }, slots: { total: 0 } });
    await home.daemon();
    const { number } = await home.add('echo it ran');
    replace(home, { ...said(home), slots: { total: 1 } });
    await home.untilTodo(number, 'a place is there for it', (todo) => todo.status === 'completed');
    assert.deepEqual(
      taken(home).map(({ by, changed }) => [by, changed]),
      [['file', ['slots.total: 0 → 1']]],
    );
  };
  const bySignal = async (): Promise<void> => {
    const home = await testHome(t, { behavior, monitoring: { watcher: false, rescan: 3000 }, slots: { total: 0 } });
    const daemon = await home.daemon();
    replace(home, { ...said(home), slots: { total: 2 } });
    daemon.process.kill('SIGHUP');
    await home.until('it was taken up', () => taken(home).length === 1);
    assert.equal(taken(home)[0].by, 'SIGHUP');
    assert.equal(daemon.process.exitCode, null);
  };
  await Promise.all([byItself(true), byItself(false), bySignal()]);
});

test('[P-05] an invalid or half-written file changes nothing and is told once; mended, it is taken up', async (t) => {
  const home = await testHome(t, { behavior, monitoring: { rescan: 0.1 }, resource: { probe_interval: 0.2 }, slots: { total: 3 } });
  const daemon = await home.daemon();
  const whole = JSON.stringify({ ...said(home), slots: { total: 7 } });
  const inUse = async () => (await home.json(['config', 'show', 'slots.total'], { code: 78 })).daemon;

  writeFileSync(fileOf(home), whole.slice(0, -5));
  await home.until('it was refused', () => refused(home).length === 1);
  assert.match(refused(home)[0].reason, /CONFIG_INVALID while reading .*config\.json: "line 1, column \d+": JSON/);
  assert.equal((await inUse()).values['slots.total'], 3);
  writeFileSync(fileOf(home), '');
  await home.until('also where nothing is left of it', () => refused(home).length === 2);
  replace(home, { ...JSON.parse(whole), slots: { totla: 7 } });
  const reload = await home.json(['daemon', 'reload'], { code: 78 });
  assert.match(reload.message, /did you mean "slots\.total"/);
  assert.match(reload.hint, /values before it stay in use/);
  await home.json(['daemon', 'reload'], { code: 78 });
  assert.equal(refused(home).length, 3, 'each mistake once');
  const { values, refused: why } = await inUse();
  assert.equal(values['slots.total'], 3);
  assert.match(why, /slots\.totla/);
  assert.equal(taken(home).length, 0);
  const health = (status: string): Promise<Json> =>
    home.until(`health says ${status}`, () =>
      home.log('monitor').findLast((it) => it.event === 'health changed' && it.component === 'configuration' && it.status === status),
    );
  assert.match((await health('degraded')).reason, /the file is refused, what was read before stays in use: /);

  writeFileSync(fileOf(home), whole);
  await home.until('mended', () => taken(home).length === 1);
  await health('healthy');
  const shown = (await home.json(['config', 'show', 'slots'])).values;
  assert.deepEqual(
    shown.map((it: Json) => [it.key, it.value, it.source, it.inUse]),
    [
      ['slots.agent', 2, 'default', 2],
      ['slots.project', 1, 'default', 1],
      ['slots.total', 7, 'file', 7],
    ],
  );
  assert.equal(daemon.process.exitCode, null);
});

test('[P-05] config set keeps comments, refuses what is wrong before it writes, names what needs a restart and what says over it', async (t) => {
  const home = await testHome(t, { behavior });
  const text = `// Ours.\n${JSON.stringify(said(home), null, 2).replace('{', '{\n  // Four at a time.\n  "slots": { "total": 4 }, // not more')}\n`;
  writeFileSync(fileOf(home), text);
  const without = await home.json(['config', 'set', 'slots.agent', '3']);
  assert.deepEqual([without.live, without.changed], [false, [{ key: 'slots.agent', from: 2, to: 3 }]]);
  await home.daemon({ TODO_SLOTS_PROJECT: '6' });
  await home.json(['config', 'set', 'slots.total', '5']);
  const now = readFileSync(fileOf(home), 'utf8');
  for (const comment of ['// Ours.', '// Four at a time.', '// not more']) assert.ok(now.includes(comment), comment);
  assert.match(now, /"total": 5/);

  const wrong = await home.json(['config', 'set', 'slots.total', '-1'], { code: 78 });
  assert.match(wrong.message, /"slots\.total".*got -1/);
  assert.equal(readFileSync(fileOf(home), 'utf8'), now, 'nothing was written');
  assert.deepEqual((await home.json(['config', 'set', 'store.pool', '9'])).needsRestart, ['store.pool']);
  assert.deepEqual((await home.json(['status'])).configuration.needsRestart, ['store.pool']);
  const over = await home.json(['config', 'set', 'slots.project', '2']);
  assert.deepEqual([over.overridden, over.changed], ['TODO_SLOTS_PROJECT', []]);
  const shown = await home.json(['config', 'show', 'store.pool']);
  assert.deepEqual([shown.values[0].value, shown.values[0].inUse, shown.values[0].needsRestart], [9, 4, true]);
  await home.json(['config', 'unset', 'slots.total']);
  assert.equal((await home.json(['config', 'show', 'slots.total'])).values[0].source, 'default');
});
