import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freeLoopbackPort } from './free-port.ts';

/** A MariaDB of our own on loopback, gone with all its data when it is disposed. */
export type OwnMariadb = AsyncDisposable & { readonly port: number; url(port: number): string };

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
const found = (name: string): string | null => folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;

/** Null where it can be started; else what is missing. */
export const whyNoMariadb = (): string | null => {
  const missing = ['mariadbd', 'mariadb-install-db'].filter((name) => found(name) === null);
  return missing.length === 0 ? null : `${missing.join(' and ')} not found (apt-get install mariadb-server)`;
};

export async function startOwnMariadb(): Promise<OwnMariadb> {
  const folder = mkdtempSync(join(tmpdir(), 'todo-chaos-mariadb-'));
  const [data, init] = [join(folder, 'data'), join(folder, 'init.sql')];
  const account = `--user=${userInfo().username}`;
  const port = await freeLoopbackPort();
  await promisify(execFile)(found('mariadb-install-db') ?? '', [
    '--no-defaults',
    account,
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]);
  writeFileSync(
    init,
    "CREATE DATABASE IF NOT EXISTS chaos;\nCREATE USER IF NOT EXISTS chaos@'127.0.0.1';\nGRANT ALL ON chaos.* TO chaos@'127.0.0.1';\n",
  );
  const places = [`--datadir=${data}`, `--socket=${join(folder, 'socket')}`, `--pid-file=${join(folder, 'pid')}`, `--init-file=${init}`];
  const server = spawn(
    found('mariadbd') ?? '',
    [
      '--no-defaults',
      account,
      ...places,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=32M',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const killWithUs = (): void => void server.kill('SIGKILL');
  process.on('exit', killWithUs);
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: server.stderr }).on('line', (line) => /ready for connections/.test(line) && resolve());
    server.once('error', reject);
    server.once('exit', (code, signal) => reject(new Error(`mariadbd ended (${code ?? signal}) before it was ready`)));
  });
  return {
    port,
    url: (through) => `mysql://chaos@127.0.0.1:${through}/chaos`,
    async [Symbol.asyncDispose]() {
      process.off('exit', killWithUs);
      const gone = once(server, 'exit');
      if (server.kill('SIGKILL')) await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
