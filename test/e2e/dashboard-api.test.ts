// All documents and actions of the dashboard's API, asked of a real daemon over HTTP, and of who only looks once it is gone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, testHome } from './harness.ts';
import { get, post, served } from './http-get.ts';

const secret = 'geheim-0123456789abcdef';
/** No retry helps until somebody takes away the name under which its output is to be kept. */
const poisoned = 'echo "precious output"; rm -rf "$TODO_RUN_DIR/final"; echo x > "$TODO_RUN_DIR/final"';

test('[P-21] [P-23] [P-41] [H-54] [H-55] [H-56] [H-57] [H-66] [H-70] [W-11] [W-13] what the dashboard shows and does: lists, one todo, report, overview and its stream; a click means what the command means, is done once, and is kept with who and why', async (t) => {
  const home = await testHome(t, {
    server: { port: 0 },
    behavior: { exponential_backoff: false, max_retries: 1, quiet_after: 0.1, term_grace: 1, heals_per_minute: 1 },
    policies: { record: { max_retries: 1, initial_delay: 0.1 } },
    monitoring: { rescan: 0.2 },
    resource: { interval: 0.5, probe_interval: 0.5 },
  });
  const env = { GEHEIM_API_KEY: secret };
  let daemon = await home.daemon(env);
  let server = await served(home);
  const { ask, act } = server;
  const overviewUntil = (what: string, fits: (overview: Json) => boolean): Promise<Json> =>
    home.until(what, async () => {
      const { json } = await ask('/api/overview');
      return fits(json) && json;
    });
  const statusOf = async (number: number): Promise<string> => (await home.show(number)).status;

  // The overview: at once without what was not looked at yet, a moment later with it.
  const first = (await ask('/api/overview')).json;
  assert.deepEqual(
    [first.kind, first.acts, first.daemon.pid, first.todos],
    ['overview', true, daemon.process.pid, { value: null, asOfMs: null, problem: null }],
  );
  assert.deepEqual((await overviewUntil('it was looked at', ({ todos }) => todos.value !== null)).todos.value, {});

  // Its stream: a new todo is another version, without that anybody asks.
  const over = new AbortController();
  t.after(() => over.abort());
  const stream = await fetch(`${server.url}/api/events`, { headers: { authorization: `Bearer ${server.token}` }, signal: over.signal });
  const pieces = stream.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  const eventUntil = async (fits: (overview: Json) => boolean): Promise<Json> => {
    for (let text = ''; ; ) {
      const { value, done } = await pieces.next();
      assert.ok(!done, 'the stream goes on');
      text += value;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      const found = events
        .filter((event) => event.includes('event: overview'))
        .map((event) => JSON.parse(/^data: (.*)$/m.exec(event)![1]!))
        .find(fits);
      if (found) return found;
    }
  };
  const { todosVersion } = await eventUntil(({ todos }) => todos.value !== null);
  const numbers: number[] = [];
  for (const title of ['Alpha', 'beta two', 'ÄRGER three', '100% four', 'five'])
    numbers.push((await home.json(['add', title, '--agent', 'shell', '--prompt', 'true', '--cwd', home.work, '--hold'])).todo.number);
  const [one, two, three, four, five] = numbers as [number, number, number, number, number];
  const counted = await eventUntil(({ todos }) => todos.value?.open === 5);
  assert.notEqual(counted.todosVersion, todosVersion);

  // Lists: the same question of the API and of the command.
  const listed = async (query: string): Promise<number[]> => (await ask(`/api/todos?${query}`)).json.todos.map((it: Json) => it.number);
  const commanded = async (...options: string[]): Promise<number[]> =>
    (await home.json(['list', ...options])).todos.map((it: Json) => it.number);
  for (const [query, options, found] of [
    ['q=%C3%A4rger', ['--search', 'ärger'], [three]],
    ['q=100%25', ['--search', '100%'], [four]],
    [`q=${two}`, ['--search', String(two)], [two]],
    ['agent=claude', ['--agent', 'claude'], []],
    [`project=${encodeURIComponent(home.work)}&limit=2`, ['--project', home.work, '--limit', '2'], [five, four]],
    [`before=${four}&limit=2`, ['--before', String(four), '--limit', '2'], [three, two]],
    ['status=open&q=o', ['--status', 'open', '--search', 'o'], [four, two]],
  ] as const) {
    assert.deepEqual(await listed(query), found, query);
    assert.deepEqual(await commanded(...options), found, options.join(' '));
  }
  const page = (await ask('/api/todos?limit=2')).json;
  assert.deepEqual([page.truncated, page.next, 'prompt' in page.todos[0]], [true, String(four), false]);
  assert.deepEqual(await listed(`limit=3&before=${page.next}`), [three, two, one]);
  assert.equal((await ask(`/api/todos?before=${two}`)).json.next, null);

  // Actions: of some, of all that a filter finds; each is in the audit trail with who and why.
  const acted = async (body: Json, headers = {}): Promise<Json> =>
    (await act('/api/todos/actions', { reason: 'so it is', ...body }, headers)).json;
  const untilMs = Date.now() + 3_600_000;
  const parked = await acted({ action: 'park', todos: { ids: [String(one), 'nowhere'] }, untilMs });
  assert.deepEqual(
    parked.results.map((it: Json) => [it.number, it.ok, it.status, it.code]),
    [
      [one, true, 'parked', null],
      [null, false, null, 'NOT_FOUND'],
    ],
  );
  const shown = (await ask(`/api/todos/${one}`)).json;
  assert.deepEqual([shown.todo.notBeforeMs, shown.todo.held, shown.todo.prompt, shown.output], [untilMs, true, 'true', null]);
  assert.deepEqual(shown.actions, ['done', 'fail', 'block', 'park', 'release', 'cancel', 'unhold', 'emergency']);
  assert.deepEqual((await acted({ action: 'release', todos: { ids: [String(one)] } })).results[0].status, 'open');
  assert.equal((await acted({ action: 'hold', todos: { ids: [String(one)] } })).results[0].ok, true);
  const all = await acted({ action: 'cancel', todos: { matching: { q: 'e', status: ['open'] } } });
  assert.deepEqual(
    all.results.map((it: Json) => it.number),
    [five, three, two],
  );
  assert.deepEqual([await statusOf(two), await statusOf(four), all.truncated], ['cancelled', 'open', false]);
  const again = await acted({ action: 'cancel', todos: { ids: [String(two)] } });
  assert.deepEqual([again.results[0].ok, again.results[0].code], [false, 'REFUSED']);
  const noted = await overviewUntil('the audit trail has it', ({ audit }) =>
    audit.value.some((it: Json) => it.what === 'asked: cancel' && it.number === two && it.detail.includes('cancelled')),
  );
  const line = noted.audit.value.find((it: Json) => it.what === 'asked: park');
  assert.deepEqual([line.number, line.detail], [one, 'by: token, via: http, token, reason: so it is, outcome: parked']);
  const { notes } = (await ask(`/api/todos/${one}`)).json;
  assert.ok(notes.some((it: Json) => it.what === 'held' && it.detail.startsWith('held → not held')));

  // A live run: what it printed, without secrets and control characters; its word needs force, its report an address of its own.
  execFileSync('mkfifo', [join(home.work, 'go')]);
  const { number: live } = await home.add(`printf '\\033[31mred\\033[0m %s \\007bell\\n' "$GEHEIM_API_KEY"; read word < go`);
  const running = await home.until('it prints', async () => {
    const { json } = await ask(`/api/todos/${live}`);
    return json.todo.status === 'running' && json.output?.text.includes('bell') && json;
  });
  assert.match(running.output.text, /^red ‹redacted:[^›]+› bell\n$/);
  assert.deepEqual([running.output.truncated, running.todo.status], [false, 'running']);
  assert.ok(running.actions.includes('emergency') && running.events.every((it: Json) => it.durationMs === null || it.durationMs >= 0));
  assert.deepEqual(await listed('status=running,finishing'), [live]);
  // The status for programs: the process, what it needs, what waits and what runs.
  for (const path of ['/status', '/api/status', '/api/v1/system/status']) {
    const { json: status } = await home.until('it was measured', async () => {
      const answer = await ask(path);
      return answer.json.daemon.watched !== null && answer;
    });
    const measuredOf = (name: string): Json => status.daemon.watched.components.find((it: Json) => it.name === name);
    assert.ok(measuredOf('memory').evidence.rssMb > 10 && 'percent' in measuredOf('cpu').evidence, path);
    assert.equal(status.daemon.store.reachable, 'yes');
    assert.deepEqual([status.todos.value.cancelled, status.daemon.live.map((it: Json) => it.number)], [3, [live]]);
    assert.ok(status.breakers.some(({ name, state }: Json) => name === 'store' && state === 'closed'));
  }
  const commandStatus = await home.json(['status']);
  assert.deepEqual([commandStatus.daemon.pid, commandStatus.live.map((it: Json) => it.number)], [daemon.process.pid, [live]]);
  const refused = await acted({ action: 'done', todos: { ids: [String(live)] } });
  assert.deepEqual([refused.results[0].ok, refused.results[0].code], [false, 'REFUSED']);
  assert.equal((await ask(`/api/todos/${live}/report`)).status, 404, 'it has none yet');
  const forced = await acted({ action: 'done', force: true, summary: 'good enough', todos: { ids: [String(live)] } });
  assert.equal(forced.results[0].status, 'completed');
  assert.match((await home.show(live)).summary, /good enough$/);
  const { url: address, expiresAtMs } = (await ask(`/api/todos/${live}/report`)).json;
  assert.ok(expiresAtMs > Date.now() + 500_000);
  const report = await get(`${server.url}${address}`);
  assert.match(
    report.headers['content-security-policy'] ?? '',
    /^sandbox; frame-ancestors 'none'; default-src 'none'; style-src 'sha256-[^']+';/,
  );
  assert.match(report.text, /good enough/);
  assert.doesNotMatch(report.text, new RegExp(secret));
  rmSync((await home.show(live)).report);
  assert.match((await get(`${server.url}${address}`)).text, /good enough/, 'from its record');
  assert.equal((await get(`${server.url}/r/${'x'.repeat(43)}/report.html`)).status, 404);

  // What was given up: listed, and given new attempts.
  const { number: dead } = await home.add(poisoned);
  const letter = (await overviewUntil('it is a dead letter', ({ deadLetters }) => deadLetters.value?.count === 1)).deadLetters.value
    .items[0];
  assert.deepEqual([letter.number, letter.kind], [dead, 'completion']);
  rmSync(join(home.folder, 'runs', letter.id, 'final'));
  const requeued = await act(`/api/dead-letters/${letter.id}/requeue`, { reason: 'mended' });
  assert.deepEqual([requeued.status, requeued.json.already], [200, false]);
  await home.untilTodo(dead, 'completed after all', ({ status }) => status === 'completed');
  assert.equal((await act('/api/dead-letters/nothing-such/requeue', { reason: 'x' })).status, 404);

  // Breakers and healing.
  const isolated = await act('/api/breakers/runner', { action: 'isolate', reason: 'hands off' });
  assert.deepEqual(isolated.json.breakers.find(({ name }: Json) => name === 'runner').state, 'isolated');
  const reset = await act('/api/breakers/runner', { action: 'reset', reason: 'mended' });
  assert.deepEqual(reset.json.breakers.find(({ name }: Json) => name === 'runner').state, 'closed');
  assert.equal((await act('/api/breakers/nobody', { action: 'reset', reason: 'x' })).status, 404);
  const heal = { what: null, dryRun: false, reason: 'to be sure' };
  assert.equal((await act('/api/heal', { ...heal, dryRun: true })).json.dryRun, true);
  assert.equal((await act('/api/heal', heal)).json.kind, 'heal');
  const often = await act('/api/heal', heal);
  assert.deepEqual([often.status, often.json.error.code], [429, 'TOO_MANY']);
  assert.ok(Number(often.headers['retry-after']) >= 1);

  assert.equal((await act('/health/trigger-healing', { ...heal, what: 'nothing-such', dryRun: true })).status, 404);
  assert.equal((await act('/self-healing/trigger-check', { ...heal, what: 'store', dryRun: true })).json.before[0].name, 'store');

  // The same for programs, a document each.
  await home.until('it is well again', async () => (await ask('/health/status')).json.health === 'healthy');
  const { metrics } = (await ask('/health/metrics')).json;
  assert.equal(
    metrics.find(({ name }: Json) => name === 'todo_completions').series.find(({ labels }: Json) => labels.outcome === 'done').value,
    2,
  );
  assert.match((await ask('/metrics')).text, /^todo_completions_total\{outcome="done"\} 2$/m);
  const measured = await home.until('something was measured', async () => {
    const { json } = await ask('/health/metrics/history?resource=daemon&limit=1');
    return json.rows.length === 1 && json;
  });
  const { atMs } = measured.rows[0];
  assert.deepEqual((await ask(`/health/history?resource=daemon&from=${atMs}&to=${atMs + 1}`)).json.rows, measured.rows);
  assert.deepEqual((await ask(`/health/history?resource=daemon&from=0&to=1`)).json.rows, []);
  const healing = (await ask('/self-healing/status')).json;
  assert.deepEqual([healing.status, healing.waitingRetries, healing.deadLetters], ['healthy', 0, 0]);
  const healed = await home.until('what was done to the breakers is stored', async () => {
    const { events } = await home.json(['heal', '--history', '--limit', '3']);
    return events.some(({ what }: Json) => what === 'breaker_closed') && events;
  });
  assert.deepEqual((await ask('/self-healing/history?limit=3')).json.events, healed);
  assert.equal((await ask('/self-healing/history?limit=0')).status, 400);
  assert.ok((await ask('/circuit-breakers/status')).json.breakers.some(({ name }: Json) => name === 'store'));
  assert.equal((await act('/circuit-breakers/store/reset', { reason: 'to be sure' })).status, 200);
  assert.deepEqual((await ask('/retry-manager/status')).json, { schemaVersion: 1, kind: 'retries', count: 0, nextAtMs: null, items: [] });
  assert.deepEqual((await ask('/retry-manager/dead-letter-queue')).json, { schemaVersion: 1, kind: 'dead-letters', count: 0, items: [] });
  assert.equal((await act('/retry-manager/requeue/nothing-such', { reason: 'x' })).status, 404);
  const config = (await ask('/self-healing/config')).json;
  assert.deepEqual(
    [config.values['behavior.heals_per_minute'], Object.keys(config.values).some((key) => key.startsWith('store.'))],
    [1, false],
  );
  const put = (body: Json): ReturnType<typeof post> =>
    post(`${server.url}/self-healing/config`, { reason: 'tuned', ...body }, { authorization: `Bearer ${server.token}` }, 'PUT');
  const tuned = await put({ key: 'resource.memory_warning', value: 70, version: config.version });
  assert.deepEqual([tuned.status, tuned.json.values['resource.memory_warning']], [200, 70]);
  assert.notEqual(tuned.json.version, config.version);
  assert.equal(
    JSON.parse(readFileSync(join(home.folder, 'hooks', 'config.json'), 'utf8')).resource.memory_warning,
    70,
    'it is in the file',
  );
  assert.equal((await put({ key: 'resource.memory_warning', value: 75, version: config.version })).status, 409, 'somebody was quicker');
  assert.equal((await put({ key: 'resource.memory_warning', value: 'much' })).status, 409, 'never a value that is wrong');
  assert.equal((await put({ key: 'store.url', value: null })).status, 422);
  assert.equal(
    (await act('/health/thresholds/update', { key: 'resource.memory_warning', value: null, reason: 'as it was' })).json.values[
      'resource.memory_warning'
    ],
    80,
  );
  assert.equal((await act('/health/thresholds/update', { key: 'behavior.max_retries', value: 9, reason: 'x' })).status, 422);

  // One body for whatever is refused.
  const wrong = await act('/api/todos/actions', { action: 'burn', todos: {}, more: 1 });
  const { success, error } = wrong.json;
  assert.deepEqual([wrong.status, success, error.statusCode, error.code, error.path], [422, false, 422, 'BAD_DATA', '/api/todos/actions']);
  assert.deepEqual(Object.keys(error), ['code', 'message', 'statusCode', 'details', 'timestamp', 'path', 'requestId']);
  assert.ok(
    ['action', 'reason', 'body'].every((at) => error.details.some((it: Json) => it.at === at)),
    JSON.stringify(error.details),
  );
  assert.equal((await ask('/api/todos/99999')).status, 404);
  assert.equal((await post(`${server.url}/api/heal`, heal)).status, 401);

  // The same twice is once, also after a restart; another under that key is refused.
  const key = { 'idempotency-key': 'click-000001' };
  const once = { action: 'unhold', todos: { ids: [String(four)] } };
  const clicked = await acted(once, key);
  await home.untilTodo(four, 'completed', ({ status }) => status === 'completed');
  assert.equal(clicked.results[0].ok, true);
  assert.deepEqual(await acted(once, key), clicked);
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  rmSync(join(home.folder, 'http.json'));
  daemon = await home.daemon(env);
  server = await served(home);
  const later = await server.act('/api/todos/actions', { reason: 'so it is', ...once }, key);
  assert.deepEqual(later.json, clicked, 'the first answer');
  assert.equal((await server.act('/api/todos/actions', { reason: 'another', ...once }, key)).status, 422);

  // Without script, and without a daemon.
  await home.until('it is well', async () => (await server.ask('/health/status')).json.health === 'healthy');
  const plain = await server.ask('/api/status.html');
  assert.match(plain.text, /<h1><span class="healthy"><span aria-hidden="true">●<\/span> healthy<\/span><\/h1>/);
  const last = await fetch(`${server.url}/events`, { headers: { authorization: `Bearer ${server.token}` }, signal: over.signal });
  assert.equal(last.status, 200);
  daemon.process.kill('SIGTERM');
  assert.equal((await daemon.ended).code, 0, 'whoever listens keeps it from nothing');
  home.start(['start', '--dashboard-only']);
  const looking = await served(home, 'dashboard.json');
  const past = await home.until('it has looked', async () => {
    const { json } = await looking.ask('/api/overview');
    return json.todos.value !== null && json;
  });
  assert.deepEqual([past.daemon, past.acts, past.todos.value.cancelled], [null, false, 3]);
  assert.match((await looking.ask(`/api/todos/${live}`)).json.todo.summary, /good enough$/);
  const link = (await looking.ask(`/api/todos/${live}/report`)).json.url;
  assert.match((await get(`${looking.url}${link}`)).text, /good enough/);
  const nobody = await looking.act('/api/todos/actions', { reason: 'x', action: 'cancel', todos: { ids: [String(one)] } });
  assert.deepEqual([nobody.status, nobody.json.error.code], [409, 'NO_DAEMON']);
  assert.equal(await statusOf(one), 'open');
});
