// Every key of hooks/config.json, seen in what the running program does (C-39). A key without a case here fails the first test.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defaultConfig, knownKeys } from '../../src/core/config.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Sshd, startSshd } from '../fixtures/sshd.ts';
import { createWordpressTable } from '../store/wordpress-table.ts';
import { ageTree, rowsOf } from './aging.ts';
import { asking, login, session } from './browser.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { get, served } from './http-get.ts';
import { withoutTmux } from './without-tmux.ts';

let server: Mariadb;
let sshd: Sshd;
let silentSsh: TcpServer;
before(async () => {
  server = await startMariadb();
  sshd = await startSshd();
  silentSsh = createTcpServer().listen(0, '127.0.0.1');
});
after(async () => {
  silentSsh?.close();
  await sshd?.stop();
  await server?.stop();
});

type See = (home: TestHome, t: TestContext) => Promise<void>;
/** Values for the file, and what must be seen with them. The key's own value is the one that makes the difference. */
type Case = { readonly key: string | readonly string[]; readonly config: Json | (() => Json | Promise<Json>); readonly see: See };

const silent = 'mkfifo go 2>/dev/null; read word < go';
const talking = 'while :; do echo working; sleep 0.1; done';
const poisoned = 'rm -rf "$TODO_RUN_DIR/final"; touch "$TODO_RUN_DIR/final"';
const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked', 'dead-lettered'].includes(todo.status);
const evidenceOf = (todo: Json): Json => JSON.parse(readFileSync(join(dirname(todo.report), 'evidence.json'), 'utf8'));
const go = (home: TestHome): void => writeFileSync(join(home.work, 'go'), 'on\n');
const sweeps = (home: TestHome): number => home.log('monitor').filter((line) => line.event === 'swept').length;
const archived = (home: TestHome, folder = 'archive'): string[] => readdirSync(join(home.folder, folder));
const stepsFailed = (home: TestHome): Json[] => home.log('completion').filter((line) => line.event === 'step failed');
const waits = (line: Json): number => Math.round((line.nextAttemptAtMs - Date.parse(line.time)) / 1000);

const breaker = async (home: TestHome, name: string): Promise<Json> =>
  (await home.json(['breaker', 'list'])).breakers.find((it: Json) => it.name === name);

/** A daemon that brings one todo to its end. */
async function ends(home: TestHome, command: string, ...options: string[]): Promise<Json> {
  await home.daemon();
  const { number } = await home.add(command, ...options);
  return home.untilTodo(number, 'ended', isOver);
}

const started = (home: TestHome, number: number): Promise<Json> => home.untilTodo(number, 'running', (todo) => todo.status === 'running');

/** What the daemon may take of these two is the first; the second waits while the first runs. */
async function oneAtATime(home: TestHome, ...options: string[]): Promise<void> {
  await home.daemon();
  const first = await home.add(silent);
  await started(home, first.number);
  const second = await home.add('true', ...options);
  const sofar = sweeps(home);
  await home.until('the daemon had its chances', () => sweeps(home) >= sofar + 3);
  assert.equal((await home.show(second.number)).status, 'open');
  go(home);
  assert.equal((await home.untilTodo(second.number, 'ended', isOver)).status, 'completed');
}

/** An orphan that automatic recovery would archive. */
async function orphanStays(home: TestHome): Promise<void> {
  const folder = join(home.folder, 'runs', '01999999-0000-7000-8000-000000000000');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'output.log'), 'said\n');
  ageTree(folder, 31 * 60_000);
  await home.daemon();
  await home.until('three sweeps', () => sweeps(home) >= 3);
  assert.ok(existsSync(folder));
}

/** Looks at resources come at once. */
const watchful = { interval: 0.2, probe_interval: 0.2 };
const healthOf = async (home: TestHome): Promise<Json[]> => JSON.parse((await home.todo(['--json', 'health'])).stdout).components;

const often = { health_check_interval: 0.2 };
const otherFolder = (home: TestHome): string => join(home.folder, 'elsewhere');

/** A claude whose provider refuses work, in the lines that the real one prints; for so long, or nobody says. */
function limited(resource: Json, forS: number | null): Json {
  const resetsAt = forS === null ? null : Math.ceil(Date.now() / 1000) + forS;
  const words = { model: '<synthetic>', content: [{ type: 'text', text: 'API Error' }] };
  const lines = [
    ...(resetsAt === null ? [] : [{ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt } }]),
    { type: 'assistant', error: 'rate_limit', timestamp: new Date().toISOString(), message: words },
    { type: 'result', subtype: 'success', is_error: true, terminal_reason: 'api_error', result: 'API Error' },
  ];
  const script = `cat <<'END'\n${lines.map((line) => JSON.stringify({ session_id: 's', ...line })).join('\n')}\nEND\nexit 1`;
  return { resource, behavior: { quiet_after: 0.1 }, agents: { claude: { command: '/bin/sh', args: ['-c', script] } } };
}

async function meetsLimit(home: TestHome, status: string): Promise<Json> {
  await home.daemon();
  const { todo } = await home.json(['add', 'meet a limit', '--agent', 'claude', '--cwd', home.work, '--prompt', 'work']);
  return home.untilTodo(todo.number, status, (it) => it.status === status);
}

const cases: readonly Case[] = [
  {
    key: 'behavior.completion_timeout',
    config: { behavior: { completion_timeout: 0.4 } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      const stalled = await home.untilTodo(number, 'stalled', (todo) => todo.status === 'stalled');
      assert.match(stalled.reason, /no completion after 0.4 s/);
    },
  },
  {
    key: 'behavior.emergency_timeout',
    config: { behavior: { completion_timeout: 0.3, emergency_timeout: 0.4 } },
    async see(home) {
      const ended = await ends(home, silent);
      assert.deepEqual([ended.status, ended.proof], ['completed', 'forced']);
      assert.match(evidenceOf(ended).emergency.reason, /within 0.4 s/);
    },
  },
  {
    key: 'behavior.timeout_basis',
    config: { behavior: { timeout_basis: 'elapsed', completion_timeout: 0.7, emergency_timeout: 0.8 } },
    see: async (home) => assert.equal((await ends(home, talking)).proof, 'forced'),
  },
  {
    key: 'behavior.completion_timeout_action',
    config: { behavior: { completion_timeout: 0.4, completion_timeout_action: 'complete' } },
    see: async (home) => assert.equal((await ends(home, silent)).proof, 'forced'),
  },
  {
    key: 'behavior.run_max',
    config: { behavior: { run_max: 0.6 } },
    see: async (home) => assert.match(evidenceOf(await ends(home, talking)).emergency.reason, /behavior.run_max \(0.6 s\)/),
  },
  {
    key: 'behavior.database_timeout',
    config: async () => ({
      behavior: { database_timeout: 0.3 },
      store: { url: `mysql://nobody:nothing@127.0.0.1:${await blackHole()}/none` },
    }),
    async see(home) {
      const { code, stderr } = await home.todo(['list']);
      assert.equal(code, 69);
      assert.match(stderr, /no answer within 300 ms/);
    },
  },
  {
    key: 'behavior.max_retries',
    config: { behavior: { max_retries: 4, exponential_backoff: false } },
    async see(home) {
      assert.equal((await ends(home, poisoned)).status, 'dead-lettered');
      assert.equal(stepsFailed(home).length, 4);
    },
  },
  {
    key: 'behavior.exponential_backoff',
    config: { behavior: { exponential_backoff: false } },
    async see(home) {
      assert.equal((await ends(home, poisoned)).status, 'dead-lettered');
      assert.deepEqual(stepsFailed(home).slice(0, 2).map(waits), [2, 2], 'else 2 and 4');
    },
  },
  {
    key: 'behavior.health_check_interval',
    config: { behavior: often },
    async see(home) {
      await home.daemon();
      await home.until('three sweeps', () => sweeps(home) >= 3);
    },
  },
  {
    key: 'behavior.enable_robust_completion',
    config: { behavior: { enable_robust_completion: false } },
    see: async (home) => assert.equal(evidenceOf(await ends(home, 'echo hello')).sources.find((it: Json) => it.used).name, 'store'),
  },
  {
    key: 'behavior.enable_emergency_handlers',
    config: { behavior: { enable_emergency_handlers: false, completion_timeout: 0.2, emergency_timeout: 0.3, ...often } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      await started(home, number);
      const sofar = sweeps(home);
      await home.until('its time was long over', () => sweeps(home) >= sofar + 5);
      assert.equal((await home.show(number)).status, 'running');
      assert.match(
        (await home.json(['health'], { code: 1 })).components.find((it: Json) => it.name === 'timers').reason,
        /enable_emergency_handlers is false/,
      );
    },
  },
  { key: 'behavior.auto_recovery', config: { behavior: { auto_recovery: false, ...often } }, see: orphanStays },
  {
    key: 'behavior.act_on_prediction',
    config: { behavior: { act_on_prediction: true } },
    // What it does where there is a history is in prediction.test.ts; without one it tells nobody.
    async see(home) {
      await home.daemon();
      await home.until('it has learned', async () => (await home.json(['status'])).learned.kind === 'too-little');
      const { values } = await home.json(['config', 'show']);
      assert.equal(values.find(({ key }: Json) => key === 'behavior.act_on_prediction').value, true);
      assert.deepEqual(
        (await home.json(['heal', '--history'])).events.filter(({ what }: Json) => what === 'prediction.told'),
        [],
      );
    },
  },
  {
    key: 'behavior.heals_per_minute',
    config: { behavior: { heals_per_minute: 1 } },
    async see(home) {
      assert.equal((await home.todo(['heal'])).code, 0);
      assert.match((await home.todo(['heal'])).stderr, /at most 1 a minute \(behavior.heals_per_minute\)/);
    },
  },
  { key: 'behavior.cleanup_orphaned', config: { behavior: { cleanup_orphaned: false, ...often } }, see: orphanStays },
  {
    key: 'behavior.auto_archive',
    config: { behavior: { auto_archive: false } },
    async see(home) {
      const ended = await ends(home, 'echo hello');
      assert.ok(ended.report.startsWith(join(home.folder, 'runs')) && existsSync(ended.report));
      assert.deepEqual(archived(home), []);
    },
  },
  {
    key: 'behavior.auto_continue',
    config: { behavior: { auto_continue: false, ...often } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add('true');
      await home.until('the daemon had its chances', () => sweeps(home) >= 3);
      assert.equal((await home.show(number)).status, 'open');
      assert.equal((await home.todo(['run', String(number)])).code, 0);
    },
  },
  {
    key: 'resource.usage_limits',
    config: limited({ usage_limits: 'block' }, 3600),
    see: async (home) => assert.match((await meetsLimit(home, 'blocked')).reason, /resource.usage_limits is block/),
  },
  {
    key: 'resource.wait',
    config: limited({ wait: 7200 }, null),
    see: async (home) => assert.ok(Math.abs((await meetsLimit(home, 'parked')).notBeforeMs - Date.now() - 7_200_000) < 600_000),
  },
  {
    key: 'resource.wait_max',
    config: limited({ wait_max: 7200 }, 86_400),
    see: async (home) => assert.ok(Math.abs((await meetsLimit(home, 'parked')).notBeforeMs - Date.now() - 7_200_000) < 600_000),
  },
  {
    key: 'resource.limits_max',
    config: limited({ limits_max: 2, wait: 0.05 }, null),
    async see(home) {
      const todo = await meetsLimit(home, 'blocked');
      assert.match(todo.reason, /met 3 times in a row \(resource.limits_max\)/);
      assert.deepEqual([todo.runs.map(({ outcome }: Json) => outcome).join(), todo.attempts], ['parked,parked,blocked', 0]);
    },
  },
  {
    key: 'behavior.max_rounds',
    config: { behavior: { max_rounds: 1, quiet_after: 0.1 }, agents: { claude: { command: '/bin/sh', args: ['-c', '"$TODO_MARKER"'] } } },
    async see(home) {
      await home.daemon();
      const { todo } = await home.json([
        'add',
        'never enough',
        '--agent',
        'claude',
        '--cwd',
        home.work,
        '--prompt',
        'x',
        '--check',
        'false',
      ]);
      const ended = await home.untilTodo(todo.number, 'ended', isOver);
      assert.deepEqual([ended.status, ended.runs.length, ended.runs[0].round], ['failed', 1, 2]);
    },
  },
  {
    key: 'behavior.hook_wait',
    config: { behavior: { hook_wait: 7 } },
    async see(home) {
      const { todo } = await home.json(['add', 'x', '--agent', 'claude', '--cwd', home.work, '--prompt', 'x', '--hold']);
      assert.match(JSON.stringify(await home.json(['show', String(todo.number), '--launch'])), /"TODO_HOOK_WAIT_MS":"7000"/);
    },
  },
  {
    key: 'behavior.quiet_after',
    config: { behavior: { quiet_after: 0.5 } },
    async see(home) {
      const ended = await ends(home, '"$TODO_MARKER"; sleep 60');
      const at = await factsOf(home, ended);
      const tookMs = (at['collected'] ?? 0) - (at['signalled'] ?? 0);
      assert.ok(tookMs >= 500 && tookMs < 8000, `${tookMs} ms, and 10 s by default`);
    },
  },
  {
    key: 'behavior.term_grace',
    config: { behavior: { quiet_after: 0.1, term_grace: 0.5 } },
    async see(home) {
      const ended = await ends(home, `trap '' TERM; "$TODO_MARKER"; while :; do sleep 0.2; done`);
      const at = await factsOf(home, ended);
      const tookMs = (at['collected'] ?? 0) - (at['signalled'] ?? 0);
      assert.ok(tookMs >= 500 && tookMs < 8000, `${tookMs} ms, and 10 s by default`);
    },
  },
  {
    key: 'behavior.check_timeout',
    config: { behavior: { check_timeout: 0.3 } },
    async see(home) {
      const ended = await ends(home, 'true', '--check', 'sleep 60');
      assert.deepEqual([ended.status, evidenceOf(ended).checks[0].timedOut], ['failed', true]);
    },
  },
  {
    key: 'behavior.last_resort',
    config: { behavior: { last_resort: 'reset', exponential_backoff: false, auto_continue: false } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(poisoned);
      home.start(['run', String(number)]);
      await home.untilTodo(number, 'open again', (todo) => todo.status === 'open' && /last_resort reset/.test(todo.reason ?? ''));
    },
  },
  {
    key: 'behavior.lease',
    config: { behavior: { lease: 7 } },
    async see(home) {
      await home.daemon();
      const { id, number } = await home.add(silent);
      await started(home, number);
      const [run] = rowsOf(home, 'SELECT lease_until_ms - started_at_ms AS lease FROM run WHERE todo_id = ?', id);
      assert.ok(run.lease >= 7000 && run.lease < 30_000, `${run.lease} ms, and 60 s by default`);
    },
  },
  {
    key: 'emergency.action',
    config: { emergency: { action: 'stall' }, behavior: { completion_timeout: 0.3, emergency_timeout: 0.5 } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      await home.until('the emergency', () =>
        home.log('emergency').some((line) => line.event === 'alert' && /action stall/.test(line.message)),
      );
      assert.equal((await home.untilTodo(number, 'stalled', (todo) => todo.status === 'stalled')).runs[0].endedAtMs, null);
    },
  },
  {
    key: 'paths.task_completed',
    config: {},
    async see(home) {
      await home.daemon();
      const { number } = await home.add('by hand', '--hold');
      const claim = await home.json(['claim', String(number)]);
      assert.equal(claim.marker, home.legacy.marker);
      writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
      assert.equal((await home.untilTodo(number, 'ended', isOver)).status, 'completed');
    },
  },
  {
    key: 'paths.current_todo',
    config: {},
    async see(home) {
      const { number } = await home.add('by hand', '--hold');
      await home.json(['claim', String(number)]);
      assert.equal(readFileSync(home.legacy.pointer, 'utf8').trim(), String(number));
    },
  },
  {
    key: 'paths.session_prefix',
    config: {},
    async see(home) {
      mkdirSync(`${home.legacy.sessionPrefix}1`);
      writeFileSync(`${home.legacy.sessionPrefix}1/notes.txt`, 'from the session folder\n');
      const ended = await ends(home, 'true');
      assert.equal(evidenceOf(ended).sources.find((it: Json) => it.used).name, 'session folder');
    },
  },
  {
    key: 'paths.archive',
    config: { paths: { archive: 'elsewhere' } },
    async see(home) {
      const ended = await ends(home, 'true');
      assert.ok(ended.report.startsWith(otherFolder(home)) && existsSync(ended.report));
    },
  },
  {
    key: 'paths.logs',
    config: { paths: { logs: 'elsewhere' } },
    async see(home) {
      await ends(home, 'true');
      assert.match(readFileSync(join(otherFolder(home), 'completion.log'), 'utf8'), /"event":"signal"/);
    },
  },
  {
    key: 'logging.level',
    config: { logging: { level: 'error' } },
    async see(home) {
      await ends(home, 'true');
      assert.deepEqual(
        home.log('completion').filter((line) => !['error', 'CRITICAL'].includes(line.level)),
        [],
      );
    },
  },
  {
    key: 'logging.max_size_mb',
    config: { logging: { max_size_mb: 0.002 } },
    async see(home) {
      await ends(home, 'true');
      await home.until(
        'rotated',
        () => readdirSync(join(home.folder, 'logs')).filter((name) => name.includes('completion') || name.includes('monitor')).length > 2,
      );
      for (const name of ['completion.log', 'monitor.log'])
        assert.ok((statSync(join(home.folder, 'logs', name), { throwIfNoEntry: false })?.size ?? 0) < 4096, name);
    },
  },
  {
    key: 'logging.max_files',
    config: { logging: { max_size_mb: 0.001, max_files: 2 }, behavior: often },
    async see(home) {
      await home.daemon();
      const rotated = () => readdirSync(join(home.folder, 'logs')).filter((name) => name.includes('monitor') && name !== 'monitor.log');
      const seen = new Set<string>();
      await home.until('more were rotated than are kept', () => {
        for (const name of rotated()) seen.add(`${name} ${statSync(join(home.folder, 'logs', name), { throwIfNoEntry: false })?.ino}`);
        return seen.size >= 4;
      });
      assert.ok(rotated().length <= 3, rotated().join(' '));
    },
  },
  {
    key: 'store.url',
    config: () => ({ store: { url: server.url() } }),
    async see(home) {
      assert.equal((await ends(home, 'true')).status, 'completed');
      assert.equal(await tableCount(''), 1);
    },
  },
  {
    key: 'store.password_file',
    config: {},
    async see(home) {
      const path = join(home.folder, 'password');
      writeFileSync(path, `${server.password}\n`, { mode: 0o600 });
      const url = new URL(server.url());
      url.password = '';
      const env = { TODO_STORE_URL: url.href, TODO_STORE_TABLE_PREFIX: 'pf_' };
      assert.notEqual((await home.todo(['list'], { env })).code, 0);
      await home.json(['add', 'x', '--hold'], { env: { ...env, TODO_STORE_PASSWORD_FILE: path } });
      assert.equal((await home.json(['list'], { env: { ...env, TODO_STORE_PASSWORD_FILE: path } })).todos.length, 1);
    },
  },
  {
    key: 'store.table_prefix',
    config: () => ({ store: { url: server.url(), table_prefix: 'mine_' } }),
    async see(home) {
      await home.add('x', '--hold');
      assert.equal(await tableCount('mine_'), 1);
    },
  },
  {
    key: 'behavior.ssh_timeout',
    // Somebody who takes the connection and never says a word.
    config: () => ({
      behavior: { ssh_timeout: 0.7 },
      store: { url: server.url(), ssh: { host: '127.0.0.1', port: (silentSsh.address() as AddressInfo).port } },
    }),
    async see(home) {
      const { code, stderr } = await home.todo(['list']);
      assert.equal(code, 69);
      assert.match(stderr, /STORE_UNREACHABLE .* ssh to 127\.0\.0\.1: no tunnel within 700 ms/);
    },
  },
  {
    key: 'store.ssh',
    config: () => ({ store: { url: server.url(), table_prefix: 'ssh_', ssh: sshd.settings } }),
    async see(home) {
      await home.add('through the tunnel', '--hold');
      assert.equal(await tableCount('ssh_'), 1);
      assert.ok(sshd.logins() > 0);
    },
  },
  {
    key: 'store.map',
    async config() {
      const connection = await server.connect();
      await connection.query(createWordpressTable('wp_todos'));
      await connection.end();
      return { store: { url: server.url(), table_prefix: 'map_', map: { preset: 'wordpress', table: 'wp_todos' } } };
    },
    async see(home) {
      const { number } = await home.add('into their table', '--hold');
      const connection = await server.connect();
      const [rows] = await connection.query('SELECT title, status, bearbeiten FROM wp_todos WHERE id = ?', [number]);
      await connection.end();
      assert.deepEqual((rows as Json[])[0], { title: 'into their table', status: 'offen', bearbeiten: 0 });
    },
  },
  {
    key: 'store.pool',
    config: () => ({
      store: { url: server.url(), table_prefix: 'pool_', pool: 2 },
      behavior: often,
      slots: { project: 9, agent: 9, total: 9 },
    }),
    async see(home) {
      await home.daemon();
      await home.until('five sweeps', () => sweeps(home) >= 5);
      const connection = await server.connect();
      // Every sweep asks four things at once, so all of the pool is used, and no more than that stays.
      await home.until('two connections are there', async () => {
        const [rows] = await connection.query(
          'SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = ? AND id <> CONNECTION_ID()',
          [server.user],
        );
        return (rows as Json[])[0].n === 2;
      });
      await connection.end();
    },
  },
  {
    key: 'store.receipts',
    config: () => ({ store: { url: server.url(), table_prefix: 'receipts_', receipts: 0 }, behavior: often }),
    async see(home) {
      const daemon = await home.daemon();
      const { number } = await home.add('true');
      await home.untilTodo(number, 'completed', (todo) => todo.status === 'completed');
      daemon.process.kill('SIGTERM');
      await daemon.ended;
      const connection = await server.connect();
      await connection.query('DELETE FROM receipts_completion');
      const before = sweeps(home);
      await home.daemon();
      await home.until('two more sweeps', () => sweeps(home) >= before + 2);
      const [rows] = await connection.query('SELECT run_id FROM receipts_completion');
      await connection.end();
      assert.deepEqual(rows, []);
      assert.ok(!home.log('emergency').some(({ level }) => level === 'CRITICAL'), 'nobody looked for it');
    },
  },
  { key: 'slots.total', config: { slots: { total: 1, agent: 9, project: 9 }, behavior: often }, see: (home) => oneAtATime(home) },
  { key: 'slots.agent', config: { slots: { total: 9, agent: 1, project: 9 }, behavior: often }, see: (home) => oneAtATime(home) },
  {
    key: 'slots.project',
    config: { slots: { project: 2 } },
    async see(home) {
      await home.daemon();
      const one = await home.add('mkfifo one; read word < one');
      const two = await home.add('mkfifo two; read word < two');
      for (const { number } of [one, two]) await started(home, number);
    },
  },
  {
    key: 'run.output_max',
    config: { run: { output_max: 2048 } },
    see: async (home) =>
      assert.match((await ends(home, talking.replace('working', 'x'.repeat(500)))).reason, /run\.output_max \(2048 bytes\)/),
  },
  {
    key: 'run.attempts',
    config: { run: { attempts: 1 } },
    async see(home) {
      const ended = await ends(home, 'kill -9 $$');
      assert.deepEqual([ended.status, ended.runs.length], ['failed', 1]);
    },
  },
  {
    key: 'run.retry_delay',
    config: { run: { retry_delay: 100 } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add('kill -9 $$');
      const open = await home.untilTodo(
        number,
        'open again',
        (todo) => todo.status === 'open' && todo.runs.length === 1 && todo.runs[0].outcome === 'lost',
      );
      const delayMs = open.notBeforeMs - open.runs[0].endedAtMs;
      assert.ok(delayMs > 70_000 && delayMs < 135_000, `${delayMs} ms`);
    },
  },
  {
    key: 'run.resets',
    config: { run: { resets: 0 } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      await started(home, number);
      await home.json(['emergency', String(number), '--action', 'reset']);
      assert.equal((await home.show(number)).status, 'blocked');
    },
  },
  {
    key: 'monitoring.webhook_url',
    config: async () => ({ monitoring: { rescan: 0.2, webhook_url: `http://127.0.0.1:${await listener()}/` } }),
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      await started(home, number);
      await home.json(['emergency', String(number)]);
      await home.until('the POST', () =>
        posts.some((post) => post.todo === number && post.id === rowsOf(home, 'SELECT id FROM todo')[0].id),
      );
    },
  },
  {
    key: 'monitoring.watcher',
    config: { monitoring: { watcher: false, rescan: 0.2 } },
    async see(home) {
      const daemon = await home.daemon();
      const links = readdirSync(`/proc/${daemon.process.pid}/fd`).map((fd) => tryLink(`/proc/${daemon.process.pid}/fd/${fd}`));
      assert.ok(!links.some((link) => link.includes('inotify')), 'nothing is watched');
      const { number } = await home.add('"$TODO_MARKER"; sleep 60');
      assert.equal((await home.untilTodo(number, 'ended by the rescan', isOver)).status, 'completed');
    },
  },
  {
    key: 'monitoring.rescan',
    config: { monitoring: { watcher: false, rescan: 0.15 } },
    async see(home) {
      await home.daemon();
      const ready = await home.until('its log says so', () => home.log('monitor').find((line) => line.event === 'daemon ready'));
      assert.equal(ready.rescanMs, 150);
      const pass = async () => (await home.json(['status'])).lastPassAtMs;
      const first = await pass();
      let last = first;
      for (let looks = 0; looks < 50 && last === first; looks++) last = await pass();
      assert.ok(last > first && last - first < 2000, 'it passes although nothing happens');
    },
  },
  {
    key: 'policies.default',
    config: { policies: { default: { max_retries: 0 } }, monitoring: { rescan: 0.2, webhook_url: 'http://127.0.0.1:1/' } },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      await started(home, number);
      await home.json(['emergency', String(number)]);
      const letter = await home.until('it was given up', async () => (await home.json(['dead-letter', 'list'])).deadLetters[0]);
      assert.deepEqual([letter.kind, letter.attempts], ['delivery', 1], 'else four');
    },
  },
  {
    key: 'policies.job',
    config: { policies: { job: { max_retries: 1, initial_delay: 0.02 } } },
    async see(home) {
      const ended = await ends(home, 'kill -9 $$');
      assert.deepEqual([ended.status, ended.runs.length], ['failed', 2], 'else five');
    },
  },
  {
    key: [
      'resource.interval',
      'resource.probe_interval',
      'resource.memory_warning',
      'resource.max_memory_mb',
      'resource.cpu_warning',
      'resource.cpu_warning_after',
      'resource.files_warning',
      'resource.machine_cpu_warning',
      'resource.machine_memory_warning',
      'resource.machine_disk_warning',
      'resource.actions',
    ],
    config: {
      agents: { claude: { command: '/nowhere/claude' } },
      resource: {
        ...watchful,
        memory_warning: 0.5,
        memory_critical: 0.6,
        max_memory_mb: 70,
        cpu_warning: 0.1,
        cpu_warning_after: 0.3,
        files_warning: 0.001,
        machine_cpu_warning: 0.1,
        machine_memory_warning: 0.1,
        machine_disk_warning: 0.1,
        actions: false,
      },
    },
    async see(home) {
      await home.daemon();
      const shown = await home.until('all of it', async () => {
        const all = (await healthOf(home)).map(({ reason }) => reason).join('\n');
        return /% of a core \(warning/.test(all) && /CPU is .*memory is .*disk is/.test(all) && /nowhere/.test(all) && all;
      });
      assert.match(shown, /used up \d+(\.\d)? % of its memory \(critical from 0\.6\)/);
      assert.match(shown, /\d % of a core \(warning from 0\.1 for 0\.3 s\)/);
      assert.match(shown, /% of the files are open that may be \(warning from 0\)/);
      assert.equal(shown.match(/\(warning from 0\.1/g)?.length, 4, 'the CPU of the daemon, and the three of the machine');
      assert.equal((await healthOf(home)).find(({ name }) => name === 'memory')?.evidence.limitMb, 70);
      assert.ok(rowsOf(home, "SELECT count(*) AS n FROM health_metrics WHERE component = 'daemon'")[0].n >= 2, 'else one in 60 s');
      assert.ok(!home.log('monitor').some(({ event }) => event === 'resource action'));
    },
  },
  {
    key: ['resource.memory_critical', 'resource.cpu_critical', 'resource.cpu_critical_after', 'resource.cooldown', 'resource.profile_time'],
    config: {
      restart: { per_hour: 0 },
      resource: {
        ...watchful,
        memory_warning: 0.01,
        memory_critical: 0.02,
        cpu_warning: 0.1,
        cpu_critical: 0.1,
        cpu_critical_after: 0.3,
        cooldown: 0.3,
        profile_time: 0.1,
      },
    },
    async see(home) {
      await home.daemon();
      const actions = (cause: string): string[] =>
        home
          .log('monitor')
          .filter((line) => line.event === 'resource action' && line.cause === cause)
          .map(({ action }) => action);
      await home.until(
        'the second step, else after 300 s',
        () => actions('memory').includes('pause') && actions('cpu').includes('throttle'),
      );
      const [first = ''] = readdirSync(join(home.folder, 'logs', 'profiles'));
      const { startTime, endTime } = JSON.parse(readFileSync(join(home.folder, 'logs', 'profiles', first), 'utf8'));
      assert.ok(endTime - startTime < 8_000_000, `else ten seconds: ${endTime - startTime} µs`);
    },
  },
  {
    key: ['resource.pool_within', 'resource.loop_warning', 'resource.leak_window'],
    config: { resource: { ...watchful, pool_within: 0.15, loop_warning: 0.3, leak_window: 2, actions: false } },
    async see(home) {
      const once = join(home.folder, 'was-ill');
      const ill = fileURLToPath(new URL('../fixtures/ill.ts', import.meta.url));
      const { process: daemon } = await home.daemon({ NODE_OPTIONS: `--import ${ill}`, ILL: 'leak,block', ILL_ONCE: once, ILL_MB: '2000' });
      const leak = await home.until(
        'a leak, else after half an hour',
        () => rowsOf(home, "SELECT detail FROM self_healing_events WHERE type = 'memory_leak'")[0],
      );
      assert.equal(JSON.parse(leak.detail).overMs, 2000);
      const told = (words: string): boolean =>
        rowsOf(home, "SELECT reason FROM health_metrics WHERE component = 'daemon'").some(({ reason }) => reason.includes(words));
      daemon.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      daemon.kill('SIGCONT');
      await home.until('the loop stood still', () => told('(warning from 300)'));
      execFileSync('mkfifo', [`${once}.pipe`]);
      await home.until('no thread came free', () => told('no thread for file work came free within 150 ms'));
      // It could not close its files.
      daemon.kill('SIGKILL');
    },
  },
  {
    key: 'behavior.drain_timeout',
    config: { behavior: { drain_timeout: 0.2, check_timeout: 100 } },
    async see(home) {
      const daemon = await home.daemon();
      await home.add('true', '--check', 'touch checking; sleep 100');
      await home.until('its check runs', () => existsSync(join(home.work, 'checking')));
      const fromMs = performance.now();
      daemon.process.kill('SIGTERM');
      await daemon.ended;
      const tookMs = performance.now() - fromMs;
      assert.ok(tookMs < 20_000, `${tookMs} ms, else more than 25 s`);
    },
  },
  {
    key: 'monitoring.blocked_limit',
    config: { monitoring: { blocked_limit: 0.5 } },
    async see(home) {
      const misbehave = fileURLToPath(new URL('../fixtures/misbehave.cjs', import.meta.url));
      // As under a watchdog: nobody else would start it again.
      const daemon = await home.daemon({ TODO_SUP_ID: 'a-test', MISBEHAVE: 'spin', NODE_OPTIONS: `--require ${misbehave}` });
      daemon.process.kill('SIGUSR2');
      const fromMs = performance.now();
      await daemon.ended;
      assert.ok(performance.now() - fromMs < 50_000, 'else a minute');
    },
  },
  {
    key: ['restart.cooldown', 'restart.per_hour', 'restart.per_day', 'restart.good_after'],
    config: { restart: { cooldown: 0, per_hour: 1, per_day: 2, good_after: 0.1 } },
    async see(home) {
      await home.daemon();
      await home.until('a copy of the build is kept, else after a minute', () =>
        existsSync(join(home.folder, 'last-good', 'dist', 'todo.cjs')),
      );
      const restart = async (): Promise<string> => (await home.todo(['daemon', 'restart'])).stderr;
      assert.equal(await restart(), '');
      assert.match(await restart(), /restart\.per_hour: one restart within 1 h/);
      await home.json(['config', 'set', 'restart.per_hour', '100']);
      assert.equal(await restart(), '', 'else five minutes must pass');
      assert.match(await restart(), /restart\.per_day: 2 restarts within 24 h/);
    },
  },
  {
    key: ['server.redis_url', 'server.session_max', 'server.logins_per_minute'],
    config: { server: { port: 0, redis_url: 'redis://127.0.0.1:1', session_max: 3600, logins_per_minute: 1 } },
    async see(home) {
      await home.daemon();
      const { url } = await served(home);
      const ann = await login(home, url);
      const untilMs = (await session(url, ann)).json.expiresAtMs - Date.now();
      assert.ok(untilMs > 3_500_000 && untilMs <= 3_600_000, 'an hour, whatever is done with it');
      assert.equal((await asking('POST', `${url}/api/login`, null, { code: 'x'.repeat(43) })).status, 429);
      const sessions = (await healthOf(home)).find(({ name }) => name === 'sessions');
      assert.match(sessions.reason, /instead of Redis: .*127\.0\.0\.1:1/);
    },
  },
  {
    key: ['server.session_idle', 'server.status_cache', 'server.fresh_per_minute'],
    config: { server: { port: 0, session_idle: 60, status_cache: 0, fresh_per_minute: 1 } },
    async see(home) {
      await home.daemon();
      const { url } = await served(home);
      const ann = await login(home, url);
      const untilMs = (await session(url, ann)).json.expiresAtMs - Date.now();
      assert.ok(untilMs > 0 && untilMs <= 60_000, 'a minute, where it is not used');
      const status = (query = '') => asking('GET', `${url}/api/status${query}`, ann);
      assert.deepEqual([(await status()).json.from_cache, (await status()).json.from_cache], [false, false]);
      assert.deepEqual([(await status('?fresh=1')).status, (await status('?fresh=1')).status], [200, 429]);
    },
  },
  {
    key: ['server.port', 'server.host', 'server.allow_remote', 'server.names'],
    config: { server: { port: 0, host: '0.0.0.0', allow_remote: true, names: ['todo.example'] } },
    async see(home) {
      await home.daemon();
      const { url } = await served(home);
      const port = new URL(url).port;
      const status = async (host: string): Promise<number | undefined> => (await get(`http://127.0.0.2:${port}/livez`, { host })).status;
      assert.equal(await status('todo.example'), 200, 'at another address than 127.0.0.1, by another name');
      assert.notEqual(await status('elsewhere.example'), 200);
    },
  },
  {
    key: 'policies.record',
    config: { policies: { record: { max_retries: 4, initial_delay: 0.05, backoff_factor: 1 } } },
    async see(home) {
      assert.equal((await ends(home, poisoned)).status, 'dead-lettered');
      assert.ok(
        stepsFailed(home)
          .slice(0, 3)
          .every((line) => Math.abs(waits(line)) < 1),
        'else 2, 4 and 8 s',
      );
      assert.equal(stepsFailed(home).length, 4, 'else three');
    },
  },
  {
    key: 'breakers.store',
    config: {
      store: { url: 'mysql://nobody:nothing@127.0.0.1:1/none' },
      breakers: { store: { failure_threshold: 1, success_threshold: 4, timeout: 700 } },
    },
    async see(home) {
      await home.daemon();
      const open = await home.until('the first failure opens it', async () => {
        const { state, retryAfterMs, profile } = await breaker(home, 'store');
        return state === 'open' ? { retryAfterMs, profile } : null;
      });
      assert.ok(open.retryAfterMs > 600_000, 'else 30 s');
      assert.deepEqual(open.profile, { failureThreshold: 1, successThreshold: 4, timeoutMs: 700_000 });
    },
  },
  {
    key: 'breakers.runner',
    config: { breakers: { runner: { failure_threshold: 2, timeout: 700 } } },
    async see(home) {
      const { PATH } = withoutTmux(join(home.work, '..', 'bin'));
      await home.daemon({ PATH });
      const { number } = await home.add('true', '--session', 'tmux');
      await home.until('the second failure opens it', async () => (await breaker(home, 'runner.tmux')).state === 'open');
      assert.equal((await home.show(number)).runs.length, 2, 'else five');
      assert.ok((await breaker(home, 'runner.tmux')).retryAfterMs > 600_000, 'else 30 s');
    },
  },
  {
    key: 'breakers.agent',
    config: {
      breakers: { agent: { failure_threshold: 1, timeout: 700 } },
      agents: { mine: { kind: 'command', command: 'sh', args: ['-c', 'kill -9 $$'], probe: ['-c', ':'] } },
      runners: [{ agent: 'mine' }],
      run: { retry_delay: 700 },
    },
    async see(home) {
      await home.daemon();
      await home.json(['add', 'by a runner', '--cwd', home.work]);
      const open = await home.until('the first run that it loses opens it', async () => {
        const found = await breaker(home, 'agent.mine');
        return found?.state === 'open' ? found : null;
      });
      assert.ok(open.retryAfterMs > 600_000, 'else 60 s');
    },
  },
  {
    key: 'breakers.webhook',
    config: {
      breakers: { webhook: { failure_threshold: 1, timeout: 700 } },
      monitoring: { rescan: 0.2, webhook_url: 'http://127.0.0.1:1/' },
    },
    async see(home) {
      await home.daemon();
      const { number } = await home.add(silent);
      await started(home, number);
      await home.json(['emergency', String(number)]);
      const open = await home.until('the first failure opens it', async () => {
        const found = await breaker(home, 'webhook');
        return found.state === 'open' ? found : null;
      });
      assert.ok(open.retryAfterMs > 600_000, 'else 120 s');
      assert.equal(home.log('emergency').filter((line) => line.event === 'webhook failed').length, 1, 'else two');
    },
  },
  {
    key: 'agents',
    config: { agents: { shell: { env: { MINE: 'from the configuration' } } } },
    async see(home) {
      const ended = await ends(home, 'echo "$MINE"');
      assert.match(readFileSync(join(dirname(ended.report), 'output.txt'), 'utf8'), /from the configuration/);
    },
  },
  {
    key: 'runners',
    config: {
      agents: { mine: { kind: 'command', command: 'sh', args: ['-c', 'true'], probe: ['-c', ':'] } },
      runners: [{ agent: 'mine' }],
    },
    async see(home) {
      await home.daemon();
      const { todo } = await home.json(['add', 'by a runner', '--cwd', home.work]);
      const ended = await home.untilTodo(todo.number, 'ended', isOver);
      assert.deepEqual([ended.agent, ended.runs[0].agent], ['auto', 'mine'], 'else claude');
    },
  },
];

/** Posts of all tests of this file. */
const posts: Json[] = [];
const toClose: (() => void)[] = [];
after(() => {
  for (const close of toClose) close();
});

async function listener(): Promise<number> {
  const http = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      posts.push(JSON.parse(body));
      response.end();
    });
  }).listen(0, '127.0.0.1');
  toClose.push(() => http.close());
  await new Promise((resolve) => http.once('listening', resolve));
  return (http.address() as AddressInfo).port;
}

/** Takes connections and says nothing. */
async function blackHole(): Promise<number> {
  const sockets = new Set<Socket>();
  const hole = createTcpServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
  toClose.push(() => {
    for (const socket of sockets) socket.destroy();
    hole.close();
  });
  await new Promise((resolve) => hole.once('listening', resolve));
  return (hole.address() as AddressInfo).port;
}

const tryLink = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

async function tableCount(prefix: string): Promise<number> {
  const connection = await server.connect();
  const [rows] = await connection.query('SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = ? AND table_name = ?', [
    server.database,
    `${prefix}todo`,
  ]);
  await connection.end();
  return Number((rows as Json[])[0].n);
}

async function factsOf(home: TestHome, todo: Json): Promise<Record<string, number>> {
  const { events } = await home.json(['why', String(todo.number)]);
  return Object.fromEntries(events.map((event: Json) => [event.fact, event.atMs]));
}

test('[C-39] every known key has a case here', () => {
  assert.deepEqual(cases.flatMap(({ key }) => key).sort(), knownKeys().sort());
});

test('[C-39] the keys of the earlier system keep their names and defaults', () => {
  const { behavior, logging, emergency } = defaultConfig();
  assert.deepEqual(
    {
      completion_timeout: behavior.completion_timeout,
      emergency_timeout: behavior.emergency_timeout,
      database_timeout: behavior.database_timeout,
      max_retries: behavior.max_retries,
      exponential_backoff: behavior.exponential_backoff,
      health_check_interval: behavior.health_check_interval,
      max_size_mb: logging.max_size_mb,
      enable_robust_completion: behavior.enable_robust_completion,
      enable_emergency_handlers: behavior.enable_emergency_handlers,
      auto_recovery: behavior.auto_recovery,
      auto_archive: behavior.auto_archive,
      cleanup_orphaned: behavior.cleanup_orphaned,
      auto_continue: behavior.auto_continue,
      action: emergency.action,
    },
    {
      completion_timeout: 300,
      emergency_timeout: 1800,
      database_timeout: 30,
      max_retries: 3,
      exponential_backoff: true,
      health_check_interval: 300,
      max_size_mb: 10,
      enable_robust_completion: true,
      enable_emergency_handlers: true,
      auto_recovery: true,
      auto_archive: true,
      cleanup_orphaned: true,
      auto_continue: true,
      action: 'complete',
    },
  );
});

/** Three homes at once keep two cores busy, because most of the time they wait. */
test('[C-39] each key, seen in the running program', { concurrency: 3 }, async (t) => {
  await Promise.all(
    cases.map(({ key, config, see }) =>
      t.test(`[C-39] ${key}`, async (t) => {
        const values = typeof config === 'function' ? await config() : config;
        const home = await testHome(t, { ...values, monitoring: { rescan: 0.2, ...values.monitoring } });
        await see(home, t);
      }),
    ),
  );
});

test('[C-39] the file may have comments, the environment says over it, and a key of the earlier system without a function is one warning', async (t) => {
  const home = await testHome(t);
  const path = join(home.folder, 'hooks', 'config.json');
  writeFileSync(
    path,
    '// as it was\n{\n  "behavior": { "completion_timeout": 7, /* seconds */ },\n  "database": { "charset": "utf8mb4" },\n}\n',
  );
  const health = await home.json(['health']);
  const reason = health.components.find((it: Json) => it.name === 'configuration').reason;
  assert.equal(reason.match(/database.charset/g).length, 1);

  await home.daemon({ TODO_BEHAVIOR_COMPLETION_TIMEOUT: '0.4' });
  const { number } = await home.add(silent);
  const stalled = await home.untilTodo(number, 'stalled', (todo) => todo.status === 'stalled');
  assert.match(stalled.reason, /after 0.4 s/);
  assert.equal(home.log('monitor').filter((line) => line.event === 'configuration').length, 1);
});

test('[C-39] database.host, user, db_name and table_prefix of the earlier file are read as the address of the store', async (t) => {
  const home = await testHome(t, {
    database: {
      host: `127.0.0.1:${server.port}`,
      user: server.user,
      password: server.password,
      db_name: server.database,
      table_prefix: 'old_',
    },
  });
  await home.add('in the old database', '--hold');
  assert.equal(await tableCount('old_'), 1);
  const health = await home.json(['health']);
  assert.match(health.components.find((it: Json) => it.name === 'store').reason, /mysql/);
  assert.match(health.components.find((it: Json) => it.name === 'configuration').reason, /"database" is read as store.url/);
});

test('[C-39] what is wrong is told at once, with file, key, value, bound and the nearest name; nothing is started', async (t) => {
  const home = await testHome(t, {
    behavior: { completion_timout: 300, max_retries: 0, exponential_backoff: 'yes', completion_timeout: 4000 },
    logging: { max_size_mb: -1 },
    surprise: {},
  });
  for (const args of [['list'], ['health'], ['daemon', 'run'], ['add', 'x']]) {
    const { code, stderr } = await home.todo(args);
    assert.equal(code, 78, args.join(' '));
    assert.ok(stderr.includes(join(home.folder, 'hooks', 'config.json')));
    for (const said of [
      /completion_timout.*did you mean "behavior.completion_timeout"/,
      /behavior.max_retries.*1.*got 0/,
      /exponential_backoff.*got "yes"/,
      /max_size_mb.*got -1/,
      /surprise/,
    ])
      assert.match(stderr, said);
  }
  assert.deepEqual(readdirSync(home.folder), ['hooks']);
  const { code, stderr } = await home.todo(['list'], { env: { TODO_BEHAVIOR_MAX_ROUND: '1' } });
  assert.equal(code, 78);
  assert.match(stderr, /max_round.*did you mean "behavior.max_rounds"/);
  const error = await home.json(['list'], { code: 78 });
  assert.deepEqual([error.kind, error.code], ['error', 'CONFIG_INVALID']);
});

test('[C-39] an order that makes no sense is refused, and so is a file that is no JSON', async (t) => {
  const home = await testHome(t, { behavior: { completion_timeout: 100, emergency_timeout: 50 } });
  const wrong = await home.todo(['list']);
  assert.equal(wrong.code, 78);
  assert.match(wrong.stderr, /completion_timeout.*at most behavior.emergency_timeout \(50\), got 100/);
  writeFileSync(join(home.folder, 'hooks', 'config.json'), '{ "behavior": { "max_retries": }');
  const torn = await home.todo(['list']);
  assert.equal(torn.code, 78);
  assert.match(torn.stderr, /line 1, column \d+/);
});
