// Sees to it that the programs which tests run are here: `npm test` starts this first. It installs what is missing when it may (Debian
// packages as root, the agent's CLI always), else it says at once what to install. With all present it takes a few milliseconds.
// Output goes to stderr, so that `npm run --silent test:tap` prints TAP only. With --bench also what `npm run bench` measures itself beside.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Git-ignored, and outside node_modules because `npm ci` empties that. */
const home = join(root, '.todo-test');
const agents = join(home, 'agents');
const peers = join(home, 'peers');

/** Programs by the Debian package that brings them. */
const programs = [
  { program: 'tmux', debian: 'tmux' },
  { program: 'strace', debian: 'strace' },
  { program: 'mariadbd', debian: 'mariadb-server' },
  { program: 'mariadb-install-db', debian: 'mariadb-server' },
  { program: 'mariadb', debian: 'mariadb-client' },
  // A Galera node hands its data to another one by it; Galera itself comes with the server.
  { program: 'rsync', debian: 'rsync' },
  { program: 'ip', debian: 'iproute2' },
  { program: 'ssh', debian: 'openssh-client' },
  { program: 'ssh-keygen', debian: 'openssh-client' },
  { program: 'sshd', debian: 'openssh-server' },
  { program: 'chromium', debian: 'chromium' },
  { program: 'prometheus', debian: 'prometheus' },
  { program: 'promtool', debian: 'prometheus' },
  { program: 'prometheus-alertmanager', debian: 'prometheus-alertmanager' },
  { program: 'amtool', debian: 'prometheus-alertmanager' },
  // Keeps the logins of the dashboard; the bench runs a queue on it.
  { program: 'redis-server', debian: 'redis-server' },
  // Makes the certificate of a mail server.
  { program: 'openssl', debian: 'openssl' },
  { program: 'git', debian: 'git' },
  { program: 'ps', debian: 'procps' },
  { program: 'systemd-analyze', debian: 'systemd' },
  { program: 'systemd-notify', debian: 'systemd' },
  // Node has no datagram sockets of Unix: what a service manager hears is heard by it.
  { program: 'python3', debian: 'python3' },
  { program: 'dash', debian: 'dash' },
  { program: 'mkfs.ext4', debian: 'e2fsprogs' },
  { program: 'mkfs.xfs', debian: 'xfsprogs' },
  { program: 'xfs_io', debian: 'xfsprogs' },
] as const;

/** The servers of the queues, and the supervisors, that the bench runs beside us. Debian puts PostgreSQL's programs where no PATH looks. */
const benchPrograms = [
  { program: 'postgres', debian: 'postgresql' },
  { program: 'initdb', debian: 'postgresql' },
  { program: 'monit', debian: 'monit' },
  { program: 'supervisord', debian: 'supervisor' },
  { program: 'supervisorctl', debian: 'supervisor' },
] as const;

/** Those queues, and another supervisor. Not devDependencies: packages by the hundred that no test needs. */
const benchPackages = [
  { npm: 'bullmq', version: '6.7.0' },
  { npm: 'ioredis', version: '6.0.0' },
  { npm: 'graphile-worker', version: '0.18.0' },
  // A program that is run beside ours, as monit and supervisord are.
  { npm: 'pm2', version: '7.0.4' },
] as const;

/** Real agents that tests talk to, at the version their adapters were written against. */
const agentPackages = [{ program: 'claude', npm: '@anthropic-ai/claude-code', version: '2.1.330' }] as const;

const forBench = process.argv.includes('--bench');
const found = await programsFound();
const agentsFound = installAgents();
if (forBench) installPeers();
const mariadbData = preparedMariadb(found['mariadb-install-db'] ?? '', found['mariadbd'] ?? '');
writeFileSync(join(home, 'setup.json'), `${JSON.stringify({ ...found, ...agentsFound, mariadbData }, null, 2)}\n`);

async function programsFound(): Promise<Record<string, string>> {
  mkdirSync(home, { recursive: true });
  // What the bench needs stays known once it is there.
  const wanted = [...programs, ...benchPrograms.filter(({ program }) => forBench || whereIs(program) !== undefined)];
  const missing = wanted.filter(({ program }) => whereIs(program) === undefined);
  if (missing.length > 0) installFromDebian([...new Set(missing.map(({ debian }) => debian))]);
  return Object.fromEntries(
    wanted.map(({ program, debian }) => [program, whereIs(program) ?? stop(`${debian} is installed, but brought no ${program}`)]),
  );
}

function whereIs(program: string): string | undefined {
  // Servers live in sbin, which is not on the PATH of every user.
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', ...globSync('/usr/lib/postgresql/*/bin')]) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}

function installFromDebian(packages: string[]): void {
  const command = `apt-get install --yes --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() !== 0 || whereIs('apt-get') === undefined) {
    stop(
      `the tests need programs that are not here. As root: ${command}\n(elsewhere than on Debian: whatever brings tmux, strace, MariaDB's server and Chromium)`,
    );
  }
  const policy = '/usr/sbin/policy-rc.d';
  const ownPolicy = !existsSync(policy);
  // Tests start servers of their own, so the one that comes with the package must not start.
  if (ownPolicy) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    say(`installing ${packages.join(', ')} (once)`);
    // Another installation may be under way on a fresh machine.
    const patient = ['-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0'];
    run('apt-get', [...patient, 'update']);
    run('apt-get', [...patient, '--yes', '--no-install-recommends', 'install', ...packages]);
  } finally {
    if (ownPolicy) rmSync(policy);
  }
}

function installAgents(): Record<string, string> {
  const installed: Record<string, string> = {};
  for (const { program, npm, version } of agentPackages) {
    const path = join(agents, 'node_modules', '.bin', program);
    if (installedVersion(agents, npm) !== version || !existsSync(path)) {
      say(`installing ${npm} ${version} (once)`);
      mkdirSync(agents, { recursive: true });
      // Its own tree: the project does not depend on the agents that it is tested with.
      if (!existsSync(join(agents, 'package.json')))
        writeFileSync(join(agents, 'package.json'), `{"private":true,"allowScripts":{"${npm}":true}}\n`);
      run('npm', ['install', '--prefix', agents, '--no-audit', '--no-fund', '--loglevel=error', `${npm}@${version}`]);
      run(path, ['--version']);
    }
    installed[program] = path;
  }
  return installed;
}

/** The data of a server that nobody has used yet: each test server begins with a copy, and need not make its own. Answers with the folder. */
function preparedMariadb(installer: string, server: string): string {
  const version = spawnSync(server, ['--version'], { encoding: 'utf8' }).stdout.replaceAll(/[^\w.-]+/g, '_');
  const folder = join(home, 'mariadb', version);
  const data = join(folder, 'data');
  if (existsSync(data)) return data;
  rmSync(join(home, 'mariadb'), { recursive: true, force: true });
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  const making = join(folder, 'making');
  const account = `--user=${userInfo().username}`;
  run(installer, ['--no-defaults', `--datadir=${making}`, '--auth-root-authentication-method=normal', '--skip-test-db', account], {
    // Each server that starts clears its folder of temporary tables, also of another one's.
    TMPDIR: join(folder, 'tmp'),
  });
  renameSync(making, data);
  return data;
}

function installPeers(): void {
  const missing = benchPackages.filter(({ npm, version }) => installedVersion(peers, npm) !== version);
  if (missing.length === 0) return;
  say(`installing ${missing.map(({ npm, version }) => `${npm} ${version}`).join(', ')} (once)`);
  mkdirSync(peers, { recursive: true });
  if (!existsSync(join(peers, 'package.json'))) writeFileSync(join(peers, 'package.json'), '{"private":true}\n');
  const wanted = benchPackages.map(({ npm, version }) => `${npm}@${version}`);
  run('npm', ['install', '--prefix', peers, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...wanted]);
}

function installedVersion(tree: string, npm: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(tree, 'node_modules', npm, 'package.json'), 'utf8')) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** Quiet, unless it fails: then its last lines say why. */
function run(command: string, args: string[], env: Readonly<Record<string, string>> = {}): void {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env },
  });
  if (status === 0) return;
  const said = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-20).join('\n');
  stop(`this failed: ${command} ${args.join(' ')}${error === undefined ? '' : ` (${error.message})`}\n${said}`);
}

function say(text: string): void {
  process.stderr.write(`test set-up: ${text}\n`);
}

function stop(text: string): never {
  say(text);
  process.exit(69);
}
