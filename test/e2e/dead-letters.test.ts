// What was given up is kept whole over restarts, shown with every attempt, and goes on with its original output when a person says so.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { receiver } from './receiver.ts';

/** The agent takes the name under which its own output is to be kept: no retry helps until somebody takes it away. */
const poisoned = 'echo "precious output"; rm -rf "$TODO_RUN_DIR/final"; echo x > "$TODO_RUN_DIR/final"';
const behavior = { exponential_backoff: false, max_retries: 1, quiet_after: 0.1, term_grace: 1 };
const quick = { record: { max_retries: 1 } };
const isDead = (todo: Json): boolean => todo.status === 'dead-lettered';

const obstacle = (home: TestHome, todo: Json): string => join(home.folder, 'runs', todo.runs[0].id, 'final');

async function end(daemon: Json, how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  daemon.process.kill(how);
  await daemon.ended;
}

test('[H-11] [H-12] [H-51] [H-59] [H-60] a dead letter survives kill -9, and a requeue completes it with its original output', async (t) => {
  const home = await testHome(t, { behavior, policies: quick, monitoring: { rescan: 0.2 } });
  const daemon = await home.daemon();
  const { id, number } = await home.add(poisoned);
  const dead = await home.untilTodo(number, 'dead-lettered', isDead);
  assert.ok(
    home.log('emergency').some((line) => line.level === 'CRITICAL' && /was given up/.test(line.message)),
    'a person was told',
  );
  const tries = home.log('completion').filter((line) => line.event === 'step failed' && line.todo === number);
  const rows = await home.until('every failed try is in the store', () => {
    const found = rowsOf(home, "SELECT * FROM retry_attempts WHERE todo_id = ? AND kind = 'completion' ORDER BY attempt", id);
    return found.length === tries.length ? found : null;
  });
  assert.deepEqual(
    rows.map((row) => [row.attempt, row.attempts_max, row.status, row.next_at_ms === null]),
    [
      [1, 3, 'waiting', false],
      [2, 3, 'waiting', false],
      [3, 3, 'given-up', true],
    ],
  );
  await end(daemon, 'SIGKILL');

  const kept = (await home.json(['dead-letter', 'list'])).deadLetters;
  assert.deepEqual(
    kept.map((it: Json) => [it.kind, it.number, it.todoId, it.runId, it.attempts, it.requeued, it.poison, it.here]),
    [['completion', number, id, dead.runs[0].id, 3, 0, false, true]],
  );
  assert.match(kept[0].payloadSha256, /^[0-9a-f]{64}$/);
  const again = await home.daemon();
  const { deadLetter } = await home.json(['dead-letter', 'show', String(number)]);
  assert.deepEqual([deadLetter.class, deadLetter.deaths.length], [rows[0].class, 1]);
  assert.equal(deadLetter.deaths[0].attempts.length, 3);
  assert.ok(deadLetter.deaths[0].attempts.every((it: Json) => it.message.includes('final')));

  rmSync(obstacle(home, dead));
  const [first, second] = await Promise.all([
    home.json(['dead-letter', 'requeue', String(number)]),
    home.json(['dead-letter', 'requeue', deadLetter.id]),
  ]);
  assert.deepEqual(
    [first, second].map(({ results }) => results[0].ok),
    [true, true],
  );
  const ended = await home.untilTodo(number, 'completed', (todo) => todo.status === 'completed');
  assert.deepEqual([ended.proof, ended.runs.length, ended.runs[0].id], ['unverified', 1, dead.runs[0].id]);
  assert.match(readFileSync(join(dirname(ended.report), 'output.txt'), 'utf8'), /precious output/);
  assert.deepEqual((await home.json(['dead-letter', 'list'])).deadLetters, []);
  const audits = await home.until('the audit row', () => {
    const found = rowsOf(home, "SELECT detail FROM audit WHERE what = 'dead-letter requeue' AND todo_id = ?", id);
    return found.length > 0 ? found : null;
  });
  assert.equal(audits.length, 1, 'twice is the same as once');
  const { events } = await home.json(['why', String(number)]);
  assert.ok(events.some((it: Json) => it.fact === 'requeued'));
  await end(again, 'SIGTERM');
});

test('[H-60] what died twice in the same way is requeued by force only; without a daemon as with one; filters and a rate', async (t) => {
  const home = await testHome(t, { behavior, policies: quick, monitoring: { rescan: 0.2 }, slots: { total: 4, agent: 4, project: 4 } });
  const daemon = await home.daemon();
  const first = await home.add(poisoned);
  const other = await home.add(poisoned);
  const dead = await home.untilTodo(first.number, 'dead-lettered', isDead);
  const otherDead = await home.untilTodo(other.number, 'dead-lettered', isDead);
  const deaths = async (number: number) =>
    (await home.json(['dead-letter', 'list'])).deadLetters.find((it: Json) => it.number === number)?.requeued ?? null;

  await home.json(['dead-letter', 'requeue', String(first.number)]);
  await home.until('it died again', async () => (await deaths(first.number)) === 1);
  const letter = (await home.json(['dead-letter', 'list'])).deadLetters.find((it: Json) => it.number === first.number);
  assert.equal(letter.poison, true);
  const refused = await home.json(['dead-letter', 'requeue', String(first.number)], { code: 1 });
  assert.deepEqual([refused.kind, refused.code], ['error', 'REFUSED']);
  assert.match(refused.message, /died 2 times, the last ones in the same way/);
  assert.equal((await home.show(first.number)).status, 'dead-lettered');

  // By filter the other one goes, this one is refused, and the exit code says that not all went.
  rmSync(obstacle(home, otherDead));
  const none = await home.json(['dead-letter', 'requeue', '--class', 'auth']);
  assert.deepEqual(none.results, []);
  const all = await home.json(['dead-letter', 'requeue', '--all', '--rate', '5'], { code: 1 });
  assert.deepEqual(
    all.results.map((it: Json) => [it.id, it.ok]).sort(),
    [
      [dead.runs[0].id, false],
      [otherDead.runs[0].id, true],
    ].sort(),
  );
  await home.untilTodo(other.number, 'completed', (todo) => todo.status === 'completed');
  await end(daemon, 'SIGTERM');

  rmSync(obstacle(home, dead));
  await home.json(['dead-letter', 'requeue', String(first.number), '--force']);
  const ended = await home.untilTodo(first.number, 'completed', (todo) => todo.status === 'completed');
  assert.equal(ended.runs[0].id, dead.runs[0].id);
  const unknown = await home.json(['dead-letter', 'show', '4711'], { code: 1 });
  assert.equal(unknown.code, 'NOT_FOUND');
  assert.equal((await home.todo(['dead-letter', 'requeue'])).code, 64);
});

test('a dead letter that a person releases is none any more', async (t) => {
  const home = await testHome(t, { behavior: { ...behavior, auto_continue: false }, policies: quick, monitoring: { rescan: 0.2 } });
  await home.daemon();
  const { number } = await home.add(poisoned);
  home.start(['run', String(number)]);
  await home.untilTodo(number, 'dead-lettered', isDead);
  assert.equal((await home.json(['dead-letter', 'list'])).deadLetters.length, 1);
  await home.json(['release', String(number)]);
  assert.deepEqual((await home.json(['dead-letter', 'list'])).deadLetters, []);
  const refused = await home.json(['dead-letter', 'requeue', String(number)], { code: 1 });
  assert.equal(refused.code, 'REFUSED');
});

const silent = 'mkfifo go 2>/dev/null; read word < go';

async function raiseAlarm(home: TestHome): Promise<Json> {
  const todo = await home.add(silent);
  await home.untilTodo(todo.number, 'running', (it) => it.status === 'running');
  await home.json(['emergency', String(todo.number)]);
  return todo;
}

test('[P-04] [H-04] [H-12] [H-17] [H-51] a webhook that fails: its tries are kept, its breaker opens, it dies, survives kill -9, and a requeue delivers it once', async (t) => {
  const hook = await receiver(t);
  const home = await testHome(t, {
    behavior,
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    policies: { default: { initial_delay: 0.05, max_delay: 0.1 } },
    breakers: { webhook: { timeout: 0.2, max_timeout: 0.3 } },
  });
  const daemon = await home.daemon();
  const { id, number } = await raiseAlarm(home);
  const letters = async () => (await home.json(['dead-letter', 'list'])).deadLetters;
  const [letter] = await home.until('it died', async () => {
    const found = await letters();
    return found.length === 1 ? found : null;
  });
  assert.deepEqual([letter.kind, letter.number, letter.class, letter.attempts], ['delivery', number, 'temporary', 4]);
  assert.equal(hook.asked(), 4, 'four tries reached the receiver; what the open breaker refused was none');
  const opened = home.log('monitor').filter((line) => line.event === 'breaker_opened' && line.breaker === 'webhook');
  assert.equal(opened[0].why, 'too many calls failed');
  const rows = await home.until('its tries are in the store', () => {
    const found = rowsOf(home, "SELECT * FROM retry_attempts WHERE kind = 'delivery' ORDER BY attempt");
    return found.length === 4 ? found : null;
  });
  assert.deepEqual(
    rows.map((row) => [row.todo_id, row.class, row.attempt, row.attempts_max, row.status]),
    [1, 2, 3, 4].map((attempt) => [id, 'temporary', attempt, 4, attempt < 4 ? 'waiting' : 'given-up']),
  );
  assert.ok(home.log('emergency').some((line) => line.level === 'CRITICAL' && line.event === 'dead letter' && line.delivery === letter.id));
  await end(daemon, 'SIGKILL');

  const again = await home.daemon();
  const whole = (await home.json(['dead-letter', 'show', letter.id])).deadLetter;
  assert.deepEqual([whole.payloadSha256, whole.deaths[0].attempts.length], [letter.payloadSha256, 4]);
  assert.doesNotMatch(JSON.stringify(whole), /geheim/, 'the address holds a secret');
  hook.state.status = 200;
  await home.json(['breaker', 'reset', 'webhook']);
  await home.json(['dead-letter', 'requeue', letter.id]);
  await home.until('it was delivered', () => hook.heard.length > 0);
  await home.until('nothing is left', async () => (await letters()).length === 0);
  assert.deepEqual(
    hook.heard.map((post) => [post.kind, post.todo, post.delivery]),
    [['alert', number, letter.id]],
  );
  await end(again, 'SIGTERM');
});

test('a receiver of webhooks that says Retry-After is asked again then, and not by the policy', async (t) => {
  const hook = await receiver(t);
  Object.assign(hook.state, { status: 503, retryAfter: '250' });
  const home = await testHome(t, {
    behavior,
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    policies: { default: { initial_delay: 0.1, max_delay: 300 } },
  });
  const daemon = await home.daemon();
  await raiseAlarm(home);
  const [delivery] = await home.until('it waits', async () => {
    const found = (await home.json(['retry', 'status'])).waiting.filter((it: Json) => it.kind === 'delivery');
    return found.length === 1 ? found : null;
  });
  assert.ok(delivery.nextAtMs > Date.now() + 200_000 && delivery.nextAtMs < Date.now() + 251_000, `${delivery.nextAtMs - Date.now()} ms`);
  assert.equal(hook.asked(), 1);
  await end(daemon, 'SIGTERM');
});

test('[H-58] retry status shows what waits, for what and until when', async (t) => {
  const hook = await receiver(t);
  const home = await testHome(t, {
    behavior,
    run: { retry_delay: 100 },
    monitoring: { rescan: 0.2, webhook_url: hook.url },
    policies: { default: { initial_delay: 300, max_delay: 300, max_retries: 2 } },
  });
  const daemon = await home.daemon();
  const lost = await home.add('kill -9 $$');
  await home.untilTodo(lost.number, 'open again', (todo) => todo.status === 'open' && todo.runs.length === 1);
  const alarmed = await raiseAlarm(home);
  const waiting = await home.until('both wait', async () => {
    const found = (await home.json(['retry', 'status'])).waiting;
    return found.length === 2 ? found : null;
  });
  const nowMs = Date.now();
  const by = (kind: string) => waiting.find((it: Json) => it.kind === kind);
  assert.deepEqual(
    ['run', 'delivery'].map((kind) => [by(kind).number, by(kind).class, by(kind).attempt, by(kind).attemptsMax]),
    [
      [lost.number, 'temporary', 2, 5],
      [alarmed.number, 'temporary', 2, 3],
    ],
  );
  assert.ok(by('run').nextAtMs > nowMs + 50_000 && by('run').nextAtMs < nowMs + 130_000);
  assert.ok(by('delivery').nextAtMs > nowMs + 200_000 && by('delivery').nextAtMs < nowMs + 301_000);
  assert.match(by('run').lastError, /died by SIGKILL/);
  assert.match(by('delivery').lastError, /it answered 500/);
  const row = await home.until('the lost run is in the store', () => rowsOf(home, "SELECT * FROM retry_attempts WHERE kind = 'run'")[0]);
  assert.deepEqual(
    [row.todo_id, row.attempt, row.attempts_max, row.status, row.next_at_ms],
    [lost.id, 1, 5, 'waiting', by('run').nextAtMs],
  );
  await end(daemon, 'SIGKILL');
  // What waits stands in journal and store, not in the daemon.
  assert.deepEqual((await home.json(['retry', 'status'])).waiting.map((it: Json) => it.id).sort(), waiting.map((it: Json) => it.id).sort());
  assert.match((await home.todo(['retry', 'status'])).stdout, /delivery\s+temporary\s+2 of 3/);
});
