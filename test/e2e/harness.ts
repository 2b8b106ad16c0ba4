// A home of its own for a test, the real `todo` on it, and a real daemon in it. Waiting is for events (a line in a log, a change of a file),
// never for a while. What a harness started it ends, by pid; of a failed test the home stays, and its logs are printed.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  type FSWatcher,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from './build.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const todoProgram = join(root, 'bin', 'todo');

export type Result = { readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string };
type Env = Readonly<Record<string, string | undefined>>;
/** What tests read of JSON: any field may be asked for, and a wrong one fails the test. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is what the test is about
export type Json = any;

export type TestHome = {
  readonly folder: string;
  /** A working directory for todos. */
  readonly work: string;
  readonly legacy: { readonly marker: string; readonly pointer: string; readonly sessionPrefix: string };
  /** Runs `todo` to its end. */
  todo(args: readonly string[], options?: CallOptions): Promise<Result>;
  /** The same with --json; fails on an exit code that is not `code` (0). */
  json(args: readonly string[], options?: CallOptions & { readonly code?: number }): Promise<Json>;
  /** Starts `todo` and hands over the process; ended with the test. */
  start(args: readonly string[], options?: CallOptions): Started;
  /** A real daemon in the foreground of a process of its own; there when this resolves. */
  daemon(env?: Env): Promise<Started>;
  /** Adds a todo and answers with it. Agent shell, prompt `command`. */
  add(command: string, ...options: string[]): Promise<Json>;
  show(ref: string | number): Promise<Json>;
  /** Looks at each change of the home until `look` finds something. */
  until<T>(what: string, look: () => T | null | undefined | false | Promise<T | null | undefined | false>): Promise<T>;
  /** The todo once it is as asked. */
  untilTodo(ref: string | number, what: string, fits: (todo: Json) => boolean): Promise<Json>;
  /** Lines of a log as objects. */
  log(room: 'completion' | 'monitor' | 'emergency'): Json[];
};

export type CallOptions = {
  readonly env?: Env;
  readonly stdin?: string;
  readonly cwd?: string;
  /** Another one than what was built here. */
  readonly program?: string;
  /** A program that makes its surroundings and then runs what it is given, in its own place. */
  readonly within?: readonly string[];
};
export type Started = {
  readonly process: ChildProcess;
  readonly ended: Promise<Result>;
  stdout(): string;
  stderr(): string;
  /** Once the output has what is looked for. */
  says(text: string | RegExp): Promise<void>;
};

/** No test waits longer than this for one thing. */
const patienceMs = 60_000;

export async function testHome(t: TestContext, config: Json = {}): Promise<TestHome> {
  await build();
  const base = mkdtempSync(join(tmpdir(), 'todo-e2e-'));
  const folder = join(base, 'home');
  const work = join(base, 'work');
  const legacy = {
    marker: join(base, 'legacy', 'TASK_COMPLETED'),
    pointer: join(base, 'legacy', 'CURRENT_TODO_ID'),
    sessionPrefix: join(base, 'legacy', 'claude_session_'),
  };
  for (const path of [join(folder, 'hooks'), work, join(base, 'legacy'), join(base, 'user')]) mkdirSync(path, { recursive: true });
  const paths = { task_completed: legacy.marker, current_todo: legacy.pointer, session_prefix: legacy.sessionPrefix, ...config.paths };
  // How busy or full the machine is that runs the tests is not what they are about.
  const resource = { machine_cpu_warning: 1000, machine_memory_warning: 1000, machine_disk_warning: 1000, ...config.resource };
  writeFileSync(join(folder, 'hooks', 'config.json'), JSON.stringify({ ...config, paths, resource }, null, 2));

  const ownStore = config.store?.url === undefined && config.database === undefined;
  const started: Started[] = [];
  const start = (args: readonly string[], options: CallOptions = {}): Started => {
    const process = launch(args, folder, base, options);
    started.push(process);
    return process;
  };

  const home: TestHome = {
    folder,
    work,
    legacy,
    start,
    todo: (args, options) => start(args, options).ended,
    async json(args, options = {}) {
      const { code, stdout, stderr } = await home.todo(['--json', ...args], options);
      if (code !== (options.code ?? 0))
        throw new Error(`todo ${args.join(' ')} --json exited ${code}, not ${options.code ?? 0}\n${stdout}${stderr}`);
      return parseOne(stdout);
    },
    async daemon(env) {
      const daemon = start(['daemon', 'run'], env ? { env } : {});
      const answers = async () => (await home.json(['daemon', 'status'], { code: 0 }).catch(() => null))?.running === true;
      await Promise.race([
        // Where its level of logging lets it say so: asking costs a process each time.
        saysReady(config)
          ? daemon.says(ownStore ? /store ready|the store is away/ : 'daemon ready')
          : home.until('the daemon answers', answers),
        daemon.ended.then(({ code, stderr }) => {
          throw new Error(`the daemon ended with ${code} before it was ready\n${stderr}`);
        }),
      ]);
      return daemon;
    },
    async add(command, ...options) {
      const { todo } = await home.json(['add', command.slice(0, 60), '--agent', 'shell', '--prompt', command, '--cwd', work, ...options]);
      return todo;
    },
    show: async (ref) => (await home.json(['show', String(ref)])).todo,
    until: (what, look) => until(what, [folder, join(base, 'legacy'), work], look),
    // Each look is a process of its own: only where the store is not the home's own file, any change is a reason for one.
    untilTodo: (ref, what, fits) =>
      until(
        what,
        [folder],
        async () => {
          const todo = await home.show(ref);
          return fits(todo) && isFiled(todo) ? todo : null;
        },
        ownStore ? isOfStore : () => true,
      ),
    log: (room) =>
      (tryRead(join(folder, 'logs', `${room}.log`)) ?? '')
        .split('\n')
        // After the last line end there is nothing, or a line that is still being written.
        .slice(0, -1)
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
  };

  t.after(async () => {
    for (const { process, ended } of started.toReversed()) {
      if (process.exitCode === null && process.signalCode === null) process.kill('SIGTERM');
      const late = setTimeout(() => process.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(late);
    }
    endRuns(folder);
    // In Node since 21.7, not yet in its types.
    if ((t as unknown as { readonly passed: boolean }).passed) rmSync(base, { recursive: true, force: true, maxRetries: 5 });
    else tellStory(folder, t);
  });
  return home;
}

const saysReady = ({ logging }: Json): boolean => logging?.level === undefined || ['debug', 'info'].includes(logging.level);

/** What test/run.ts and CI say to tests, and nobody to a program. */
const ofTheRunner = new Set(['CI', 'NODE_COMPILE_CACHE']);

function launch(
  args: readonly string[],
  folder: string,
  base: string,
  { env, stdin, cwd, program = todoProgram, within = [] }: CallOptions,
): Started {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TODO_') && !ofTheRunner.has(name)));
  const [first, ...rest] = [...within, program, ...args];
  const child = spawn(first!, rest, {
    cwd: cwd ?? base,
    env: { ...clean, TODO_HOME: folder, HOME: join(base, 'user'), XDG_CACHE_HOME: join(root, '.todo-test', 'cache'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  // A program that does not read its input may be gone before we wrote it.
  child.stdin.on('error', () => {}).end(stdin ?? '');
  const ended = new Promise<Result>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: out, stderr: err }));
  });
  return {
    process: child,
    ended,
    stdout: () => out,
    stderr: () => err,
    async says(text) {
      const fits = () => (typeof text === 'string' ? (out + err).includes(text) : text.test(out + err));
      const heard = new Promise<void>((resolve) => {
        // What was heard is not listened for any more: a daemon goes on to say megabytes, and all of it would be searched at each line.
        const look = () => {
          if (!fits()) return;
          child.stdout.off('data', look);
          child.stderr.off('data', look);
          resolve();
        };
        child.stdout.on('data', look);
        child.stderr.on('data', look);
        look();
      });
      await Promise.race([
        heard,
        ended.then(({ code }) => {
          if (!fits()) throw new Error(`todo ${args.join(' ')} ended with ${code} without saying ${text}\n${out}${err}`);
        }),
      ]);
    },
  };
}

/** Exactly one JSON document and nothing beside it. */
export function parseOne(stdout: string): Json {
  if (!stdout.endsWith('\n') || stdout.trimEnd().includes('\n')) throw new Error(`not one line of JSON on stdout:\n${stdout}`);
  return JSON.parse(stdout);
}

/** The store tells an end as soon as it is recorded; the files follow it into the archive. */
const isFiled = ({ report }: Json): boolean => report === null || existsSync(report);

const isOfStore = (path: string): boolean => path.endsWith('/todo.db') || path.endsWith('/todo.db-wal');

/** A change of the folders is what we wait for; each one is a reason to look again, of those that are `ofInterest`. */
export async function until<T>(
  what: string,
  folders: readonly string[],
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  ofInterest: (path: string) => boolean = () => true,
): Promise<T> {
  let wake = () => {};
  const isNews = newsOf();
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, { recursive: true }, (_, name) => {
      const path = join(folder, name ?? '');
      if (ofInterest(path) && isNews(path)) wake();
    }).on('error', () => {}),
  );
  const deadline = AbortSignal.timeout(patienceMs);
  // An event is a hint, here as in the daemon: what was lost costs a second, not the test.
  const hint = setInterval(() => wake(), 1000);
  try {
    for (;;) {
      // Listening begins before the look, so that no change falls between the two.
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
      const found = await look();
      if (found) return found;
      if (deadline.aborted) throw new Error(`waited ${patienceMs / 1000} s in vain: ${what}`);
      await changed;
    }
  } finally {
    clearInterval(hint);
    for (const watcher of watchers) watcher.close();
  }
}

/** For root SQLite gives the log of a database to its owner at each opening: a look would be the cause of the next one, for ever. */
function newsOf(): (path: string) => boolean {
  const seen = new Map<string, string>();
  return (path) => {
    // The index of that log says nothing that the log does not.
    if (path.endsWith('-shm')) return false;
    if (!path.endsWith('-wal')) return true;
    const stat = statSync(path, { throwIfNoEntry: false });
    const now = `${stat?.mtimeMs} ${stat?.size}`;
    const isNew = seen.get(path) !== now;
    seen.set(path, now);
    return isNew;
  };
}

/** Runs live on when their daemon dies, so whoever made them ends them: each names its run in its environment. */
export function endRuns(folder: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const environment = tryRead(`/proc/${pid}/environ`);
    if (environment?.split('\0').includes(`TODO_HOME=${folder}`) && Number(pid) !== process.pid) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

function tellStory(folder: string, t: TestContext): void {
  t.diagnostic(`the home of this test stays: ${folder}`);
  const logs = join(folder, 'logs');
  for (const name of tryList(logs)) {
    if (!statSync(join(logs, name)).isFile()) continue;
    const lines = (tryRead(join(logs, name)) ?? '').trimEnd().split('\n').slice(-40);
    t.diagnostic(`${name}:\n${lines.join('\n')}`);
  }
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function tryList(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
