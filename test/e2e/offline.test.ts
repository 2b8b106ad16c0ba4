// The network to the store is cut: work goes on here, looks are answered from what was seen last, and what waited goes through once. On MariaDB behind a proxy.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';
import { receiver } from './receiver.ts';

const behind = mariadbBehindProxy();

const behavior = { quiet_after: 0.1, term_grace: 1, health_check_interval: 0.5 };
const slots = { total: 20, agent: 20, project: 20 };
const waits = (pipe: string): string => `mkfifo ${pipe}; read word < ${pipe}; echo original of ${pipe}`;
const go = (home: TestHome, pipe: string): void => writeFileSync(join(home.work, pipe), 'on\n');

async function rows(sql: string): Promise<Json[]> {
  const connection = await behind.server.connect();
  try {
    return (await connection.query(sql))[0] as Json[];
  } finally {
    await connection.end();
  }
}

test('[H-10] [H-20] [H-72] the network is cut: runs end here and wait, looks are answered from the snapshot, over kill -9; then all goes through in order and once', async (t) => {
  const home = await testHome(t, {
    behavior,
    slots,
    monitoring: { rescan: 0.2 },
    policies: { record: { max_retries: 100, initial_delay: 0.1, max_delay: 0.2 } },
    // One connection: what is sent first is written first, so that the order can be read from the rows.
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 'o_', pool: 1 },
  });
  const first = await home.daemon();
  const pipes = ['a', 'b', 'c'];
  for (const pipe of pipes) await home.add(waits(pipe));
  const held = await home.add('true', '--hold');
  for (const n of [1, 2, 3]) await home.untilTodo(n, 'runs', (todo) => todo.status === 'running');
  const snapshot = join(home.folder, 'snapshot.json');
  const seen = (): Json => JSON.parse(existsSync(snapshot) ? readFileSync(snapshot, 'utf8').split('\n')[0]! : '{"todos":[]}');
  const inOrder = ['open', 'running', 'running', 'running'];
  const known = await home.until('all of it was seen', () => {
    const now = seen();
    return now.todos.map((it: Json) => it.todo.status).join() === inOrder.join() ? now : null;
  });
  assert.equal(statSync(snapshot).mode & 0o777, 0o600);

  await behind.away();
  for (const [index, pipe] of pipes.entries()) {
    go(home, pipe);
    await home.until('it ended here', () => home.log('completion').some((line) => line.event === 'reported' && line.todo === index + 1));
  }
  const list = await home.json(['list']);
  assert.deepEqual([list.stale, list.asOfMs, list.truncated], [true, known.atMs, false]);
  assert.match(list.storeError, /STORE_UNREACHABLE/);
  assert.deepEqual(
    [list.answeredBy, list.tried.map((it: Json) => [it.provider, it.outcome, it.errorClass])],
    ['snapshot', [['store', 'failed', 'network']]],
  );
  assert.deepEqual(
    list.todos.map((todo: Json) => [todo.number, todo.status, todo.runs.length]),
    [[4, 'open', 0], ...[3, 2, 1].map((n) => [n, 'finishing', 1])],
    'runs that this home holds are shown from its journal',
  );
  const [line, ...table] = (await home.todo(['list'])).stdout.split('\n');
  assert.match(line ?? '', /^Stale: as of .* ago\), because the store is away: STORE_UNREACHABLE/);
  assert.ok(table.some((it) => it.includes('finishing')));
  const shown = await home.json(['show', held.id.slice(0, 30)]);
  assert.deepEqual([shown.stale, shown.todo.number, shown.todo.held, shown.comments], [true, held.number, true, null]);
  const story = await home.json(['why', '1']);
  assert.deepEqual([story.stale, story.events.at(-1).fact], [true, 'failed-attempt']);
  assert.ok(story.events.some((it: Json) => it.fact === 'reported'));
  const status = await home.json(['status']);
  assert.deepEqual([status.stale, status.waiting, status.live.length, status.store.reachable], [true, 0, 3, 'no']);
  const overview = await home.json([]);
  assert.deepEqual([overview.stale, overview.live.length], [true, 3]);
  assert.equal((await home.json(['report', '1'], { code: 1 })).code, 'REFUSED', 'it has none yet, and the store need not be asked');
  const missing = await home.json(['show', '77'], { code: 69 });
  assert.equal(missing.code, 'STORE_UNREACHABLE');
  assert.match(missing.message, /todo 77: it is not in the snapshot of .*, and the store is away/);
  const recovering = await home.until('its session is kept', async () => (await home.json(['retry', 'status'])).recovering[0]);
  assert.deepEqual([recovering.subject, recovering.backAtMs], ['store', null]);

  first.process.kill('SIGKILL');
  await first.ended;
  assert.equal((await home.json(['list'])).stale, true, 'also without a daemon');
  await home.daemon();
  await behind.back();
  for (const n of [1, 2, 3]) await home.untilTodo(n, 'completed', (todo) => todo.status === 'completed');
  assert.equal((await home.json(['list'])).stale, undefined);
  const [session] = await home.until('the session is told', async () => {
    const found = await rows('SELECT * FROM signoff_test.o_recovery_sessions');
    return found.length > 0 ? found : null;
  });
  assert.deepEqual([session.id, session.action, session.subject, session.outcome], [recovering.id, 'drain', 'store', 'drained']);
  const drained = JSON.parse(session.detail);
  assert.deepEqual([drained.completions, drained.dead], [3, 0]);
  assert.ok(session.started_at_ms <= drained.backAtMs && drained.backAtMs <= session.ended_at_ms);
  assert.deepEqual((await home.json(['retry', 'status'])).recovering, []);
  const records = await rows(
    'SELECT t.number, c.output FROM signoff_test.o_completion c JOIN signoff_test.o_todo t ON t.id = c.todo_id ORDER BY c.recorded_at_ms, t.number',
  );
  assert.deepEqual(
    records.map((row) => [Number(row.number), String(row.output).trim()]),
    pipes.map((pipe, index) => [index + 1, `original of ${pipe}`]),
    'in the order of their age, once each, with what the agents said then',
  );
});

test('[H-01] [H-08] what fails for a while is retried after waits that double: a run that dies, collecting, the report, the store, a webhook', async (t) => {
  const hook = await receiver(t);
  hook.state.script = [500, 500];
  hook.state.status = 200;
  const home = await testHome(t, {
    behavior,
    slots,
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    run: { retry_delay: 0.2 },
    policies: { record: { max_retries: 9, initial_delay: 0.1 }, default: { initial_delay: 0.1 } },
    breakers: { store: { failure_threshold: 1000 }, webhook: { failure_threshold: 1000 } },
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 'r_' },
  });
  await home.daemon();
  const died = await home.add('echo x >> lives; [ "$(wc -l < lives)" -gt 4 ] || kill -9 $$');
  const always = await home.add('kill -9 $$');
  // The agents take the names under which collect and report are about to write.
  const collects = await home.add('rm -rf "$TODO_RUN_DIR/final"; echo x > "$TODO_RUN_DIR/final"');
  const reports = await home.add('rm -f "$TODO_RUN_DIR/final/report.html"; mkdir "$TODO_RUN_DIR/final/report.html"');
  const alarmed = await home.add(waits('alarm'));
  const stores = await home.add(waits('store'));
  const tries = (todo: Json): number =>
    home.log('completion').filter((line) => line.event === 'step failed' && line.todo === todo.number).length;
  for (const [todo, name] of [
    [collects, 'final'],
    [reports, 'final/report.html'],
  ] as const) {
    await home.until(`three tries of todo ${todo.number}`, () => tries(todo) >= 3);
    const { runs } = await home.show(todo.number);
    rmSync(join(home.folder, 'runs', runs[0].id, name), { recursive: true });
  }
  await home.untilTodo(alarmed.number, 'runs', (todo) => todo.status === 'running');
  await home.json(['emergency', String(alarmed.number)]);
  await home.until('it was heard', () => hook.heard.length === 1);
  for (const { number } of [died, collects, reports]) await home.untilTodo(number, 'completed', (todo) => todo.status === 'completed');
  const worn = await home.untilTodo(always.number, 'given up', (todo) => todo.status === 'failed');
  assert.equal(worn.runs.length, 5, 'a crash of the runner is five attempts and no more');
  assert.match(worn.reason, /died by SIGKILL; 5 attempts used up/);

  await behind.away();
  go(home, 'store');
  await home.until('three tries to record', () => tries(stores) >= 3);
  const budget = (await home.json(['breaker', 'list'])).budgets.find((it: Json) => it.name === 'store');
  assert.ok(budget.retries <= 33 && budget.retries >= 25, `${budget.retries} of 35: each retry takes 14 of 500 tokens`);
  await behind.back();
  await home.untilTodo(stores.number, 'completed', (todo) => todo.status === 'completed');

  const attempts = await home.until('all is told', async () => {
    const found = await rows('SELECT * FROM signoff_test.r_retry_attempts ORDER BY attempt');
    const of = (kind: string, { id }: Json): Json[] => found.filter((row) => row.kind === kind && row.todo_id === id);
    const all = { collect: of('completion', collects), report: of('completion', reports), record: of('completion', stores) };
    return of('run', died).length === 4 && of('run', always).length === 5 && all.record.length === tries(stores)
      ? { ...all, run: of('run', died), webhook: of('delivery', alarmed) }
      : null;
  });
  const delays = (of: Json[]): number[] => of.map((row) => Number(row.next_at_ms) - Number(row.at_ms));
  for (const step of ['collect', 'report', 'record'] as const)
    assert.deepEqual(delays(attempts[step]).slice(0, 3), [100, 200, 400], `${step}: each wait is twice the one before`);
  const failedAt = {
    collect: /writing .*final\/output\.txt/,
    report: /writing .*final\/report\.html/,
    record: /STORE_UNREACHABLE/,
  } as const;
  for (const [step, what] of Object.entries(failedAt)) assert.match(attempts[step as keyof typeof failedAt][0].detail, what);
  assert.equal(attempts.webhook.length, 2);
  for (const [index, delayMs] of delays(attempts.webhook).entries())
    assert.ok(Math.abs(delayMs - 100 * 2 ** index) <= 20 * 2 ** index + 1, `webhook: ${delayMs} ms is 100 × 2^${index} ± 20 %`);
  // Decided when the run had ended, and noted after that: both ends of the wait are bounded by what was written before and after.
  const { runs } = await home.show(died.number);
  for (const [index, row] of attempts.run.entries()) {
    const run = runs.find((it: Json) => it.id === row.run_id);
    assert.ok(delays([row])[0]! <= 250 * 2 ** index, `run ${index + 1}: at most 25 % more`);
    assert.ok(Number(row.next_at_ms) - run.endedAtMs >= 150 * 2 ** index, `run ${index + 1}: at most 25 % less`);
  }
});

test('[H-14] who waits for an answer of the store has three tries after 0.5 and 0.75 s, and one todo; a breaker held open by a person ends them', async (t) => {
  const home = await testHome(t, { behavior, store: { url: behind.server.url(behind.proxy.port), table_prefix: 'h_' } });
  const first = await home.add('true', '--hold');
  // The first command is lost with its connection, all later ones get through.
  let commands = 0;
  behind.proxy.plan(() => (commands++ === 0 ? 'cut' : 'pass'));
  const added = await home.todo(['add', 'patience', '--agent', 'shell', '--hold', '--cwd', home.work]);
  behind.proxy.plan(() => 'pass');
  assert.equal(added.code, 0, added.stderr);
  assert.equal([...added.stderr.matchAll(/Attempt 1 failed \(STORE_/g)].length, 1);
  // Here it was stored, and only the answer is lost: the next attempt finds it.
  let lost = 0;
  behind.proxy.plan(({ text }) => (/^commit/i.test(text) && lost++ === 0 ? 'lose-answer' : 'pass'));
  const twice = await home.todo(['add', 'stored at once', '--agent', 'shell', '--hold', '--cwd', home.work]);
  behind.proxy.plan(() => 'pass');
  assert.deepEqual([twice.code, lost > 0], [0, true], twice.stderr);
  assert.deepEqual(
    (await home.json(['list'])).todos.map((todo: Json) => todo.title),
    ['stored at once', 'patience', first.title],
  );

  await behind.away();
  const { code, stderr } = await home.todo(['add', 'in vain', '--agent', 'shell', '--cwd', home.work]);
  const waited = [...stderr.matchAll(/the next is in (\d+) ms/g)].map(([, ms]) => Number(ms));
  assert.deepEqual([code, waited.length], [69, 2]);
  for (const [index, ms] of waited.entries()) assert.ok(Math.abs(ms - 500 * 1.5 ** index) <= 100 * 1.5 ** index + 1, `${ms} ms`);
  await home.json(['breaker', 'isolate', 'store', '--reason', 'maintenance']);
  await behind.back();
  const refused = await home.json(['add', 'not now', '--agent', 'shell', '--cwd', home.work], { code: 69 });
  assert.match(refused.message, /held open by command/);
  await home.json(['breaker', 'reset', 'store']);
  assert.equal((await home.json(['list'])).todos.length, 3);
});

test('a store that hangs: a look is hedged by a question to the daemon, and does not wait for its own timeout', async (t) => {
  behind.proxy.plan(() => 'pass');
  const home = await testHome(t, {
    behavior: { ...behavior, database_timeout: 2 },
    monitoring: { rescan: 0.2 },
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 'g_' },
  });
  await home.daemon();
  await home.add('true', '--hold');
  const snapshot = join(home.folder, 'snapshot.json');
  await home.until('it was seen', () => existsSync(snapshot) && readFileSync(snapshot, 'utf8').includes('"title":"true"'));
  behind.proxy.plan(() => 'swallow');
  await home.until('the daemon knows', () =>
    home.log('completion').some(({ event }) => event === 'the store is away; completions wait in the journal'),
  );
  // Its own timeout would be ten minutes: longer than any test is waited for.
  const list = await home.json(['list'], { env: { TODO_BEHAVIOR_DATABASE_TIMEOUT: '600' } });
  behind.proxy.plan(() => 'pass');
  assert.deepEqual([list.stale, list.todos.length, list.answeredBy], [true, 1, 'snapshot']);
  assert.match(list.tried[0].message, /no answer within 2000 ms/, 'what the daemon has found out');
  await home.until('asked itself again', async () => (await home.json(['list'])).stale === undefined);
});
