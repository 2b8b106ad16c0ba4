import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import { unitMark, unitText } from '../core/systemd-unit.ts';
import { stateFolder } from '../platform/home.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { searchPath } from '../platform/search-path.ts';
import type { Call, Opened } from './command.ts';
import type { ServiceOptions } from './commands/service.ts';
import { exit } from './exit-codes.ts';
import { programFolder } from './program.ts';
import { usage } from './todos.ts';

type Place = { readonly scope: 'system' | 'user'; readonly unit: string; readonly path: string };

export async function install(call: Call, options: ServiceOptions): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const place = placeOf(call, options);
  const account = await accountOf(place, options, opened);
  const { world, config } = opened;
  const text = unitText({
    scope: place.scope,
    home: world.home.root,
    program: join(programFolder, 'bin', 'todo'),
    account: account?.name ?? null,
    path: searchPath(call.env),
    node: call.env['TODO_NODE'] ?? null,
    drainMs: inMs(config.behavior.drain_timeout),
  });
  if (options.print) {
    call.out.json('service', { scope: place.scope, unit: place.unit, path: place.path, text, written: false });
    call.out.line(text.trimEnd());
    return exit.yes;
  }
  refuseForeign(place);
  if (options.folder === undefined) await giveHome(account, opened);
  put(place, text);
  const isTold = options.folder === undefined && (await systemdAnswers(place, opened));
  if (isTold) for (const args of [['daemon-reload'], ['enable', place.unit]]) await systemctl(place, args, opened);
  const next = nextSteps(place, options, isTold);
  call.out.json('service', { scope: place.scope, unit: place.unit, path: place.path, text, written: true, enabled: isTold, next });
  call.out.line(`${call.out.paint('green', '✔')} ${place.path}${isTold ? ', enabled' : ''}`);
  for (const step of next) call.out.line(`  ${step}`);
  return exit.yes;
}

/** Its agents live on (KillMode=process); a unit that somebody else wrote is left alone. */
export async function uninstall(call: Call, options: ServiceOptions): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const place = placeOf(call, options);
  if (!existsSync(place.path))
    throw new OperationalError('NOT_FOUND', {
      operation: 'uninstalling',
      subject: place.path,
      why: 'there is no such unit',
      hint: 'See: todo service status',
    });
  refuseForeign(place);
  const isTold = options.folder === undefined && (await systemdAnswers(place, opened));
  if (isTold) await systemctl(place, ['disable', '--now', place.unit], opened);
  rmSync(place.path);
  if (isTold) await systemctl(place, ['daemon-reload'], opened);
  call.out.json('service', { scope: place.scope, unit: place.unit, path: place.path, removed: true, stopped: isTold });
  call.out.line(
    `${call.out.paint('green', '✔')} ${place.path} is gone${isTold ? ', and its daemon has stopped' : ''}. Agents that work live on.`,
  );
  return exit.yes;
}

/** Exit 0 while it is installed and runs. */
export async function status(call: Call, options: ServiceOptions): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const place = placeOf(call, options);
  const isInstalled = existsSync(place.path);
  const isOurs = isInstalled && readFileSync(place.path, 'utf8').startsWith(unitMark);
  const answers = await systemdAnswers(place, opened);
  const active = answers ? await wordOf(place, ['is-active', place.unit], opened) : 'unknown';
  const enabled = answers ? await wordOf(place, ['is-enabled', place.unit], opened) : 'unknown';
  call.out.json('service', {
    scope: place.scope,
    unit: place.unit,
    path: place.path,
    installed: isInstalled,
    ours: isOurs,
    systemd: answers,
    active,
    enabled,
  });
  if (!isInstalled) call.out.line(`There is no ${place.path}. See: todo service install`);
  else call.out.line(`${place.path}${isOurs ? '' : ' (not written by todo service)'}: ${active}, ${enabled}`);
  if (!answers) call.out.note('systemd does not answer here (systemctl): is it the init of this machine?');
  return isInstalled && active === 'active' ? exit.yes : exit.no;
}

function placeOf({ env, cwd }: Call, { user, system, name, folder }: ServiceOptions): Place {
  if (!/^[\w][\w.@-]{0,60}$/.test(name)) throw usage('service', `--name ${name} is no name`, 'Letters, digits, dot, dash.');
  const scope = system || (!user && process.getuid?.() === 0) ? 'system' : 'user';
  const own = join(env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? '/', '.config'), 'systemd', 'user');
  const place = folder !== undefined ? resolve(cwd, folder) : scope === 'system' ? '/etc/systemd/system' : own;
  const unit = `${name}.service`;
  return { scope, unit, path: join(place, unit) };
}

type Account = { readonly name: string; readonly uid: number; readonly gid: number };

/** Agents run as whom the daemon runs as: never as root by mistake. */
async function accountOf({ scope }: Place, { account }: ServiceOptions, { world }: Opened): Promise<Account | null> {
  if (scope === 'user') {
    if (account !== undefined) throw usage('service', 'a unit of your own login runs as you', 'Leave --account out, or say --system.');
    return null;
  }
  if (account === undefined)
    throw usage(
      'service',
      'who shall the daemon and its agents run as?',
      'Say: todo service install --system --account NAME (not root: agents run what they like)',
    );
  const { exitCode, tail } = await world.processes.run({
    argv: ['getent', 'passwd', account],
    cwd: '/',
    env: {},
    timeoutMs: 10_000,
    tailBytes: 1000,
  });
  const [uid, gid] = tail.split(':').slice(2, 4).map(Number);
  if (exitCode !== 0 || uid === undefined || gid === undefined || !Number.isInteger(uid + gid))
    throw new OperationalError('NOT_FOUND', {
      operation: 'looking for',
      subject: `user ${account}`,
      why: 'this machine has none of that name',
      hint: `Make one: useradd --system --create-home --shell /usr/sbin/nologin ${account}`,
    });
  return { name: account, uid, gid };
}

/** systemd would only say CHDIR or EXEC: a home that is not there is made for that user, and what is out of that user's reach is refused. */
async function giveHome(account: Account | null, { world }: Opened): Promise<void> {
  const { root } = world.home;
  if (account === null || process.getuid?.() !== 0) return void madeFolder(root);
  const { name, uid, gid } = account;
  const may = async (how: string, path: string): Promise<boolean> => {
    const argv = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', 'test', how, path];
    return (await world.processes.run({ argv, cwd: '/', env: {}, timeoutMs: 10_000, tailBytes: 1000 })).exitCode === 0;
  };
  const refused = (why: string, hint: string): OperationalError =>
    new OperationalError('REFUSED', { operation: 'installing a service for', subject: `user ${name}`, why, hint });
  const program = join(programFolder, 'bin', 'todo');
  if (!(await may('-x', program)))
    throw refused(`that user may not run ${program}`, 'Install it where all may read it: npm install --global signoff');
  const made = madeFolder(root);
  for (let path = root; made !== null && path.startsWith(made); path = dirname(path)) chownSync(path, uid, gid);
  const state = stateFolder(root);
  if ((await may('-w', root)) && (!existsSync(state) || (await may('-O', state)))) return;
  if (made !== null) rmSync(made, { recursive: true });
  throw refused(
    `the home ${root} is not that user's, or out of reach`,
    `Give it one of its own: --home /var/lib/signoff; or this one, where that user may come to it: chown -R ${name}: ${root}`,
  );
}

function madeFolder(path: string): string | null {
  try {
    return makeFolder(path);
  } catch (cause) {
    const hint = 'Choose a home that you may write: --home or TODO_HOME.';
    throw new OperationalError('FILE_UNWRITABLE', { operation: 'making', subject: path, cause, hint });
  }
}

function refuseForeign({ path }: Place): void {
  if (!existsSync(path) || readFileSync(path, 'utf8').startsWith(unitMark)) return;
  throw new OperationalError('REFUSED', {
    operation: 'changing',
    subject: path,
    why: 'it was not written by todo service install',
    hint: 'Give another name: --name NAME. Changes of your own belong into a drop-in: systemctl edit',
  });
}

/** By rename: systemd may read it at any moment. */
function put({ path, unit }: Place, text: string): void {
  const folder = path.slice(0, -unit.length - 1);
  const draft = `${path}.${process.pid}`;
  try {
    makeFolder(folder);
    writeFileSync(draft, text, { mode: 0o644, flush: true });
    renameSync(draft, path);
  } catch (cause) {
    throw new OperationalError('FILE_UNWRITABLE', {
      operation: 'writing',
      subject: path,
      cause,
      hint: 'A unit of the machine is written by root: sudo todo service install --system …',
    });
  }
}

const withinMs = 30_000;

async function systemctlRun({ scope }: Place, args: readonly string[], { world }: Opened) {
  const argv = ['systemctl', ...(scope === 'user' ? ['--user'] : []), '--no-pager', ...args];
  const { env } = world.host;
  // A login's own systemd is found by these.
  const own = { XDG_RUNTIME_DIR: env['XDG_RUNTIME_DIR'] ?? null, DBUS_SESSION_BUS_ADDRESS: env['DBUS_SESSION_BUS_ADDRESS'] ?? null };
  return await world.processes.run({ argv, cwd: '/', env: own, timeoutMs: withinMs, tailBytes: 4000 });
}

const systemdAnswers = async (place: Place, opened: Opened): Promise<boolean> =>
  (await systemctlRun(place, ['show', '--property=Version'], opened)).exitCode === 0;

const wordOf = async (place: Place, args: readonly string[], opened: Opened): Promise<string> =>
  (await systemctlRun(place, args, opened)).tail.trim().split('\n').at(-1) || 'unknown';

async function systemctl(place: Place, args: readonly string[], opened: Opened): Promise<void> {
  const { exitCode, tail, startError } = await systemctlRun(place, args, opened);
  if (exitCode !== 0)
    throw new OperationalError('REFUSED', {
      operation: `asking systemd to ${args.join(' ')} for`,
      subject: place.unit,
      why: startError ?? tail.trim(),
      hint: `The unit is written. See: systemctl ${place.scope === 'user' ? '--user ' : ''}status ${place.unit}`,
    });
}

function nextSteps({ scope, unit }: Place, { folder }: ServiceOptions, isTold: boolean): string[] {
  if (folder !== undefined) return [];
  const ctl = `systemctl ${scope === 'user' ? '--user ' : ''}`;
  return [
    ...(isTold ? [] : [`${ctl}daemon-reload && ${ctl}enable ${unit}`]),
    `${ctl}start ${unit}   (stop a daemon that runs already: todo daemon stop)`,
    ...(scope === 'user' ? ['loginctl enable-linger   (so that it runs while you are not logged in)'] : []),
  ];
}
