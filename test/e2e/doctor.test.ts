// `todo doctor`: what it sees, what it mends, and what it leaves alone; on real homes, ports, processes and checkouts.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { database, startMariadb } from '../fixtures/mariadb.ts';
import { build } from './build.ts';
import { type Json, testHome } from './harness.ts';
import { withoutTmux } from './without-tmux.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = join(root, 'node_modules', 'node', 'bin', 'node');
const of = (doctor: Json, what: string): Json => doctor.findings.find((it: Json) => it.what === what);

test('a home where all is well is healthy; every finding has severity, what and evidence, and looking changes nothing', async (t) => {
  const home = await testHome(t);
  const before = readdirSync(home.folder, { recursive: true }).sort();
  const seen = await home.json(['doctor']);
  assert.deepEqual([seen.kind, seen.status, seen.fixed], ['doctor', 'healthy', []], JSON.stringify(seen.findings));
  for (const { what, severity, evidence, mend } of seen.findings) {
    assert.ok(what && evidence, what);
    assert.ok(['healthy', 'degraded', 'unhealthy', 'unknown'].includes(severity));
    assert.ok(mend === null || typeof mend === 'string');
  }
  for (const what of [
    'configuration',
    'packages',
    'build',
    'folders',
    'node',
    'tmux',
    'agent claude',
    'agent shell',
    'daemon',
    'leftovers',
    'store',
  ])
    assert.equal(of(seen, what)?.severity, 'healthy', what);
  assert.deepEqual(readdirSync(home.folder, { recursive: true }).sort(), before);
  const said = await home.todo(['doctor']);
  assert.equal(said.code, 0);
  assert.match(said.stdout, /^COMPONENT +STATUS +WHY/);
});

test('a database that refuses the password, and one whose clock is an hour behind: what was found, and what mends it', async (t) => {
  const server = await startMariadb(['--init-connect=SET timestamp = UNIX_TIMESTAMP() - 3600']);
  t.after(() => server.stop());
  const admin = await server.connect();
  await admin.query(`CREATE USER 'plain'@'127.0.0.1' IDENTIFIED BY 'right-word'; GRANT ALL ON ${database}.* TO 'plain'@'127.0.0.1'`);
  await admin.end();
  const urlWith = (word: string): string => `mysql://plain:${word}@127.0.0.1:${server.port}/${database}`;
  const home = await testHome(t, { store: { url: urlWith('wrong-word') } });
  const mend = 'The store refused user or password. Check store.url or TODO_STORE_URL.';
  const refused = of(await home.json(['doctor', '--quick'], { code: 1 }), 'store');
  assert.deepEqual([refused.severity, refused.mend], ['degraded', mend]);
  assert.match(refused.evidence, /STORE_ACCESS.*'plain'/);
  const { components } = await home.json(['health'], { code: 2 });
  const store = components.find(({ name }: Json) => name === 'store');
  assert.deepEqual([store.status, store.whatToDo], ['unhealthy', mend]);

  writeFileSync(join(home.folder, 'hooks', 'config.json'), JSON.stringify({ store: { url: urlWith('right-word') } }));
  const seen = await home.json(['doctor', '--quick'], { code: 1 });
  assert.equal(of(seen, 'store').severity, 'healthy');
  assert.deepEqual([of(seen, 'clock').severity, of(seen, 'clock').mend], ['degraded', 'set it by NTP: timedatectl set-ntp true']);
  const [, off] = /off the store's by ([\d.]+) s/.exec(of(seen, 'clock').evidence) ?? [];
  assert.ok(Number(off) > 3590 && Number(off) < 3660, of(seen, 'clock').evidence);
});

test('what is wrong is judged as `todo health` judges, each with what mends it: configuration, a folder open to others, a lost password', async (t) => {
  const home = await testHome(t, { store: { url: 'mysql://u:secret-of-the-store@127.0.0.1:9/none' }, logging: { level: 'info' } });
  chmodSync(join(home.folder, 'hooks', 'config.json'), 0o644);
  const away = await home.json(['doctor', '--quick'], { code: 1 });
  assert.equal(of(away, 'store').severity, 'degraded');
  assert.match(of(away, 'store').evidence, /STORE_UNREACHABLE.*9/);
  const open = of(away, `file ${join(home.folder, 'hooks', 'config.json')}`);
  assert.deepEqual([open.severity, open.mend], ['degraded', `chmod 600 ${join(home.folder, 'hooks', 'config.json')}`]);
  assert.doesNotMatch(JSON.stringify(away), /secret-of-the-store/);

  writeFileSync(join(home.folder, 'hooks', 'config.json'), '{"behaviour": {}}');
  const wrong = await home.json(['doctor'], { code: 2 });
  assert.equal(of(wrong, 'configuration').severity, 'unhealthy');
  assert.match(of(wrong, 'configuration').evidence, /behaviour/);
  assert.equal(of(wrong, 'build').severity, 'healthy', 'the rest is looked at all the same');
  assert.equal(of(wrong, 'store'), undefined, 'nobody knows which store');

  writeFileSync(join(home.folder, 'hooks', 'config.json'), '{}');
  await home.add('true', '--hold');
  chmodSync(join(home.folder, 'runs'), 0o755);
  const looser = await home.json(['doctor', '--quick'], { code: 1 });
  assert.deepEqual(
    [of(looser, `folder ${join(home.folder, 'runs')}`).severity, of(looser, `folder ${join(home.folder, 'runs')}`).mend],
    ['degraded', 'todo doctor --fix'],
  );
  const mended = await home.json(['doctor', '--quick', '--fix']);
  assert.deepEqual(mended.fixed, [{ what: 'rights of our folders', done: true, how: 'private again' }]);
  assert.equal(mended.status, 'healthy');
});

test('[W-22] a foreign listener is named with pid and command line and survives; only `--fix --kill PID` ends it, and no other process', async (t) => {
  const home = await testHome(t);
  const { child, port } = await listener(t, home.work);
  const other = await listener(t, home.work);
  const held = await home.json(['doctor', '--quick', '--port', String(port)], { code: 2 });
  assert.equal(of(held, `port ${port}`).severity, 'unhealthy');
  assert.match(of(held, `port ${port}`).evidence, new RegExp(`pid ${child.pid} .*listen\\.cjs`));
  assert.equal(of(held, `port ${port}`).mend, `todo doctor --port ${port} --fix --kill ${child.pid}`);

  await home.json(['doctor', '--quick', '--port', String(port), '--fix'], { code: 2 });
  assert.ok(isAlive(child), '--fix alone ends nobody');
  const foreign = await home.json(['doctor', '--quick', '--port', String(port), '--fix', '--kill', String(other.child.pid)], { code: 1 });
  assert.deepEqual([foreign.kind, foreign.code], ['error', 'REFUSED'], 'who holds no wanted port is not ended');
  await home.json(['doctor', '--kill', String(child.pid)], { code: 64 });
  assert.ok(isAlive(child) && isAlive(other.child));

  const ended = await home.json(['doctor', '--quick', '--port', String(port), '--fix', '--kill', String(child.pid)]);
  assert.deepEqual(ended.fixed, [{ what: `port ${port}`, done: true, how: `process ${child.pid} ended` }]);
  assert.equal(of(ended, `port ${port}`).evidence, 'free');
  await child.gone;
  assert.ok(isAlive(other.child), 'nobody else was touched');
});

test('[W-22] what an ended run left behind is ours by its tag: named, and ended by --fix; a stranger beside it lives on', async (t) => {
  const home = await testHome(t);
  const todo = await home.add('true');
  const { todo: ended } = await home.json(['run', String(todo.number)]);
  const runId = ended.runs[0].id;
  const tagged = { ...process.env, TODO_HOME: home.folder, TODO_RUN: runId };
  const left = await listener(t, home.work, tagged);
  const stranger = await listener(t, home.work, { ...tagged, TODO_RUN: '00000000-0000-7000-8000-000000000000' });
  // A run that ended within the last minute may still be at it: this one ended an hour ago.
  const journal = new DatabaseSync(join(home.folder, 'todo.db'));
  journal.exec("UPDATE journal SET json = json_set(json, '$.timeline', json_array(json_object('atMs', 0, 'fact', 'closed')))");
  journal.close();
  const seen = await home.json(['doctor'], { code: 1 });
  assert.match(
    of(seen, `leftover of todo ${todo.number}`).evidence,
    new RegExp(`run ${runId} has ended, and pid ${left.child.pid} of it lives on`),
  );
  assert.ok(isAlive(left.child), 'a look ends nobody');
  const fixed = await home.json(['doctor', '--quick', '--fix']);
  assert.deepEqual(fixed.fixed, [{ what: `leftover of todo ${todo.number}`, done: true, how: `pid ${left.child.pid} ended` }]);
  await left.child.gone;
  assert.ok(isAlive(stranger.child), 'a run that the journal does not know is nobody’s to judge');
});

test('[W-23] tools outside of PATH are found where people have them: the daemon runs an agent and a check from ~/.local/bin, and doctor says where', async (t) => {
  const home = await testHome(t, { agents: { claude: {} } });
  const user = join(home.folder, '..', 'user');
  program(join(user, '.local', 'bin', 'only-here'), 'echo it was found');
  program(join(user, '.local', 'bin', 'claude'), 'echo 9.9.9-fake');
  const env = { PATH: '/usr/bin:/bin' };
  const seen = await home.json(['doctor'], { env, code: 1 });
  assert.equal(of(seen, 'agent claude').evidence, `9.9.9-fake at ${join(user, '.local', 'bin', 'claude')}`);
  assert.equal(of(seen, 'hooks of claude').severity, 'degraded', 'a program that is no claude fires no hooks');
  await home.daemon(env);
  const { number } = await home.add('only-here', '--check', 'only-here');
  const done = await home.untilTodo(number, 'it is completed by what stands outside of PATH', (it) => it.status === 'completed');
  assert.equal(done.proof, 'verified');
});

test('[W-24] what a project brings along is there for its agents and checks, behind PATH; a newer Node of nvm or volta is pointed to', async (t) => {
  const home = await testHome(t);
  program(join(home.work, 'node_modules', '.bin', 'project-tool'), 'echo from the project');
  program(join(home.work, 'node_modules', '.bin', 'true'), 'exit 1');
  const added = await home.add('project-tool && true', '--check', 'project-tool && true && env true');
  const { todo } = await home.json(['run', String(added.number)]);
  assert.deepEqual([todo.status, todo.proof], ['completed', 'verified'], 'its own `true` shadows nothing');

  const user = join(home.folder, '..', 'user');
  const old = join(home.work, 'old');
  program(join(old, 'node'), 'echo v18.0.0');
  const env = { PATH: `${old}:${process.env['PATH']}` };
  const nothing = of(await home.json(['doctor'], { env }), 'node');
  assert.match(nothing.evidence, /^v2[4-9].* node of PATH is v18\.0\.0 at .*older than 24\.15, and is not used/);
  assert.equal(nothing.mend, null);
  program(join(user, '.volta', 'bin', 'volta'), 'exit 0');
  assert.equal(of(await home.json(['doctor'], { env }), 'node').mend, 'in your shell: volta install node@24.15');
  for (const version of ['v22.0.0', 'v24.16.1', 'v24.9.0'])
    program(join(user, '.nvm', 'versions', 'node', version, 'bin', 'node'), `echo ${version}`);
  assert.equal(of(await home.json(['doctor'], { env }), 'node').mend, 'in your shell: nvm use v24.16.1');
});

test('[W-25] in a checkout a package that is missing is told with its command, and --fix brings it by npm ci', async (t) => {
  const { folder, todo } = await checkout(t);
  const all = of(await todo(['doctor']), 'packages');
  assert.deepEqual([all.severity, all.evidence], ['healthy', 'all 1 of package-lock.json are there']);
  writeFileSync(join(folder, 'node_modules', 'small', 'package.json'), '{"name":"small","version":"v1.0.0"}');
  assert.equal(of(await todo(['doctor']), 'packages').severity, 'healthy', 'some packages write a v before it, the lock file never');
  rmSync(join(folder, 'node_modules', 'small'), { recursive: true });
  const missing = of(await todo(['doctor'], 1), 'packages');
  assert.deepEqual(
    [missing.severity, missing.evidence, missing.mend],
    ['degraded', '1 missing, 0 of another version: small', `todo doctor --fix (npm ci in ${folder})`],
  );
  assert.ok(!existsSync(join(folder, 'node_modules', 'small')), 'a look installs nothing');
  const fixed = await todo(['doctor', '--fix']);
  assert.deepEqual(fixed.fixed, [{ what: 'packages', done: true, how: 'npm ci brought them' }]);
  assert.ok(existsSync(join(folder, 'node_modules', 'small', 'package.json')));
  assert.equal(of(fixed, 'packages').severity, 'healthy');

  rmSync(join(folder, 'node_modules'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"name":"copy","version":"1.0.0","dependencies":{"other":"1.0.0"}}');
  const failed = await todo(['doctor', '--fix'], 1);
  assert.equal(failed.fixed[0].done, false);
  assert.match(failed.fixed[0].how, /npm ci failed: .*(lock|sync)/s);
});

test('[W-26] before a start the build is compiled, the configuration read and each agent’s launch planned, all without running them', async (t) => {
  const { folder, todo, env } = await checkout(t);
  const good = await todo(['doctor']);
  assert.match(of(good, 'build').evidence, /^all \d+ files of .*dist compile$/);
  assert.equal(of(good, 'agent shell').severity, 'healthy');
  const lazy = readdirSync(join(folder, 'dist')).find((name) => name.startsWith('demo'))!;
  writeFileSync(join(folder, 'dist', lazy), '"use strict";module.exports={a:');
  writeFileSync(join(env.TODO_HOME, 'hooks', 'config.json'), '{"agents": {"clod": {}, "claude": {"command": "/nowhere/claude"}}}');
  const bad = await todo(['doctor'], 2);
  assert.equal(of(bad, 'build').severity, 'unhealthy');
  assert.match(of(bad, 'build').evidence, new RegExp(`${lazy.replaceAll('.', '\\.')} does not compile`));
  assert.match(of(bad, 'agent clod').evidence, /there is none of that name \(claude, shell\)/);
  assert.equal(of(bad, 'agent clod').mend, 'todo config unset agents.clod');
  assert.match(of(bad, 'agent claude').evidence, /^\/nowhere\/claude is not installed \(looked at \/nowhere\/claude\)/);
});

test('[W-31] of an optional part that is nowhere doctor says where it was looked for and how to get it, and all the rest works', async (t) => {
  const home = await testHome(t, { agents: { shell: { session: 'tmux' }, claude: {} } });
  const { PATH } = withoutTmux(join(home.work, '..', 'bin'));
  const seen = await home.json(['doctor'], { env: { PATH }, code: 1 });
  assert.deepEqual([of(seen, 'tmux').severity, of(seen, 'tmux').mend], ['degraded', 'apt-get install tmux']);
  assert.match(of(seen, 'tmux').evidence, /^not installed \(looked into .*\), and shell would start in it$/);
  assert.match(of(seen, 'agent claude').evidence, /^claude is not installed \(looked into /);
  assert.match(
    of(seen, 'agent claude').mend,
    /npm install --global @anthropic-ai\/claude-code, or: todo config set agents\.claude\.command/,
  );
  const added = await home.add('true', '--session', 'child');
  const { todo } = await home.json(['run', String(added.number)], { env: { PATH } });
  assert.equal(todo.status, 'completed', 'who needs no tmux does not miss it');
  const wanting = await home.add('true');
  const refused = await home.todo(['run', String(wanting.number)], { env: { PATH } });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stdout + refused.stderr, /tmux is not installed/);
});

test('[W-21] --debug tells each look, how long it took, and the stack of what went wrong', async (t) => {
  const home = await testHome(t);
  const said = await home.todo(['doctor', '--debug']);
  for (const name of ['packages', 'build', 'folders', 'disk', 'node', 'tmux', 'agents', 'daemon', 'leftovers', 'store'])
    assert.match(said.stderr, new RegExp(`^debug  ${name}: \\d+ ms, `, 'm'));
  const quiet = await home.todo(['doctor']);
  assert.equal(quiet.stderr, '');

  await home.add('true', '--hold');
  // Not a database: the look at it fails, and says where.
  writeFileSync(join(home.folder, 'todo.db'), 'x'.repeat(8192));
  const broken = await home.json(['doctor', '--debug'], { code: 2 });
  assert.match(of(broken, 'store').evidence, /todo\.db is damaged: file is not a database/);
  assert.match(of(broken, 'store').mend, /^todo restore/);
  const look = broken.looks.find(({ error }: Json) => error !== null);
  assert.match(look.error, /^Error: file is not a database\n +at /);
});

test('a port of the configuration that somebody has is told and keeps nobody from starting, as `todo health` has it', async (t) => {
  const home = await testHome(t);
  const { child, port } = await listener(t, home.work);
  writeFileSync(join(home.folder, 'hooks', 'config.json'), JSON.stringify({ server: { port } }));
  const found = of(await home.json(['doctor', '--quick'], { code: 1 }), `port ${port}`);
  assert.equal(found.severity, 'degraded');
  assert.match(found.evidence, new RegExp(`^server\\.port is held by pid ${child.pid} .*a daemon works all the same`));
  assert.match(found.mend, /^todo config set server\.port 0 /);
  await home.todo(['config', 'set', 'server.port', '0']);
  assert.equal((await home.json(['doctor', '--quick'])).status, 'healthy', 'what it said mends it');
});

test('who has locked the home and is no daemon is named by doctor and by a start, which begins nothing; when it has ended all is well', async (t) => {
  const home = await testHome(t);
  await home.add('true', '--hold');
  const lock = join(home.folder, 'lock.db');
  const script = `const d = new (require('node:sqlite').DatabaseSync)(process.argv[1]); d.exec('BEGIN EXCLUSIVE'); console.log('held'); setInterval(() => {}, 60000)`;
  const stranger = spawn(node, ['-e', script, lock], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => void stranger.once('exit', () => resolve()));
  t.after(() => stranger.kill('SIGKILL'));
  await new Promise<void>((resolve) => void stranger.stdout.once('data', () => resolve()));
  const found = of(await home.json(['doctor', '--quick'], { code: 2 }), 'daemon');
  assert.equal(found.severity, 'unhealthy');
  assert.match(found.evidence, new RegExp(`none can start: pid ${stranger.pid} has locked ${lock}: .*node`));
  assert.match(found.mend, new RegExp(`^kill ${stranger.pid} `));
  const start = await home.todo(['start']);
  assert.equal(start.code, 1);
  assert.match(start.stderr, new RegExp(`pid ${stranger.pid} has locked .*Nothing was started`, 's'));
  const daemon = await home.todo(['daemon', 'run']);
  assert.match(daemon.stderr, new RegExp(`held by process ${stranger.pid}, which is no daemon: .*\\n.*kill ${stranger.pid}`));
  stranger.kill('SIGKILL');
  await gone;
  assert.equal((await home.json(['doctor', '--quick'])).status, 'healthy');
});

test('a folder that cannot be used is told once, with the command that mends it: read-only disk, a file in its place', {
  skip: process.getuid?.() === 0 ? false : 'needs root, for a disk that is read-only',
}, async (t) => {
  const home = await testHome(t);
  const inNamespace = async (script: string): Promise<Json> => {
    const words = ['--mount', 'sh', '-c', `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ${script}`, 'sh', home.folder];
    const env = { ...process.env, TODO_HOME: home.folder };
    const child = spawn('unshare', words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await new Promise<void>((resolve) => void child.once('close', () => resolve()));
    return JSON.parse(out);
  };
  const doctor = `"${join(root, 'bin', 'todo')}" doctor --quick --json`;
  const wrong = (seen: Json): Json[] => seen.findings.filter((it: Json) => it.severity !== 'healthy');
  const [readOnly, ...others] = wrong(await inNamespace(doctor));
  assert.deepEqual(others, [], 'the folders in it are not told again');
  assert.deepEqual([readOnly.what, readOnly.evidence], [`folder ${home.folder}`, 'its disk is mounted read-only']);
  const mend = /^as root: (mount .*"\)?) \(dmesg/.exec(readOnly.mend)?.[1];
  assert.ok(mend, readOnly.mend);
  assert.equal((await inNamespace(`${mend} && ${doctor}`)).status, 'healthy', mend);

  const archive = join(home.folder, 'archive');
  writeFileSync(archive, '');
  const file = of(await home.json(['doctor', '--quick'], { code: 2 }), `folder ${archive}`);
  assert.deepEqual([file.evidence, file.mend], [`${archive} is a file`, `mv ${archive} ${archive}.aside`]);
});

test('a configuration that is wrong is mended key by key with `todo config`; one that is no JSON is never written over', async (t) => {
  const home = await testHome(t);
  const path = join(home.folder, 'hooks', 'config.json');
  const configuration = async (): Promise<Json> => of(await home.json(['doctor', '--quick'], { code: 2 }), 'configuration');
  writeFileSync(path, '{"behavior": {"completion_timout": 5}, "server": {"port": "x"}}');
  assert.match((await configuration()).mend, /^todo config set KEY VALUE, or todo config unset KEY; or: /);
  const less = await home.todo(['config', 'unset', 'behavior.completion_timout']);
  assert.equal(less.code, 78, 'it is not right yet');
  assert.match(less.stderr, /"server\.port".*got "x"/);
  assert.doesNotMatch(less.stderr, /completion_timout/);
  assert.match((await home.todo(['config', 'set', 'server.port', '0'])).stdout, /^The configuration is right again\.$/m);
  const right = readFileSync(path, 'utf8');
  assert.equal((await home.todo(['config', 'set', 'server.prt', '1'])).code, 78);
  assert.equal(readFileSync(path, 'utf8'), right, 'nothing new that is wrong');

  await home.daemon();
  const half = '{"slots": {"total": 3}, "behavior": {';
  writeFileSync(path, half);
  const refused = await home.todo(['config', 'set', 'slots.agent', '2']);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /Nothing was changed\. Mend it by hand: /);
  assert.equal(readFileSync(path, 'utf8'), half);
  assert.match((await configuration()).mend, /^\$\{EDITOR:-vi\} /);
});

test('on a terminal a command that mends stands whole on a line of its own, and can be copied', async (t) => {
  const home = await testHome(t, { agents: { claude: { command: '/nowhere/claude' } } });
  const said = await home.todo(['doctor']);
  const { mend } = of(await home.json(['doctor'], { code: 1 }), 'agent claude');
  assert.ok(said.stdout.split('\n').includes(`▸ agent claude: ${mend}`), said.stdout);
});

/** A process that listens on a port of its own; ended with the test. */
async function listener(t: TestContext, folder: string, env: NodeJS.ProcessEnv = process.env) {
  const path = join(folder, 'listen.cjs');
  writeFileSync(path, `require('node:net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })`);
  const child = spawn(node, [path], { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const port = await new Promise<number>((resolve) => void child.stdout.once('data', (text) => resolve(Number(text))));
  return { child: Object.assign(child, { gone }), port };
}

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

function program(path: string, script: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** The built program in a checkout of its own, whose one package lies beside it as a file. */
async function checkout(t: TestContext) {
  await build();
  const folder = mkdtempSync(join(tmpdir(), 'todo-checkout-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['bin', 'dist']) cpSync(join(root, name), join(folder, name), { recursive: true });
  mkdirSync(join(folder, 'small'));
  writeFileSync(join(folder, 'small', 'package.json'), '{"name":"small","version":"1.0.0"}');
  const npm = (...args: string[]) =>
    execFileSync('npm', args, { cwd: folder, stdio: 'pipe', env: { ...process.env, npm_config_update_notifier: 'false' } });
  npm('pack', './small', '--silent');
  rmSync(join(folder, 'small'), { recursive: true });
  execFileSync('mv', [join(folder, 'small-1.0.0.tgz'), join(folder, 'small.tgz')]);
  writeFileSync(join(folder, 'package.json'), '{"name":"copy","version":"1.0.0","dependencies":{"small":"file:small.tgz"}}');
  npm('install', '--no-audit', '--no-fund', '--offline');
  const home = join(folder, 'home');
  mkdirSync(join(home, 'hooks'), { recursive: true });
  const env = { ...process.env, TODO_HOME: home, TODO_NODE: node };
  const todo = async (args: readonly string[], code = 0): Promise<Json> => {
    const child = spawn(join(folder, 'bin', 'todo'), ['--json', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    const ended = await new Promise<number | null>((resolve) => void child.once('close', resolve));
    assert.equal(ended, code, out);
    return JSON.parse(out);
  };
  return { folder, todo, env };
}
