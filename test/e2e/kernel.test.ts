// What bounds calls, seen in the running daemon: policies by class, profiles of breakers, retry budgets, bulkheads. Without a database server.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
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

// They wait more than they work.
describe('bounds', { concurrency: 3 }, () => {
  test('[H-13] a run that dies is tried five times, after 1, 2, 4 and 8 s ± 25 %, by the numbers that nobody changed', async (t) => {
    const home = await testHome(t, { behavior, monitoring: { rescan: 0.2 } });
    await home.daemon();
    const { id, number } = await home.add('kill -9 $$');
    const { values } = await home.json(['config', 'show', 'policies.job']);
    assert.deepEqual(
      values.map(({ key, inUse, source }: Json) => [key.split('.').at(-1), inUse, source]),
      [
        ['backoff_factor', 2, 'default'],
        ['initial_delay', 1, 'default'],
        ['max_delay', 300, 'default'],
        ['max_retries', 4, 'default'],
      ],
    );
    const todo = await home.untilTodo(number, 'given up', (it) => it.status === 'failed');
    assert.match(todo.reason, /died by SIGKILL; 5 attempts used up/);
    const rows = await home.until('all of it is told', () => {
      const found = rowsOf(home, "SELECT * FROM retry_attempts WHERE kind = 'run' AND todo_id = ? ORDER BY attempt", id);
      return found.length === 5 ? found : null;
    });
    const runs = todo.runs.toSorted((a: Json, b: Json) => a.fence - b.fence);
    for (const [index, row] of rows.slice(0, 4).entries()) {
      const waitMs = 1000 * 2 ** index;
      // Decided after the run had ended and before it was noted, so that both bounds hold on a machine of any speed.
      assert.ok(Number(row.next_at_ms) - Number(row.at_ms) <= waitMs * 1.25, `wait ${index + 1}: at most 25 % more than ${waitMs} ms`);
      assert.ok(Number(row.next_at_ms) - runs[index].endedAtMs >= waitMs * 0.75, `wait ${index + 1}: at most 25 % less than ${waitMs} ms`);
      assert.ok(runs[index + 1].startedAtMs >= Number(row.next_at_ms), 'and it was waited for');
    }
    assert.deepEqual([rows[4]?.next_at_ms, rows[4]?.status], [null, 'given-up']);
  });

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

  test('[P-01] [P-44] [P-45] [H-17] [H-20] a breaker by profile, and that of the webhook by its own, opens, waits and closes by its numbers; what waited goes out in order, once, and its session is told', async (t) => {
    const hook = await receiver(t);
    const home = await testHome(t, {
      behavior,
      slots,
      monitoring: { rescan: 0.2, webhook_url: hook.url },
      policies: { default: { max_retries: 50, initial_delay: 0.01, max_delay: 0.02 } },
    });
    await home.daemon();
    const runner = await listed(home, 'runner');
    assert.deepEqual(runner.profile, { failureThreshold: 5, successThreshold: 3, timeoutMs: 30_000 });
    const profiles = [
      // Nothing said: its own numbers.
      { name: undefined, failures: 2, successes: 1, openMs: 120_000 },
      { name: 'default', failures: 5, successes: 2, openMs: 30_000 },
      { name: 'aggressive', failures: 3, successes: 2, openMs: 10_000 },
      { name: 'conservative', failures: 10, successes: 5, openMs: 60_000 },
    ];
    const alarm = await alarms(
      home,
      profiles.reduce((sum, { successes }) => sum + successes, 0),
    );
    const wanted: number[] = [];
    for (const { name, failures, successes, openMs } of profiles) {
      await home.json(['config', 'set', 'breakers.webhook', JSON.stringify({ profile: name })]);
      hook.state.status = 500;
      const before = hook.asked();
      const from = events(home, 'webhook').length;
      for (let n = 0; n < successes; n++) wanted.push((await alarm()).number);
      await home.until('it opened', () => events(home, 'webhook').length > from);
      assert.equal(hook.asked() - before, failures, `${name}: it opened at that failure`);
      const open = await listed(home, 'webhook');
      assert.deepEqual(
        [open.state, open.profile],
        ['open', { failureThreshold: failures, successThreshold: successes, timeoutMs: openMs }],
      );
      const waitMs = events(home, 'webhook')[from].waitMs;
      assert.ok(waitMs >= openMs && waitMs <= openMs * 1.1, `${name}: ${waitMs} ms`);
      const session = await home.until('its session is kept', async () => (await home.json(['retry', 'status'])).recovering[0]);
      assert.deepEqual([session.subject, session.backAtMs], ['webhook', null]);

      // Nobody waits a minute here: the wait is shortened, the numbers of failures and probes stay.
      hook.state.status = 200;
      await home.json(['config', 'set', 'breakers.webhook.timeout', '0.1']);
      await home.until('it closed', () => events(home, 'webhook').at(-1).event === 'breaker_closed');
      assert.match(
        events(home, 'webhook').at(-1).why,
        successes === 1 ? /^a probe succeeded$/ : new RegExp(`^${successes} probes succeeded$`),
      );
      await home.until('all went out', () => hook.heard.length === wanted.length);
    }
    assert.deepEqual(
      hook.heard.map(({ todo }) => todo),
      wanted,
      'in the order in which they were raised',
    );
    assert.equal(new Set(hook.heard.map(({ delivery }) => delivery)).size, wanted.length, 'each once');
    const sessions = await home.until('each session is told', () => {
      const found = rowsOf(home, "SELECT * FROM recovery_sessions WHERE subject = 'webhook' ORDER BY started_at_ms");
      return found.length === profiles.length ? found : null;
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
    const first = await home.daemon();
    const runs = 6;
    const pipe = (number: number | string): string => join(home.work, `go.${number}`);
    // The cursor goes up and down, two hundred kilobytes of it: only a terminal can say what is left.
    const draws = `mkfifo ${pipe('$TODO_NUMBER')}; read word < ${pipe('$TODO_NUMBER')}; i=0; while [ $i -lt 3000 ]; do printf '\\033[5A\\033[10Cline %s of many more lines than fit\\033[5B\\n' $i; i=$((i+1)); done`;
    const added = await Promise.all(Array.from({ length: runs }, () => home.add(draws)));
    await home.until('all of them wait', () => added.every(({ number }) => existsSync(pipe(number))));
    // They end while nobody looks, so that one daemon finds all of them at once.
    first.process.kill('SIGKILL');
    await first.ended;
    for (const { number } of added) writeFileSync(pipe(number), 'on\n');
    const ended = (): number =>
      readdirSync(join(home.folder, 'runs')).filter((run) => existsSync(join(home.folder, 'runs', run, 'exit'))).length;
    await home.until('all of them ended', () => ended() === runs);
    await home.daemon();
    await home.until('all of them are reported', () => home.log('completion').filter(({ event }) => event === 'reported').length === runs);
    const [screen] = (await home.json(['breaker', 'list'])).bulkheads;
    assert.deepEqual([screen.name, screen.limit, screen.active, screen.queued, screen.mostActive], ['screen', 2, 0, 0, 2]);
    assert.ok(screen.waited >= 1, 'and the others stood in line');
  });
});
