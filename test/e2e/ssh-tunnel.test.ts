// The database behind SSH: a real sshd on the loopback, a real MariaDB behind it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Sshd, startSshd } from '../fixtures/sshd.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

let server: Mariadb;
let sshd: Sshd;
/** What the far end of the tunnel calls the database: only through it can anybody come here. */
let far: TcpProxy;
before(async () => {
  // One after the other: what has started is ended also where the next one fails.
  server = await startMariadb();
  sshd = await startSshd();
  far = await startTcpProxy(server.port);
});
after(async () => {
  await far?.stop();
  await sshd?.stop();
  await server?.stop();
});
let homes = 0;
let config: Json;
beforeEach(() => {
  config = {
    behavior: { quiet_after: 0.1, max_retries: 1, exponential_backoff: false },
    monitoring: { rescan: 0.2 },
    store: { url: server.url(far.port), table_prefix: `h${++homes}_`, ssh: sshd.settings },
  };
});

const isOver = (todo: Json): boolean => ['completed', 'failed', 'blocked'].includes(todo.status);
const told = (home: TestHome, event: string): Json[] => home.log('monitor').filter((line) => line.event === event);
const gated = 'while [ ! -e go ]; do sleep 0.05; done; echo kept';
const isAlive = (pid: number): boolean => {
  try {
    // A zombie is dead: nobody has asked for its end yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

test('[C-78] todos complete through the tunnel; it is brought back when its process or its server dies, and completions wait for it', async (t) => {
  const home = await testHome(t, config);
  const daemon = await home.daemon();
  const { number } = await home.add(gated);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  const [opened] = told(home, 'ssh tunnel open');
  const command = readFileSync(`/proc/${opened.pid}/cmdline`, 'utf8').split('\0');
  assert.deepEqual([command[0], command[1], command.includes('-L'), command.at(-2)], ['ssh', '-N', true, '127.0.0.1']);
  assert.ok(!command.join(' ').includes(server.password), 'no secret among its arguments');

  process.kill(opened.pid, 'SIGKILL');
  await home.until('the tunnel is back', () => told(home, 'ssh tunnel open').length === 2);
  assert.equal(told(home, 'ssh tunnel ended').length, 1);

  await sshd.kill9();
  await home.until('its end is noticed', () => told(home, 'ssh tunnel ended').length >= 2);
  writeFileSync(join(home.work, 'go'), '');
  const waits = await home.until('the completion waits', () =>
    home.log('completion').find((line) => line.event === 'step failed' && /ssh to 127\.0\.0\.1: /.test(line.reason)),
  );
  assert.match(waits.reason, /Connection refused/);
  await sshd.start();
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.runs.length], ['completed', 1]);

  const last = told(home, 'ssh tunnel open').at(-1).pid;
  assert.ok(isAlive(last));
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  assert.ok(!isAlive(last), 'it ends with its daemon');
});

test('[C-78] a daemon that is killed takes its tunnel with it, and a host that is not known is refused in words', async (t) => {
  const home = await testHome(t, config);
  const daemon = await home.daemon();
  const { number } = await home.add('true');
  await home.untilTodo(number, 'ended', isOver);
  const [{ pid }] = told(home, 'ssh tunnel open');
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('todo-ssh-')).length;
  const before = folders();
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  // It sees our end of its pipe closed; tail ends when that process has.
  await promisify(execFile)('tail', ['-f', '/dev/null', '--pid', String(pid)], { timeout: 20_000 });
  assert.ok(!isAlive(pid), 'nothing is left of it');

  writeFileSync(join(home.folder, 'known'), '');
  writeFileSync(
    join(home.folder, 'hooks', 'config.json'),
    JSON.stringify({ store: { ...config.store, ssh: { ...sshd.settings, known_hosts: join(home.folder, 'known') } } }),
  );
  // A list would be answered by what the daemon saw last.
  const { code, stderr } = await home.todo(['host', 'list']);
  assert.equal(code, 69);
  assert.match(stderr, /STORE_UNREACHABLE .* ssh to 127\.0\.0\.1: Host key verification failed/);
  assert.ok(folders() <= before, 'and nothing of the call that was refused');
});
