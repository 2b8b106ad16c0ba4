// Kills the daemon before each of its durable calls, one after the other, and looks whether everything ends all the same.
//
// `strace -e inject=fsync:signal=KILL:when=7` lets SIGKILL land before the seventh fsync of the main thread takes effect. One life without a
// fault says how many there are; numbers beyond it are tried until a life is no longer struck, because two lives are never quite the same.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../e2e/build.ts';
import { durableCalls, type Life, live } from './daemon.ts';
import { copyHome, makeTemplate, problemsOf } from './scene.ts';

export type Fault = 'KILL' | 'ENOSPC' | 'EIO';
export type Point = {
  readonly call: string;
  readonly nth: number;
  /** What the call was about, the same in all lives: `fsync ~/runs/<run>/final/report.html`. Null: the daemon came to its end first. */
  readonly struck: string | null;
  readonly problems: readonly string[];
  /** For a look at what went wrong. */
  readonly home: string;
  readonly log: string;
};
export type Sweep = {
  readonly points: readonly Point[];
  /** Kinds of calls that were seen in a life without a fault, and those of them that no point struck. */
  readonly kinds: ReadonlySet<string>;
  readonly missed: readonly string[];
  readonly durationMs: number;
};

/** Two lives are never quite the same: so many numbers beyond the last one of the first life are tried. */
const beyondMax = 40;

export class Stage implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), 'todo-crash-'));
  readonly #template = join(this.base, 'template');
  #homes = 0;
  /** Homes of failed points stay. */
  keep = false;

  /** Also fills the compile cache, which else would be written at the end of the first life. */
  async set(): Promise<void> {
    await build();
    makeTemplate(this.#template);
    const life = await live(this.fresh());
    if (life.code !== 0) throw new Error(`a daemon that nobody disturbs exited ${life.code} ${life.osSignal}\n${life.log}`);
  }

  fresh(): string {
    const home = join(this.base, `h${++this.#homes}`);
    copyHome(this.#template, home);
    return home;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.keep) rmSync(this.base, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** All calls of a life that nobody disturbs, by call, as `kindOf` tells them. */
export async function callsOfOneLife(
  stage: Stage,
  calls: readonly string[] = durableCalls,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const home = stage.fresh();
  const life = await live(home, { options: ['-e', `trace=${calls.join(',')}`], file: `${home}.calls` });
  if (life.code !== 0) throw new Error(`the traced daemon exited ${life.code} ${life.osSignal}\n${life.log}`);
  const found = new Map<string, string[]>();
  for (const line of life.calls.filter((line) => !line.startsWith('---'))) {
    const call = line.slice(0, line.indexOf('('));
    found.set(call, [...(found.get(call) ?? []), kindOf(line, home)]);
  }
  return found;
}

export async function sweep(
  stage: Stage,
  {
    fault,
    parallel,
    only = durableCalls,
    tell = () => {},
  }: { fault: Fault; parallel: number; only?: readonly string[]; tell?: (point: Point) => void },
): Promise<Sweep> {
  const startedAtMs = performance.now();
  const calls = await callsOfOneLife(stage, only);
  const points: Point[] = [];
  const waiting = [...calls].flatMap(([call, kinds]) => kinds.map((_, index) => ({ call, nth: index + 1 })));
  const strike = async (call: string, nth: number): Promise<Point> => {
    const point = await strikeAt(stage, fault, call, nth);
    points.push(point);
    tell(point);
    return point;
  };
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await strike(next.call, next.nth);
    }),
  );
  const last = [...calls].map(([call, kinds]) => ({ call, nth: kinds.length }));
  await inTurns(parallel, last, async ({ call, nth }) => {
    for (let beyond = 1; beyond <= beyondMax; beyond++) if ((await strike(call, nth + beyond)).struck === null) return;
  });
  const kinds = new Set([...calls].flatMap(([, kinds]) => kinds));
  const struck = new Set(points.map((point) => point.struck));
  return { points, kinds, missed: [...kinds].filter((kind) => !struck.has(kind)), durationMs: performance.now() - startedAtMs };
}

async function inTurns<T>(parallel: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
    }),
  );
}

/** One life that the fault ends or troubles, one that nobody disturbs, and a look at what is there then. */
async function strikeAt(stage: Stage, fault: Fault, call: string, nth: number): Promise<Point> {
  const home = stage.fresh();
  mkdirSync(join(home, 'work'), { recursive: true });
  const inject = fault === 'KILL' ? `signal=KILL` : `error=${fault}`;
  const options = ['-e', `trace=${call}`, '-e', `inject=${call}:${inject}:when=${nth}`];
  const first = await live(home, { options, file: `${home}.calls` });
  const struck = struckIn(first, fault, nth, home);
  const second = fault === 'KILL' && first.osSignal === null ? null : await live(home);
  const problems = [...endedBadly(first, fault), ...(second === null ? [] : endedBadly(second, null))];
  // Where a life did not come to its end there is no need to say what else is missing.
  if (problems.length === 0) problems.push(...problemsOf(home));
  return { call, nth, struck, problems, home, log: `${first.log}\n--- again ---\n${second?.log ?? ''}` };
}

function endedBadly({ code, osSignal, log }: Life, fault: Fault | null): string[] {
  if (osSignal !== null)
    return fault === 'KILL' && osSignal === 'SIGKILL' && !log.endsWith('in vain')
      ? []
      : [`a daemon ended by ${osSignal}: ${log.split('\n').at(-1)}`];
  // A disk that fails may stop the daemon, with words.
  return code === 0 || (code !== null && fault !== null && fault !== 'KILL' && !log.includes('DEFECT'))
    ? []
    : [`a daemon exited ${code}: ${log.trimEnd().split('\n').slice(-4).join(' | ')}`];
}

function struckIn({ calls }: Life, fault: Fault, nth: number, home: string): string | null {
  const line =
    fault === 'KILL'
      ? calls.at(-1)?.startsWith('+++')
        ? calls.at(-2)
        : calls.at(-1)
      : calls.filter((it) => !it.startsWith('---'))[nth - 1];
  if (line === undefined) return null;
  const wasStruck = fault === 'KILL' ? / = \?$|<unfinished/.test(line) : line.includes('(INJECTED)');
  return wasStruck ? kindOf(line, home) : null;
}

/** A call and its paths without what differs between two lives: home, runs, numbers. */
export function kindOf(line: string, home: string): string {
  const call = line.slice(0, line.indexOf('('));
  const paths = [...line.matchAll(/<([^<>]*)>|"(\/[^"]*)"/g)].map(([, opened, named]) => opened ?? named ?? '').slice(0, 2);
  return [call, ...paths.map((path) => plain(path, home))].join(' ');
}

const plain = (path: string, home: string): string =>
  path
    .replace(home, '~')
    .replace(/todo_\d+_\d+_[0-9a-f-]+/, 'todo_<number>_<epoch>_<run>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
    .replaceAll(/\d{3,}/g, '<n>')
    .replace(/^\/proc\/self\/fd\/\d+\//, '<run folder>/');
