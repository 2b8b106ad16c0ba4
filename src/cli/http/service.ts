import { dirname, join } from 'node:path';
import { type Config, isLoopback } from '../../core/config.ts';
import type { ServerStatus } from '../../core/control.ts';
import { inMs } from '../../core/seconds.ts';
import type { Door } from '../../observe/door.ts';
import { serve } from '../../observe/serve.ts';
import type { Shown } from '../../observe/shown.ts';
import { type HttpServer, listenHttp } from '../../platform/http-server.ts';
import { holdersOf } from '../../platform/port-holder.ts';
import type { Home, World } from '../../world.ts';
import { type Kept, sessionsOf } from './sessions.ts';

/** Who has our port may go away. */
const againMs = 5_000;

type Needs = {
  readonly world: Pick<World, 'clock' | 'random' | 'digest' | 'files' | 'home' | 'host' | 'log' | 'processes'>;
  readonly server: Config['server'];
  readonly port: number;
  /** The file that says where it is; the daemon's unless given. */
  readonly address?: string;
  readonly shown: Shown;
  readonly served: Door['served'];
  readonly onDefect: (error: unknown) => void;
  /** Told when it begins to listen, and when it cannot. */
  readonly onStatus: (status: ServerStatus) => void;
};

/** Beside the journal, private as it is. */
export const httpPaths = ({ database }: Pick<Home, 'database'>) => ({
  /** Where the server of this home is: `{"v":1,"url":…,"pid":…}`. There only while it listens. */
  address: join(dirname(database), 'http.json'),
  /** The same of who only looks. */
  observer: join(dirname(database), 'dashboard.json'),
  /** The secret that `/status` and the todos ask for. */
  token: join(dirname(database), 'http.token'),
});

/** Serves until the stop. A port that somebody else has is no reason not to live: it is said who has it, and tried again. */
export async function keepServing(needs: Needs, stop: AbortSignal): Promise<void> {
  const { world, onStatus } = needs;
  const { log, clock, files, home } = world;
  const tokenSha256 = world.digest.sha256(tokenOf(world));
  const address = needs.address ?? httpPaths(home).address;
  let told: string | null = null;
  let status: ServerStatus = { url: null, problem: null, sinceMs: clock.nowMs() };
  const say = (change: Partial<ServerStatus>): void => {
    status = { ...status, ...change };
    onStatus(status);
  };
  const kept = sessionsOf(needs.server, world, (sessions) => say({ sessions }));
  status = { ...status, sessions: kept.sessions.keep.state() };
  const watching = kept.watch(stop).catch(needs.onDefect);
  while (!stop.aborted) {
    const problem = await listening({ ...needs, address }, tokenSha256, kept, async (server, url) => {
      log.info('monitor', 'serving HTTP', { url });
      told = null;
      say({ url, problem: null, sinceMs: clock.nowMs() });
      const draft = `${address}.${process.pid}`;
      files.write(draft, `${JSON.stringify({ v: 1, url, pid: process.pid, startedAtMs: clock.nowMs() })}\n`);
      files.rename(draft, address);
      await aborted(stop);
      files.unlink(address);
      await server.close();
    });
    if (problem === null) break;
    if (problem !== told) {
      log.warn('monitor', 'HTTP cannot be served yet', { reason: problem, againMs });
      say({ url: null, problem, sinceMs: clock.nowMs() });
    }
    told = problem;
    await clock.sleep(againMs, stop);
  }
  await watching;
}

/** Null once it was served; else why it could not be. */
async function listening(
  { server: config, port, address, shown, served, onDefect, world }: Needs & { readonly address: string },
  tokenSha256: string,
  { sessions, limits }: Kept,
  use: (server: HttpServer, url: string) => Promise<void>,
): Promise<string | null> {
  const { host, names, allow_remote } = config;
  const hosts = new Set<string>();
  const cookie = { name: '' };
  const settings = {
    loginsPerMinute: config.logins_per_minute,
    freshPerMinute: config.fresh_per_minute,
    statusCacheMs: inMs(config.status_cache),
  };
  const isOpen = allow_remote && !isLoopback(host);
  const handler = serve(shown, { isOpen, hosts, tokenSha256, cookie, sessions, limits, settings, served, onDefect }, world);
  let server: HttpServer;
  try {
    server = await (port === 0 ? listenAgain(`${address}.port`) : listenHttp(host, port, handler, onDefect));
  } catch (error) {
    return whyNot(error as NodeJS.ErrnoException, host, port);
  }
  // Nobody knows the port before, and nobody can ask.
  cookie.name = `todo-${server.port}-${world.digest.sha256(world.host.id).slice(0, 8)}`;
  for (const name of [inUrl(host), '127.0.0.1', 'localhost', '[::1]', ...names]) {
    hosts.add(`${name.toLowerCase()}:${server.port}`);
    // Without a port it is that of http, or the name of a proxy.
    if (server.port === 80 || names.includes(name)) hosts.add(name.toLowerCase());
  }
  await use(server, `http://${inUrl(host)}:${server.port}`);
  return null;

  /** Any port that is free, but the last one again where nobody has it: pages that are open, and their logins, are of that port. */
  async function listenAgain(path: string): Promise<HttpServer> {
    const last = Number(world.files.readText(path) ?? 0);
    const again = await listenHttp(host, last > 0 && last < 65_536 ? last : 0, handler, onDefect).catch(() => null);
    const found = again ?? (await listenHttp(host, 0, handler, onDefect));
    if (found.port !== last) world.files.write(path, `${found.port}\n`);
    return found;
  }
}

const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host);

function whyNot({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  const at = `${inUrl(host)}:${port}`;
  if (code !== 'EADDRINUSE') return `cannot listen at ${at}: ${message}`;
  const [holder] = holdersOf(port);
  const seen = holder?.process ?? null;
  const who = seen === null ? 'another process' : `process ${seen.pid} (${seen.commandLine})`;
  return `port ${port} is taken by ${who}`;
}

const aborted = (stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => (stop.aborted ? resolve() : stop.addEventListener('abort', () => resolve(), { once: true })));

/** Made once for a home; whoever may read its files may ask all of it. */
function tokenOf({ files, home, random }: Needs['world']): string {
  const { token: path } = httpPaths(home);
  files.create(path, `${random.token()}\n`);
  const { stat, bytes } = files.readGuarded(path, 1024) ?? {};
  const text = new TextDecoder().decode(bytes ?? new Uint8Array()).trim();
  if (stat === undefined || !/^[\w-]{20,200}$/.test(text) || (stat.mode & 0o077) !== 0 || stat.uid !== process.getuid?.())
    throw new Error(`${path} is no private file with a token; remove it, and the next start makes another`);
  return text;
}
