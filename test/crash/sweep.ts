// Lets the daemon die before each of its durable calls, one after the other, and looks whether everything ends all the same.
//
// `strace -e inject=fsync:signal=KILL:when=7` lets SIGKILL land before the seventh fsync of the main thread takes effect. One life without a
// fault says how many there are. Two lives are never quite the same, so numbers beyond the last one are tried until a life is not struck any
// more, and a kind of call that no number happened to strike is looked for until it is.
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../e2e/build.ts';
import { durableCalls, type Life, live } from './daemon.ts';
import { copyHome, makeTemplate, problemsOf } from './scene.ts';

export type Fault = 'KILL' | 'ENOSPC' | 'EIO';
/** The nth call of that name in a life; with a path (`~/todo.db`) the nth on that file. */
export type Target = { readonly call: string; readonly nth: number; readonly path?: string };
export type Point = Target & {
  /** What the call was about, the same in all lives: `fsync ~/runs/<id>/final/report.html`. Null: the daemon came to its end first. */
  readonly struck: string | null;
  /** All calls of that name that the life had made until then, as kinds. */
  readonly made: readonly string[];
  readonly problems: readonly string[];
  /** For a look at what went wrong. */
  readonly home: string;
  readonly log: string;
};
/** By name of the call: its kinds, in the order of a life that nobody disturbs. */
export type Calls = ReadonlyMap<string, readonly string[]>;

/** What a process wrote stays when it dies, on any disk; in memory nobody waits for one. (What a disk forgets is another test: test/power.) */
const inMemory = hasRoom('/dev/shm') ? '/dev/shm' : null;

/** Homes of failed points stay; containers are often given 64 MB only. */
function hasRoom(path: string): boolean {
  if (!existsSync(path)) return false;
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize > 512 * 1024 * 1024;
}

/** A template of a home, and the copies that points are made on. */
export class Stage implements AsyncDisposable {
  readonly base = mkdtempSync(join(inMemory ?? tmpdir(), 'todo-crash-'));
  readonly #template = join(this.base, 'template');
  #homes = 0;
  /** Of failed points the homes stay. */
  keep = false;

  /** Also fills the compile cache, which else would be written at the end of the first life. */
  async set(): Promise<void> {
    await build();
    makeTemplate(this.#template);
    const life = await live(this.fresh());
    if (life.code !== 0) throw new Error(`a daemon that nobody disturbs ended with ${life.code ?? life.osSignal}\n${life.log}`);
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

export async function callsOfOneLife(stage: Stage, names: readonly string[] = durableCalls): Promise<Calls> {
  const home = stage.fresh();
  const life = await live(home, { options: ['-e', `trace=${names.join(',')}`], file: `${home}.calls` });
  if (life.code !== 0) throw new Error(`the traced daemon ended with ${life.code ?? life.osSignal}\n${life.log}`);
  const kinds = callsIn(life).map((line) => kindOf(line, home));
  const durable = kinds.filter(isDurable);
  const marked = new Set(durable.keys().filter((at) => isAmid(durable, at)));
  const found = new Map<string, string[]>();
  let at = 0;
  for (const kind of kinds) {
    const [call = ''] = kind.split(' ');
    const shown = isDurable(kind) && marked.has(at++) ? `${kind}${amid}` : kind;
    found.set(call, [...(found.get(call) ?? []), shown]);
  }
  return found;
}

/** Of a page that SQLite writes to its log between two others: nothing is committed before the flush that follows the last of them. */
const amid = ', amid a transaction';
const isAmid = (kinds: readonly string[], at: number): boolean =>
  kinds[at] === 'pwrite64 ~/todo.db-wal' && kinds[at - 1] === kinds[at] && kinds[at + 1] === kinds[at];
/** So many of them stand for all where time is short. */
const amidEach = 10;

/**
 * Every durable call. Of writes those into files of the home: the others wake threads and talk to pipes. Unless `whole`, of the pages of one
 * transaction the first, the last, and a tenth of those between, which are one case: a transaction that was never committed.
 */
export function targetsOf(calls: Calls, whole: boolean): readonly Target[] {
  const all = [...calls].flatMap(([call, kinds]) => kinds.map((kind, index) => ({ call, nth: index + 1, kind })));
  const between = all.filter(({ kind }) => kind.endsWith(amid));
  const left = new Set(whole ? [] : between.filter((_, index) => index % amidEach !== 0));
  return all.filter((it) => isDurable(it.kind) && !left.has(it)).map(({ call, nth }) => ({ call, nth }));
}

const isDurable = (kind: string): boolean =>
  !kind.startsWith('write ') || (kind.startsWith('write ~/') && !kind.startsWith('write ~/logs/'));

/** The points that a sweep owes beyond the numbers of the first life. */
export async function strikeTheRest(
  stage: Stage,
  fault: Fault,
  calls: Calls,
  struck: readonly Point[],
  parallel: number,
): Promise<readonly Point[]> {
  const names = [...calls.keys()].filter((call) => call !== 'write');
  const beyond = await inTurns(parallel, names, (call) => strikeBeyond(stage, fault, { call, nth: calls.get(call)?.length ?? 0 }));
  const done = [...struck, ...beyond.flat()];
  const sought = await inTurns(parallel, missedIn(calls, done), (kind) => seek(stage, fault, kind, calls, seekMax));
  return [...beyond.flat(), ...sought.flat()];
}

/** Each of these kinds once; a number that turns out to be another kind counts for that. So often each, as in `seek`. */
export async function strikeKinds(
  stage: Stage,
  fault: Fault,
  kinds: readonly string[],
  calls: Calls,
  triesMax: number,
  parallel: number,
): Promise<readonly Point[]> {
  const points: Point[] = [];
  await inTurns(parallel, kinds, async (kind) => {
    if (points.some(({ struck }) => struck === kind)) return;
    points.push(...(await seek(stage, fault, kind, calls, triesMax)));
  });
  return points;
}

/** Kinds that were seen in a life without a fault and that no point struck. */
export function missedIn(calls: Calls, points: readonly Point[]): readonly string[] {
  const struck = new Set(points.map((point) => point.struck));
  return [...new Set([...calls.values()].flat())].filter((kind) => isDurable(kind) && !kind.endsWith(amid) && !struck.has(kind));
}

const beyondMax = 40;

async function strikeBeyond(stage: Stage, fault: Fault, { call, nth }: Target): Promise<readonly Point[]> {
  const points: Point[] = [];
  for (let beyond = 1; beyond <= beyondMax; beyond++) {
    const point = await strike(stage, fault, { call, nth: nth + beyond });
    points.push(point);
    if (point.struck === null) break;
  }
  return points;
}

/** So often; of a file with a fixed name strace counts the calls on that file alone. */
export const seekMax = 24;

/**
 * At the number where it was, then where it was in the life before: each tells by what it had made whether the kind was past or still to come.
 * Writes wake threads, too, so their numbers differ by more the busier the machine is.
 */

async function seek(stage: Stage, fault: Fault, kind: string, calls: Calls, triesMax: number): Promise<readonly Point[]> {
  const [call = '', path = ''] = kind.split(' ');
  const points: Point[] = [];
  const next = async (target: Target): Promise<Point> => points[points.push(await strike(stage, fault, target)) - 1]!;
  if (isFixed(path) && (await next({ call, nth: 1, path })).struck === kind) return points;
  let nth = (calls.get(call) ?? []).indexOf(kind) + 1;
  for (let tries = 0; tries < triesMax && nth > 0; tries++) {
    const { struck, made } = await next({ call, nth });
    if (struck === kind) return points;
    const at = made.indexOf(kind);
    nth = at >= 0 ? at + 1 : nth + 1;
  }
  return points;
}

/** The same in each life: strace can count the calls on it alone. */
const isFixed = (path: string): boolean => /^~[^<>]*$/.test(path);

/** One life that the fault ends or troubles, one that nobody disturbs, and a look at what is there then. */
export async function strike(stage: Stage, fault: Fault, { call, nth, path }: Target): Promise<Point> {
  const home = stage.fresh();
  const inject = fault === 'KILL' ? 'signal=KILL' : `error=${fault}`;
  const only = path === undefined ? [] : ['-P', path.replace('~', home)];
  const options = [...only, '-e', `trace=${call}`, '-e', `inject=${call}:${inject}:when=${nth}`];
  const first = await live(home, { options, file: `${home}.calls` });
  const struck = struckIn(first, fault, nth, home);
  const made = callsIn(first).map((line) => kindOf(line, home));
  // A disk that failed once may have stopped nobody; then there is nothing to go on with.
  const undisturbed = fault === 'KILL' ? struck === null : first.code === 0;
  const second = undisturbed ? null : await live(home);
  const problems = [...endedBadly(first, fault), ...(second === null ? [] : endedBadly(second, null))];
  // Where a life did not come to its end there is no need to say what else is missing.
  if (problems.length === 0) problems.push(...problemsOf(home, fault === 'KILL' ? 'never' : 'may-be'));
  if (problems.length > 0) stage.keep = true;
  else rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  return { call, nth, struck, made, problems, home, log: `${first.log}\n--- again ---\n${second?.log ?? ''}` };
}

function endedBadly({ code, osSignal, log, hung }: Life, fault: Fault | null): readonly string[] {
  const last = log.trimEnd().split('\n').slice(-4).join(' | ');
  if (hung) return [`a daemon did not come to its end: ${last}`];
  if (code === 0 || (fault === 'KILL' && osSignal === 'SIGKILL')) return [];
  // A disk that fails may stop the daemon, if it says why.
  if (fault !== null && fault !== 'KILL' && code !== null && saysWhy.test(log) && !log.includes('defect of signoff')) return [];
  return [`a daemon ended with ${code ?? osSignal}: ${last}`];
}

const saysWhy = /\b(DISK_FULL|FILE_UNWRITABLE|FILE_UNREADABLE|JOURNAL_UNWRITABLE|STORE_FULL|STORE_UNREACHABLE|ENOSPC|EIO)\b/;

const callsIn = ({ calls }: Life): readonly string[] => calls.filter((line) => /^\w+\(/.test(line));

function struckIn(life: Life, fault: Fault, nth: number, home: string): string | null {
  const line = callsIn(life)[fault === 'KILL' ? callsIn(life).length - 1 : nth - 1];
  const wasStruck = line !== undefined && (fault === 'KILL' ? life.osSignal === 'SIGKILL' : line.includes('(INJECTED)'));
  return wasStruck ? kindOf(line, home) : null;
}

/** A call and its paths without what differs between two lives: home, runs, numbers. */
export function kindOf(line: string, home: string): string {
  const call = line.slice(0, line.indexOf('('));
  const opened = /^\w+\(\d+<([^<>]*)>/.exec(line)?.[1];
  // What is written may look like a path too.
  const paths = opened !== undefined ? [opened] : Array.from(line.matchAll(/"(\/[^"]*)"/g), ([, named]) => named ?? '').slice(0, 2);
  return [call, ...paths.map((path) => plain(path, home))].join(' ');
}

const plain = (path: string, home: string): string =>
  path
    .replace(home, '~')
    .replace(/todo_\d+_\d+_[0-9a-f-]+/, 'todo_<number>_<epoch>_<id>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
    .replaceAll(/\d{3,}/g, '<n>')
    .replace(/^\/proc\/self\/fd\/\d+\//, '<run folder>/');

/** So many at a time. */
export async function inTurns<T, R>(parallel: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const waiting = [...items];
  const done: R[] = [];
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) done.push(await work(next));
    }),
  );
  return done;
}
