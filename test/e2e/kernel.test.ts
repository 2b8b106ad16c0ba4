// What bounds calls, seen in the running daemon: policies by class, profiles of breakers, retry budgets, bulkheads. Without a database server.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { receiver } from './receiver.ts';

const behavior = { quiet_after: 0.1, term_grace: 1 };
const slots = { total: 30, agent: 30, project: 30 };
const silent = 'mkfifo go 2>/dev/null; read word < go';
const events = (home: TestHome, name: string): Json[] => home.log('monitor').filter((line) => line.breaker === name);
const listed = async (home: TestHome, name: string): Promise<Json> =>
  (await home.json(['breaker', 'list'])).breakers.find((it: Json) => it.name === name);

/** Runs that can be alarmed about, one after the other. */
async function alarms(home: TestHome, count: number): Promise<() => Promise<Json>> {
  const todos = await Promise.all(Array.from({ length: count }, () => home.add(silent)));
  await home.until('all of them run', async () => {
    const { live } = await home.json(['status']);
    return live.length === count && live.every((it: Json) => it.fact === 'running');
  });
  return async () => {
    const todo = todos.shift();
    await home.json(['emergency', String(todo.number)]);
    return todo;
  };
}

test('[H-07] what is done about a failure follows from its class: tries, waits, dead letter', async (t) => {
  const hook = await receiver(t);
  const home = await testHome(t, {
    behavior,
    slots,
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    policies: { default: { max_retries: 1, initial_delay: 0.05, max_delay: 5 } },
    breakers: { webhook: { failure_threshold: 1000 } },
  });
  await home.daemon();
  const cases = [
    { status: 500, errorClass: 'temporary', tries: 2, delayMs: 50 },
    { status: 429, errorClass: 'quota_exhausted', tries: 2, delayMs: 50 },
    { status: 507, errorClass: 'resource', tries: 2, delayMs: 250 },
    { status: 401, errorClass: 'auth', tries: 1, delayMs: null },
    { status: 400, errorClass: 'invalid', tries: 1, delayMs: null },
    { status: 410, errorClass: 'permanent', tries: 1, delayMs: null },
  ];
  hook.state.script = cases.flatMap(({ status, tries }) => Array.from({ length: tries }, () => status));
  const alarm = await alarms(home, cases.length);
  await Promise.all(cases.map(() => alarm()));
  const rows = await home.until('all tries are in the store', () => {
    const found = rowsOf(
      home,
      "SELECT class, attempt, at_ms, next_at_ms FROM retry_attempts WHERE kind = 'delivery' ORDER BY at_ms, attempt",
    );
    return found.length === cases.reduce((sum, { tries }) => sum + tries, 0) ? found : null;
  });
  for (const { errorClass, tries, delayMs } of cases) {
    const mine = rows.filter((row) => row.class === errorClass);
    assert.equal(mine.length, tries, errorClass);
    assert.equal(mine.at(-1)?.next_at_ms, null, `${errorClass}: given up`);
    if (delayMs !== null)
      assert.ok(
        Math.abs(Number(mine[0]?.next_at_ms) - Number(mine[0]?.at_ms) - delayMs) <= delayMs * 0.2 + 1,
        `${errorClass}: ± 20 % of ${delayMs} ms`,
      );
  }
});

test('[P-01] [P-44] [P-45] [H-20] a breaker by profile opens, waits and closes by its numbers; what waited goes out in order, once, and its session is told', async (t) => {
  const hook = await receiver(t);
  const home = await testHome(t, {
    behavior,
    slots,
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    policies: { default: { max_retries: 50, initial_delay: 0.01, max_delay: 0.02 } },
    breakers: { webhook: { profile: 'default' } },
  });
  await home.daemon();
  const profiles = [
    { name: 'default', failures: 5, successes: 2, openMs: 30_000 },
    { name: 'aggressive', failures: 3, successes: 2, openMs: 10_000 },
    { name: 'conservative', failures: 10, successes: 5, openMs: 60_000 },
  ];
  const alarm = await alarms(home, 9);
  const wanted: number[] = [];
  for (const { name, failures, successes, openMs } of profiles) {
    await home.json(['config', 'set', 'breakers.webhook.profile', name]);
    hook.state.status = 500;
    const before = hook.asked();
    const from = events(home, 'webhook').length;
    for (let n = 0; n < successes; n++) wanted.push((await alarm()).number);
    await home.until('it opened', () => events(home, 'webhook').length > from);
    assert.equal(hook.asked() - before, failures, `${name}: it opened at that failure`);
    const open = await listed(home, 'webhook');
    assert.deepEqual([open.state, open.profile], ['open', { failureThreshold: failures, successThreshold: successes, timeoutMs: openMs }]);
    const openedAtMs = Date.parse(events(home, 'webhook')[from].time);
    const waitMs = events(home, 'webhook')[from].waitMs;
    assert.ok(waitMs >= openMs && waitMs <= openMs * 1.1, `${name}: ${waitMs} ms from ${openedAtMs}`);
    const [session] = (await home.json(['retry', 'status'])).recovering;
    assert.deepEqual([session.subject, session.backAtMs], ['webhook', null]);

    // Nobody waits a minute here: the wait is shortened, the numbers of failures and probes stay.
    hook.state.status = 200;
    await home.json(['config', 'set', 'breakers.webhook.timeout', '0.1']);
    await home.until('it closed', () => events(home, 'webhook').at(-1).event === 'breaker_closed');
    assert.match(events(home, 'webhook').at(-1).why, new RegExp(`^${successes} probes succeeded$`));
    await home.until('all went out', () => hook.heard.length === wanted.length);
    await home.json(['config', 'unset', 'breakers.webhook.timeout']);
  }
  assert.deepEqual(
    hook.heard.map(({ todo }) => todo),
    wanted,
    'in the order in which they were raised',
  );
  assert.equal(new Set(hook.heard.map(({ delivery }) => delivery)).size, wanted.length, 'each once');
  const sessions = await home.until('three sessions are told', () => {
    const found = rowsOf(home, "SELECT * FROM recovery_sessions WHERE subject = 'webhook' ORDER BY started_at_ms");
    return found.length === 3 ? found : null;
  });
  assert.deepEqual(
    sessions.map(({ action, outcome, detail }) => [action, outcome, JSON.parse(String(detail)).deliveries]),
    profiles.map(({ successes }) => ['drain', 'drained', successes]),
  );
  assert.ok(sessions.every((it) => Number(it.ended_at_ms) >= Number(it.started_at_ms)));
});

test('the retry budget: when 35 retries brought nothing, the next one waits the longest, and nothing is given up for it', async (t) => {
  const hook = await receiver(t);
  const home = await testHome(t, {
    behavior,
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    policies: { default: { max_retries: 100, initial_delay: 0.01, max_delay: 300, backoff_factor: 1 } },
    breakers: { webhook: { failure_threshold: 1000 } },
  });
  await home.daemon();
  const budget = async (): Promise<Json> => (await home.json(['breaker', 'list'])).budgets.find((it: Json) => it.name === 'webhook');
  assert.deepEqual(await budget(), { name: 'webhook', retries: 35, of: 35 });
  const { id } = await (await alarms(home, 1))();
  const waiting = await home.until('it waits long', async () => {
    const [found] = (await home.json(['retry', 'status'])).waiting.filter((it: Json) => it.kind === 'delivery');
    return found?.nextAtMs > Date.now() + 100_000 ? found : null;
  });
  assert.deepEqual([waiting.todoId, waiting.attempt, hook.asked()], [id, 37, 36]);
  assert.equal((await budget()).retries, 0);
  assert.match((await home.todo(['breaker', 'list'])).stdout, /Retries of the webhook: 0 of 35 left/);
  assert.deepEqual((await home.json(['dead-letter', 'list'])).deadLetters, []);
});

test('the bulkhead: of reports that all need an emulated screen at once two are drawn at a time', async (t) => {
  const home = await testHome(t, { behavior, slots, monitoring: { rescan: 0.2 } });
  await home.daemon();
  const runs = 6;
  // The cursor goes up and down, a hundred kilobytes of it: only a terminal can say what is left.
  const draws = `mkfifo go 2>/dev/null; read word < go; i=0; while [ $i -lt 1500 ]; do printf '\\033[5A\\033[10Cline %s of many more lines than fit\\033[5B\\n' $i; i=$((i+1)); done`;
  await Promise.all(Array.from({ length: runs }, () => home.add(draws)));
  await home.until(
    'all of them run',
    async () => (await home.json(['status'])).live.filter((it: Json) => it.fact === 'running').length === runs,
  );
  writeFileSync(join(home.work, 'go'), 'on\n'.repeat(runs));
  await home.until('all of them are reported', () => home.log('completion').filter(({ event }) => event === 'reported').length === runs);
  const [screen] = (await home.json(['breaker', 'list'])).bulkheads;
  assert.deepEqual([screen.name, screen.limit, screen.active, screen.queued, screen.mostActive], ['screen', 2, 0, 0, 2]);
  assert.ok(screen.waited >= 1, 'and the others stood in line');
});
