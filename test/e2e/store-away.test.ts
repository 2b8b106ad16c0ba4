// The store goes away and comes back: what is waiting says so, and what could not be looked at is left alone. On MariaDB behind a proxy.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ageTree } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';

const behind = mariadbBehindProxy();

let homes = 0;
const homeWith = async (t: TestContext, behavior: Json = {}): Promise<TestHome> => {
  await behind.back();
  homes += 1;
  return testHome(t, {
    behavior: { quiet_after: 0.1, term_grace: 1, max_retries: 1, exponential_backoff: false, health_check_interval: 0.3, ...behavior },
    monitoring: { rescan: 0.2 },
    store: { url: behind.server.url(behind.proxy.port), table_prefix: `a${homes}_` },
  });
};
const silent = 'mkfifo go 2>/dev/null; read word < go';
const go = (home: TestHome): void => writeFileSync(join(home.work, 'go'), 'on\n');
const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const component = (health: Json, name: string): Json => health.components.find((it: Json) => it.name === name);
const running = (home: TestHome, number: number) =>
  home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));

test('[C-45] all tries to record fail: an alarm, nothing lost, visible in health, and it goes on by itself', async (t) => {
  const home = await homeWith(t);
  await home.daemon();
  const { id, number } = await home.add(`${silent}; echo precious`);
  await running(home, number);
  await behind.away();
  go(home);
  const alarm = await home.until('the alarm', () => home.log('emergency').find((line) => line.level === 'CRITICAL' && line.id === id));
  assert.match(alarm.message, /completion of todo \d+ waits: STORE_UNREACHABLE/);
  const health = await home.json(['health'], { code: 3 });
  const waits = health.findings.find((it: Json) => it.check === 'completion-waiting');
  assert.equal(waits.todoId, id);
  assert.match(waits.reason, /has stood at reported for .* \(STORE_UNREACHABLE\); nothing is lost/);
  assert.equal(component(health, 'store').status, 'unknown');
  assert.match(component(health, 'daemon').reason, /^pid \d+, 1 live/);

  await behind.back();
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'unverified']);
  assert.equal(home.log('emergency').filter((line) => line.id === id).length, 1, 'said once');
  await home.until('healthy again', async () => (await home.todo(['health'])).code === 0);
});

test('[I-33] a glitch of the network takes nothing from a live run: unknown is not "not active"', async (t) => {
  const home = await homeWith(t);
  await home.daemon();
  const { number } = await home.add(`${silent}; echo still here`);
  const before = await running(home, number);
  for (let glitch = 1; glitch <= 3; glitch++) {
    const sweeps = () => home.log('monitor').filter((line) => line.event === 'swept').length;
    const sofar = sweeps();
    await behind.away();
    await home.until('two sweeps that could not ask the store', () => sweeps() >= sofar + 2);
    assert.ok(home.log('monitor').some((line) => line.event === 'found' && line.component === 'store'));
    await behind.back();
    const over = () => home.log('monitor').filter((line) => line.event === 'is over' && line.finding === 'unknown:store').length;
    await home.until('a sweep that could ask it again', () => over() >= glitch);
  }
  const after = await home.show(number);
  assert.deepEqual([after.status, after.runs.length, after.runs[0].id, after.runs[0].endedAtMs], ['running', 1, before.runs[0].id, null]);
  assert.deepEqual(
    home.log('monitor').filter((line) => line.event === 'recovered'),
    [],
  );
  go(home);
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.runs.length], ['completed', 1]);
});

test('[C-24] [C-26] [I-33] what only the store could tell is neither planned nor done while it does not answer', async (t) => {
  const home = await homeWith(t);
  await home.add('true', '--hold');
  const orphan = join(home.folder, 'runs', '01999999-0000-7000-8000-000000000000');
  mkdirSync(orphan, { recursive: true });
  writeFileSync(join(orphan, 'output.log'), 'said\n');
  ageTree(orphan, 31 * 60_000);
  assert.deepEqual(
    (await home.json(['recover'])).plans.map((plan: Json) => plan.action),
    ['archive-orphan'],
  );

  await behind.away();
  const blind = await home.json(['recover', '--apply']);
  assert.deepEqual([blind.plans, blind.results, blind.notSeen], [[], [], ['store', 'queue', 'runs']]);
  const healed = await home.json(['heal', 'runs']);
  assert.deepEqual([healed.results, healed.notSeen], [[], ['runs']], 'of what was asked for');
  assert.ok(existsSync(orphan));
  const said = await home.todo(['recover']);
  assert.match(said.stderr, /Could not look at .*store.*runs/);

  await behind.back();
  // A look takes half a second at most: on a busy machine the first ones may end before the store has answered.
  let [results, notSeen]: Json[][] = [[], []];
  for (let looks = 1; results!.length === 0 && looks <= 10; looks++) ({ results, notSeen } = await home.json(['recover', '--apply']));
  assert.deepEqual(notSeen, []);
  assert.deepEqual(
    results!.map((it: Json) => it.done),
    [true],
  );
  assert.ok(!existsSync(orphan) && readdirSync(join(home.folder, 'archive')).length === 1);
});
