import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freeLoopbackPort } from './free-port.ts';

/** A MariaDB of our own on loopback, gone with all its data when it is disposed. */
export type OwnMariadb = AsyncDisposable & {
  readonly port: number;
  url(port: number): string;
  /** As by kill -9: what it had not written is gone. */
  kill(): Promise<void>;
  /** Again, on the same data and port. Resolves when it is ready for connections. */
  start(): Promise<void>;
};

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
const found = (name: string): string | null => folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;

/** Null where it can be started; else what is missing. */
export const whyNoMariadb = (): string | null => {
  const missing = ['mariadbd', 'mariadb-install-db'].filter((name) => found(name) === null);
  return missing.length === 0 ? null : `${missing.join(' and ')} not found (apt-get install mariadb-server)`;
};

const small = ['--bind-address=127.0.0.1', '--skip-name-resolve', '--innodb-buffer-pool-size=32M'];

export async function startOwnMariadb(): Promise<OwnMariadb> {
  const folder = mkdtempSync(join(tmpdir(), 'todo-chaos-mariadb-'));
  const [data, init] = [join(folder, 'data'), join(folder, 'init.sql')];
  // A server that starts removes all temporary tables that it finds, those of another one too.
  const env = { ...process.env, TMPDIR: folder };
  const account = `--user=${userInfo().username}`;
  const port = await freeLoopbackPort();
  await promisify(execFile)(
    found('mariadb-install-db') ?? '',
    ['--no-defaults', account, `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
    { env },
  );
  writeFileSync(
    init,
    "CREATE DATABASE IF NOT EXISTS chaos;\nCREATE USER IF NOT EXISTS chaos@'127.0.0.1';\nGRANT ALL ON chaos.* TO chaos@'127.0.0.1';\n",
  );
  const places = [`--datadir=${data}`, `--socket=${join(folder, 'socket')}`, `--pid-file=${join(folder, 'pid')}`, `--init-file=${init}`];
  let server: ChildProcess | null = null;
  const kill = async (): Promise<void> => {
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  };
  const start = async (): Promise<void> => {
    const child = spawn(found('mariadbd') ?? '', ['--no-defaults', account, ...places, `--port=${port}`, ...small], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
    });
    server = child;
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => /ready for connections/.test(line) && resolve());
      child.once('error', reject);
      child.once('exit', (code, signal) => reject(new Error(`mariadbd ended (${code ?? signal}) before it was ready`)));
    });
  };
  const killWithUs = (): void => void server?.kill('SIGKILL');
  process.on('exit', killWithUs);
  await start();
  return {
    port,
    url: (through) => `mysql://chaos@127.0.0.1:${through}/chaos`,
    kill,
    start,
    async [Symbol.asyncDispose]() {
      process.off('exit', killWithUs);
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
