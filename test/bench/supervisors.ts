// Supervisors that the bench runs beside ours, each in a folder of its own with nothing but what it is told here. What is started is ended by its number.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programs } from '../programs.ts';
import { base, environment, root, todo } from './home.ts';

/** What is watched. `port` null: it has no address to ask. */
export type App = {
  readonly name: string;
  readonly argv: readonly string[];
  readonly port: number | null;
  /** Between two questions, and what one may take. */
  readonly intervalS: number;
  readonly timeoutS: number;
  /** Options of ours beside those. */
  readonly ours?: readonly string[];
};

export type Supervisor = {
  readonly name: string;
  /** Whether it asks at all; who does not finds no hang. */
  readonly asks: boolean;
  start(app: App): Promise<void>;
  /** A person asks for another start. */
  restart(app: App): Promise<void>;
  /** Killed, then started again as a person would. */
  killAndStart(app: App): Promise<void>;
  /** In its own words. */
  state(app: App): Promise<string>;
  end(app: App): Promise<void>;
};

const call = promisify(execFile);
export const folderOf = (name: string, app: App): string => {
  const folder = join(base, `${name}-${app.name}`);
  mkdirSync(folder, { recursive: true });
  return folder;
};
/** Where a fixture writes what it prints: one file for all supervisors. */
export const outputOf = (name: string, app: App): string => join(folderOf(name, app), 'output');
const quoted = (argv: readonly string[]): string => argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
/** The command as one file, printing where the bench looks. */
function script(name: string, app: App): string {
  const path = join(folderOf(name, app), 'app');
  writeFileSync(path, `#!/bin/sh\nexec ${quoted(app.argv)} >> '${outputOf(name, app)}' 2>&1\n`, { mode: 0o755 });
  return path;
}
const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));

/** One in the foreground, as a service manager would run it. */
function foreground(name: string, command: (app: App) => { readonly argv: readonly string[]; readonly env: Record<string, string> }) {
  const running = new Map<string, ChildProcess>();
  const start = async (app: App): Promise<void> => {
    const { argv, env } = command(app);
    const child = spawn(argv[0]!, argv.slice(1), { cwd: folderOf(name, app), env, stdio: 'ignore' });
    running.set(app.name, child);
  };
  return {
    start,
    child: (app: App): ChildProcess => running.get(app.name)!,
    async killAndStart(app: App): Promise<void> {
      const child = running.get(app.name)!;
      child.kill('SIGKILL');
      await ended(child);
      await start(app);
    },
    async end(app: App): Promise<void> {
      const child = running.get(app.name);
      child?.kill('SIGTERM');
      if (child) await ended(child);
    },
  };
}

function signoff(): Supervisor {
  const name = 'Signoff';
  const home = (app: App): string => folderOf(name, app);
  const it = foreground(name, (app) => {
    const asked = app.port === null ? [] : ['--health', `http://127.0.0.1:${app.port}/health`];
    const times = ['--check-interval', `${app.intervalS}s`, '--timeout', `${app.timeoutS}s`, '--grace', '1s'];
    return {
      argv: [todo, 'watchdog', '--name', app.name, ...asked, ...times, ...(app.ours ?? []), '--', script(name, app)],
      env: environment(home(app)),
    };
  });
  return {
    name,
    asks: true,
    start: it.start,
    killAndStart: it.killAndStart,
    end: it.end,
    async restart(app) {
      it.child(app).kill('SIGHUP');
    },
    async state(app) {
      const { stdout } = await call(todo, ['--json', 'watchdog', 'status'], { env: environment(home(app)) }).catch((error) => error);
      const [state] = JSON.parse(stdout).watchdogs;
      return state === undefined ? 'none' : `${state.phase}${state.why === null ? '' : ` (${String(state.why).split(/[;:]/, 1)[0]})`}`;
    },
  };
}

function pm2(): Supervisor {
  const name = 'PM2';
  const program = join(root, '.todo-test/peers/node_modules/pm2/bin/pm2');
  const env = (app: App): Record<string, string> => ({
    ...environment(folderOf(name, app)),
    PM2_HOME: folderOf(name, app),
    PM2_DISCRETE_MODE: 'true',
  });
  const run = async (app: App, ...args: string[]): Promise<string> =>
    (await call(process.execPath, [program, ...args], { env: env(app), cwd: folderOf(name, app) })).stdout;
  const start = async (app: App): Promise<void> =>
    void (await run(app, 'start', script(name, app), '--name', app.name, '--interpreter', 'none', '--silent'));
  return {
    name,
    asks: false,
    start,
    restart: async (app) => void (await run(app, 'restart', app.name, '--silent')),
    async killAndStart(app) {
      process.kill(Number(readFileSync(join(folderOf(name, app), 'pm2.pid'), 'utf8')), 'SIGKILL');
      await start(app);
    },
    async state(app) {
      const text = await run(app, 'jlist');
      const [it] = JSON.parse(text.slice(text.indexOf('[')));
      return `${it.pm2_env.status}, unstable ${it.pm2_env.unstable_restarts}`;
    },
    end: async (app) => void (await run(app, 'kill', '--silent')),
  };
}

function supervisord(): Supervisor {
  const name = 'supervisord';
  const config = (app: App): string => join(folderOf(name, app), 'supervisord.conf');
  const it = foreground(name, (app) => {
    const folder = folderOf(name, app);
    const sections = {
      unix_http_server: { file: join(folder, 'sock') },
      supervisord: { nodaemon: 'true', user: 'root', logfile: join(folder, 'log'), pidfile: join(folder, 'pid'), childlogdir: folder },
      'rpcinterface:supervisor': { 'supervisor.rpcinterface_factory': 'supervisor.rpcinterface:make_main_rpcinterface' },
      supervisorctl: { serverurl: `unix://${join(folder, 'sock')}` },
      [`program:${app.name}`]: {
        command: script(name, app),
        autorestart: 'true',
        stopasgroup: 'true',
        killasgroup: 'true',
        stopwaitsecs: '1',
      },
    };
    const text = Object.entries(sections).map(([section, keys]) =>
      [`[${section}]`, ...Object.entries(keys).map(([key, value]) => `${key}=${value}`)].join('\n'),
    );
    writeFileSync(config(app), `${text.join('\n\n')}\n`);
    return { argv: [programs().supervisord, '-c', config(app)], env: environment(folder) };
  });
  const control = (app: App, ...args: string[]): Promise<string> =>
    call(programs().supervisorctl, ['-c', config(app), ...args]).then(
      ({ stdout }) => stdout,
      (error) => String(error.stdout),
    );
  return {
    name,
    asks: false,
    start: it.start,
    killAndStart: it.killAndStart,
    end: it.end,
    restart: async (app) => void (await control(app, 'restart', app.name)),
    state: async (app) => (await control(app, 'status', app.name)).trim().split(/\s+/)[1] ?? 'unknown',
  };
}

function monit(): Supervisor {
  const name = 'monit';
  const rc = (app: App): string => join(folderOf(name, app), 'monitrc');
  const it = foreground(name, (app) => {
    const folder = folderOf(name, app);
    const pid = join(folder, 'app.pid');
    const path = script(name, app);
    const write = (file: string, text: string): string => {
      writeFileSync(join(folder, file), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return join(folder, file);
    };
    const begin = write('begin', `setsid sh -c 'echo $$ > "${pid}"; exec "${path}"' < /dev/null > /dev/null 2>&1 &`);
    const stop = write('stop', `p=$(cat '${pid}'); kill -TERM -$p; sleep 1; kill -KILL -$p; rm -f '${pid}'; true`);
    const asked =
      app.port === null
        ? ''
        : `if failed host 127.0.0.1 port ${app.port} protocol http request "/health" with timeout ${app.timeoutS} seconds for 2 cycles then restart\n`;
    const lines = [
      `set daemon ${app.intervalS}`,
      `set log ${join(folder, 'log')}`,
      `set pidfile ${join(folder, 'pid')}`,
      `set idfile ${join(folder, 'id')}`,
      `set statefile ${join(folder, 'state')}`,
      `set httpd unixsocket ${join(folder, 'sock')} allow root:root`,
      `check process ${app.name} with pidfile ${pid}`,
      // For so long it asks nothing after a start; by itself half a minute.
      `  start program = "${begin}" with timeout 3 seconds`,
      `  stop program = "${stop}"`,
      asked === '' ? '' : `  ${asked}`,
      // As its manual shows it.
      '  if 3 restarts within 5 cycles then unmonitor',
    ];
    writeFileSync(rc(app), `${lines.join('\n')}\n`, { mode: 0o600 });
    return { argv: [programs().monit, '-I', '-c', rc(app)], env: environment(folder) };
  });
  const control = (app: App, ...args: string[]): Promise<string> =>
    call(programs().monit, ['-c', rc(app), ...args]).then(
      ({ stdout }) => stdout,
      (error) => String(error.stdout),
    );
  return {
    name,
    asks: true,
    start: it.start,
    killAndStart: it.killAndStart,
    async end(app) {
      await it.end(app);
      const pid = join(folderOf(name, app), 'app.pid');
      if (existsSync(pid)) await call(join(folderOf(name, app), 'stop')).catch(() => {});
    },
    restart: async (app) => void (await control(app, 'restart', app.name)),
    state: async (app) => /^\s*(?:monitoring )?status\s+(.+)$/m.exec(await control(app, 'status', app.name))?.[1]?.trim() ?? 'unknown',
  };
}

export const supervisors = (): readonly Supervisor[] => [signoff(), pm2(), supervisord(), monit()];
