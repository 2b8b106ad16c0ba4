// A server of somebody else's for the time of a measurement: its own folder and port on loopback, ended by its own process.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../fixtures/free-port.ts';
import { readyServer } from '../fixtures/ready-server.ts';
import { programs } from '../programs.ts';

export type OwnServer = { readonly port: number; stop(): Promise<void> };

/** What it takes for a queue that must not lose what it said: each write is flushed before it is answered. */
export async function startRedis(): Promise<OwnServer> {
  const folder = mkdtempSync(join(tmpdir(), 'todo-redis-'));
  const port = await freePort();
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  return ready([programs()['redis-server'], ...place, ...durable], { folder, port, says: /Ready to accept connections/ });
}

/** The same: synchronous_commit is on, fsync too, as it is by default. */
export async function startPostgres(): Promise<OwnServer> {
  const folder = mkdtempSync(join(tmpdir(), 'todo-postgres-'));
  const data = join(folder, 'data');
  const port = await freePort();
  // It refuses to run as root.
  const as = process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
  if (as.length > 0) chownSync(folder, idOf('-u'), idOf('-g'));
  const [command = '', ...args] = [...as, programs().initdb, '-D', data, '-U', 'signoff', '--auth=trust', '--no-sync', '--encoding=UTF8'];
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=on', 'synchronous_commit=on'];
  const server = [...as, programs().postgres, '-D', data, '-p', String(port), ...settings.flatMap((each) => ['-c', each])];
  return ready(server, { folder, port, says: /ready to accept connections/ });
}

const idOf = (what: '-u' | '-g'): number => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }));

async function ready(
  argv: readonly string[],
  { folder, port, says }: { readonly folder: string; readonly port: number; readonly says: RegExp },
): Promise<OwnServer> {
  const server = await readyServer(argv, says, { cwd: folder });
  const killWithUs = (): void => void server.kill('SIGKILL');
  process.on('exit', killWithUs);
  return {
    port,
    async stop() {
      const ended = once(server, 'exit');
      // To both of them: end now, in order.
      server.kill('SIGINT');
      await ended;
      process.off('exit', killWithUs);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
