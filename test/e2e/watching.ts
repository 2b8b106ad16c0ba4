// `todo watchdog` as tests use it: started over a command, its log, its state, what is left of it.
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSilentServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import type { CallOptions, Json, Started, TestHome } from './harness.ts';

/** The environment of a daemon that does so at SIGUSR2 (fixtures/misbehave.cjs). */
export const misbehaves = (how: 'throw' | 'spin' | 'deaf'): { readonly MISBEHAVE: string; readonly NODE_OPTIONS: string } => ({
  MISBEHAVE: how,
  NODE_OPTIONS: `--require ${join(import.meta.dirname, '..', 'fixtures', 'misbehave.cjs')}`,
});

/**
 * A daemon whose first call of its store never ends: there is a server that takes connections and says nothing, and the timers that would end the call are
 * lost (fixtures/misbehave.cjs).
 */
export async function storeThatHangs(t: TestContext) {
  const server = createSilentServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const timeoutMs = 777;
  return {
    ...misbehaves('deaf'),
    LOST_TIMER_MS: String(timeoutMs),
    TODO_BEHAVIOR_DATABASE_TIMEOUT: String(timeoutMs / 1000),
    TODO_STORE_URL: `mysql://nobody@127.0.0.1:${(server.address() as { port: number }).port}/todo`,
  };
}

const backend = join(import.meta.dirname, '..', 'fixtures', 'backend.ts');

export type Watching = {
  readonly started: Started;
  says(text: string | RegExp): Promise<void>;
  /** Once its log has that event so often. */
  logs(event: string, times?: number): Promise<void>;
  log(): Json[];
  status(): Promise<Json>;
};

export function watch(
  t: TestContext,
  home: TestHome,
  options: readonly string[],
  command: readonly string[] | null,
  call: CallOptions = {},
): Watching {
  const started = home.start(['watchdog', ...options, ...(command === null ? [] : ['--', ...command])], call);
  t.after(() => started.process.kill('SIGTERM'));
  const at = options.indexOf('--log-path');
  const folder = at < 0 ? join(home.folder, 'logs', 'watchdog_logs') : options[at + 1]!;
  const named = options.indexOf('--name');
  const name = named < 0 ? (command === null ? 'daemon' : command[0] === process.execPath ? 'backend' : command[0]!) : options[named + 1]!;
  const log = (): Json[] => {
    const path = join(folder, 'monitor.log');
    return (existsSync(path) ? readFileSync(path, 'utf8') : '')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter((line) => line.name === name);
  };
  return {
    started,
    says: (text) => started.says(text),
    log,
    logs: (event, times = 1) =>
      home.until(`${name}: ${event} (${times})`, () => log().filter((line) => line.event === event).length >= times).then(() => {}),
    async status() {
      const { stdout } = await home.todo(['--json', 'watchdog', 'status']);
      return JSON.parse(stdout).watchdogs.find((it: Json) => it.name === name);
    },
  };
}

export const watchBackend = (
  t: TestContext,
  home: TestHome,
  port: number,
  options: readonly string[],
  words: readonly string[] = [],
): Watching =>
  watch(
    t,
    home,
    ['--health', `http://127.0.0.1:${port}/health`, ...(options.includes('--name') ? [] : ['--name', 'backend']), ...options],
    [process.execPath, backend, String(port), ...words],
  );

/** A zombie has ended; nobody has asked how. */
export function lives(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Processes of this home's watchdogs that are there now. */
export function tagged(home: TestHome): number[] {
  const own = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return own.map(Number).filter((pid) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return environment.some((it) => it.startsWith('TODO_SUP_ID=')) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(home.folder);
    } catch {
      return false;
    }
  });
}

export function rows(home: TestHome): string[] {
  using database = new DatabaseSync(join(home.folder, 'todo.db'), { readOnly: true });
  // The store is made by its first question, which a daemon that is ready may not have asked yet.
  if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'self_healing_events'").get() === undefined) return [];
  return database
    .prepare('SELECT what FROM self_healing_events ORDER BY at_ms, id')
    .all()
    .map((row) => String(row['what']));
}

export async function webhook(t: TestContext): Promise<{ readonly url: string; readonly bodies: Json[] }> {
  const bodies: Json[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    request.on('end', () => {
      bodies.push(JSON.parse(text));
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}/`, bodies };
}
