import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../world.ts';
import type { Reach } from './mysql-servers.ts';
import type { Host } from './url.ts';

/** `store.ssh`: who to ask for a way to the database. Only the key's path is known here; ssh reads it. */
export type TunnelSettings = {
  readonly host: string;
  readonly port: number | null;
  readonly user: string | null;
  readonly key: string | null;
  readonly known_hosts: string | null;
};

export type Tunnel = { readonly reach: Reach; close(): Promise<void> };

type Needs = {
  readonly settings: TunnelSettings;
  /** `behavior.ssh_timeout` */
  readonly timeoutMs: number;
  /** The servers as the far end of the tunnel calls them. */
  readonly hosts: readonly Host[];
  readonly log: Pick<Log, 'info' | 'warn'>;
};

type Up = { readonly child: ChildProcess; readonly whenOver: Promise<string> };

/** Everybody who waits for a way that cannot be had hears the same for so long: no storm of processes. */
const failedForMs = 1000;
const saidMax = 2000;

/**
 * A way to the database through `ssh -N -L`, one process for all servers, opened by who first needs it and opened again when it dies.
 * Its near ends are sockets in a folder that only we may enter: a port on the loopback would be open to every user of this machine.
 * ssh asks nobody anything: a host that is not known, or a key that is not taken, is an error.
 */
export function openTunnel({ settings, timeoutMs, hosts, log }: Needs): Tunnel {
  let folder: string | null = null;
  let up: Promise<Up> | null = null;
  let failed: { readonly error: Error; readonly untilMs: number } | null = null;
  let closed = false;
  const clear = (): void => {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    folder = null;
  };
  const place = (): string => {
    if (folder === null) {
      folder = mkdtempSync(join(tmpdir(), 'todo-ssh-'));
      process.once('exit', clear);
    }
    return folder;
  };
  const nearEnd = (server: number): string => join(place(), `${server}.sock`);

  function open(): Promise<Up> {
    const fromMs = performance.now();
    const opening = start(commandOf(settings, timeoutMs, hosts, nearEnd), timeoutMs).catch((cause: Error) => {
      const error = problem(settings, cause.message);
      failed = { error, untilMs: performance.now() + failedForMs };
      if (up === opening) up = null;
      throw error;
    });
    up = opening;
    opening.then(
      ({ child, whenOver }) => {
        log.info('monitor', 'ssh tunnel open', { to: settings.host, pid: child.pid, ms: Math.round(performance.now() - fromMs) });
        void whenOver.then((why) => over(opening, why));
      },
      () => {},
    );
    return opening;
  }

  /** Nobody need ask for it: what was broken by its end is mended sooner so. A try that fails is not repeated before somebody asks. */
  function over(which: Promise<Up>, why: string): void {
    if (up === which) up = null;
    if (closed) return;
    log.warn('monitor', 'ssh tunnel ended', { to: settings.host, reason: why });
    open().catch(() => {});
  }

  return {
    async reach(server) {
      if (closed) throw problem(settings, 'the store was closed');
      if (up === null && failed !== null && performance.now() < failed.untilMs) throw failed.error;
      await (up ?? open());
      return { socketPath: nearEnd(server) };
    },
    async close() {
      closed = true;
      const last = await up?.catch(() => null);
      last?.child.kill('SIGTERM');
      await last?.whenOver;
      process.off('exit', clear);
      clear();
    },
  };
}

function commandOf(settings: TunnelSettings, timeoutMs: number, hosts: readonly Host[], nearEnd: (server: number) => string): string[] {
  const { host, port, user, key, known_hosts } = settings;
  const options = [
    'BatchMode=yes',
    'ExitOnForwardFailure=yes',
    `ConnectTimeout=${Math.max(1, Math.ceil(timeoutMs / 1000))}`,
    // A far end that is gone without a word is noticed within half a minute.
    'ServerAliveInterval=10',
    'ServerAliveCountMax=3',
    'StreamLocalBindMask=0177',
    'StreamLocalBindUnlink=yes',
    'ControlPath=none',
    // Said once the forwards stand: nothing else tells it.
    'PermitLocalCommand=yes',
    `LocalCommand=echo ${ready}`,
    ...(key === null ? [] : ['IdentitiesOnly=yes']),
    ...(known_hosts === null ? [] : [`UserKnownHostsFile=${known_hosts}`]),
  ];
  const forwards = hosts.flatMap((to, server) => [
    '-L',
    `${nearEnd(server)}:${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port}`,
  ]);
  return [
    'ssh',
    '-N',
    '-T',
    ...options.flatMap((option) => ['-o', option]),
    ...(key === null ? [] : ['-i', key]),
    ...(port === null ? [] : ['-p', String(port)]),
    ...(user === null ? [] : ['-l', user]),
    ...forwards,
    '--',
    host,
  ];
}

const ready = 'tunnel-stands';
/** ssh takes the place of the shell. The reader beside it sees the end of our pipe, also when we are killed, and ends it then; a line lets it live. */
const withUs = 'exec 3<&0 </dev/null; (read -r word <&3 || kill $$) >/dev/null 2>&1 & exec 3<&-; exec "$@"';

function start(command: readonly string[], timeoutMs: number): Promise<Up> {
  const child = spawn('/bin/sh', ['-c', withUs, 'sh', ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-saidMax);
  });
  child.stdin.on('error', () => {});
  const whenOver = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(said.trim().split('\n').at(-1) || `it ended (${signal ?? code})`));
    // The reader beside it is let go: nothing is left to be ended.
    child.once('exit', () => child.stdin.end('over\n'));
  });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`no tunnel within ${timeoutMs} ms`));
    }, timeoutMs);
    let heard = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard = (heard + text).slice(-saidMax);
      if (!heard.includes(ready)) return;
      clearTimeout(late);
      resolve({ child, whenOver });
    });
    void whenOver.then((why) => {
      clearTimeout(late);
      reject(new Error(why));
    });
  });
}

/** Reads as a server that cannot be connected to: `mysql-errors.ts` knows such codes as lost connections. */
const problem = ({ host }: TunnelSettings, why: string): Error =>
  Object.assign(new Error(`ssh to ${host}: ${why}`), { code: 'HANDSHAKE_SSH_TUNNEL' });
