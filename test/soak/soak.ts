// A daemon under its watchdog, at work, while faults come by a seed: for minutes. In the first half daemon and watchdog are killed, too; in the second
// they live, so that what grows with time shows. At the end nothing is lost, doubled, left over, grown, or ended by an error of its own.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { manifestFaults } from '../e2e/aging.ts';
import { build } from '../e2e/build.ts';
import { endRuns, type Json } from '../e2e/harness.ts';
import { memoryOf, taggedBy } from '../fixtures/process-figures.ts';
import { type Fault, faults, stormSize } from './faults.ts';
import { countOf, type SoakHome, signal, soakHome, until } from './home.ts';
import { medianOf, seeded, slopeOf } from './slope.ts';

export type Soaked = {
  readonly todos: number;
  readonly faults: Readonly<Record<string, number>>;
  /** In the second half, by a robust slope over its time. */
  readonly grown: Readonly<Record<string, string>>;
  /** What is not as it must be, in words. */
  readonly wrong: readonly string[];
  readonly folder: string;
};

/** What agents do, and how the todo must end. `said` is in the output that is kept. */
const kinds = [
  {
    name: 'marker',
    command: (it: string) => `sleep 0.3; echo 'kept: ${it}'; "$TODO_MARKER" done 'did ${it}'`,
    status: 'completed',
    proof: 'unverified',
  },
  { name: 'plain', command: (it: string) => `echo 'kept: ${it}'`, status: 'completed', proof: 'unverified' },
  { name: 'failing', command: (it: string) => `echo 'kept: ${it}'; exit 3`, status: 'failed', proof: null },
  {
    name: 'crashing',
    command: (it: string) => `test -e '${it}' || { touch '${it}'; kill -9 $$; }; echo 'kept: ${it}'`,
    status: 'completed',
    proof: 'unverified',
  },
  { name: 'hanging', command: (it: string) => `echo 'kept: ${it}'; exec sleep 600`, status: 'completed', proof: 'forced' },
] as const;

type Added = { readonly title: string; readonly kind: (typeof kinds)[number]; readonly isSure: boolean };
type Sample = { readonly minutes: number; readonly values: Readonly<Record<string, number>> };

/** Between two faults, and between two todos; random, these in the middle. */
const faultEveryMs = 4000;
const todoEveryMs = 1500;
/** After the last todo. */
const calmWithinMs = 90_000;
/** Of the measured half the first part: caches fill, the compiler is at work. */
const warmShare = 0.3;

/**
 * What may grow in the measured part, by its robust slope. Of the heap it is what a collection leaves: a leak of 10 KB a todo is more than that within half an
 * hour. What V8 and the allocator keep for later goes up and down by that and more (48 to 64 MB over 3,000 todos, and down again).
 */
const mayGrow: Readonly<Record<string, number>> = {
  'daemon, MB of heap in use': 3,
  'watchdog, MB of heap in use': 2,
  'daemon, MB anonymous': 20,
  'watchdog, MB anonymous': 12,
  'daemon, open files': 2,
  'watchdog, open files': 2,
  'daemon, threads': 1,
  'watchdog, threads': 1,
};

export async function soak({ minutes, seed, tell }: { minutes: number; seed: number; tell: (text: string) => void }): Promise<Soaked> {
  await build();
  const random = seeded(seed);
  const home = soakHome();
  const added: Added[] = [];
  const happened: string[] = [];
  const samples: Sample[] = [];
  const fromMs = performance.now();
  const half = (minutes * 60_000) / 2;
  /** Since when nobody dies any more: after half of the time, and not before each fault has come once. */
  let calmFromMs: number | null = null;
  const at = (): number => performance.now() - fromMs;
  const isOver = (): boolean => calmFromMs !== null && at() >= calmFromMs + half;
  const deck = dealt(random, () => calmFromMs === null);
  home.startWatchdog();
  try {
    await until('the daemon is there', 60_000, () => home.daemonPid());
    await Promise.all([
      (async () => {
        while (!isOver()) {
          added.push(await add(home, `${seed}-${added.length}`, kinds[Math.floor(random() * kinds.length)]!));
          await pass(todoEveryMs * (0.5 + random()));
        }
      })(),
      (async () => {
        while (!isOver()) {
          await pass(faultEveryMs * (0.5 + random()));
          const { value: fault } = deck.next();
          happened.push(fault.name);
          tell(`${Math.round(at() / 1000)} s: ${fault.name}`);
          await fault.act(home, random);
          if (calmFromMs === null && at() >= half && happened.length >= faults.length) calmFromMs = at();
        }
      })(),
      (async () => {
        while (!isOver()) {
          await pass(Math.max(1000, half / 200));
          if (calmFromMs !== null && at() > calmFromMs + half * warmShare) samples.push({ minutes: at() / 60_000, values: valuesOf(home) });
        }
      })(),
    ]);
    await until(
      'all todos have ended',
      calmWithinMs,
      () => home.rows('SELECT number FROM todo').length >= sure(added) && live(home) === 0,
    ).catch((error: Error) => tell(error.message));
    const wrong = [...wrongInHome(home, added, happened), ...grownTooMuch(samples), ...(await wrongAtEnd(home))];
    if (wrong.length === 0) rmSync(dirname(home.folder), { recursive: true, force: true, maxRetries: 5 });
    return {
      todos: added.length,
      faults: Object.fromEntries(faults.map(({ name }) => [name, happened.filter((it) => it === name).length])),
      grown: Object.fromEntries(Object.keys(mayGrow).map((name) => [name, describe(growthOf(samples, name))])),
      wrong,
      folder: home.folder,
    };
  } finally {
    signal(home.watchdog().pid, 'SIGCONT');
    signal(home.watchdog().pid, 'SIGKILL');
    endRuns(home.folder);
  }
}

/** Each comes before any comes again, in an order of chance. */
function* dealt(random: () => number, mayDie: () => boolean): Generator<Fault, never> {
  for (;;) {
    const deck = faults.map((fault) => ({ fault, place: random() })).sort((a, b) => a.place - b.place);
    for (const { fault } of deck) if (mayDie() || !fault.isDeadly) yield fault;
  }
}

/** An add that a locked store refused may have been stored all the same: it is there once or not at all. */
async function add(home: SoakHome, title: string, kind: Added['kind']): Promise<Added> {
  const args = ['--json', 'add', title, '--agent', 'shell', '--prompt', kind.command(title), '--cwd', home.work];
  return { title, kind, isSure: (await home.run(args)).code === 0 };
}

const sure = (added: readonly Added[]): number => added.filter(({ isSure }) => isSure).length;
const live = (home: SoakHome): number =>
  home.rows("SELECT id FROM todo WHERE status NOT IN ('completed', 'failed', 'blocked', 'cancelled', 'dead-lettered')").length +
  readdirSync(join(home.folder, 'runs')).filter((name) => !neverBegun(home).includes(name)).length;

function valuesOf(home: SoakHome): Record<string, number> {
  const of = (name: string, pid: number | null | undefined): Record<string, number> =>
    pid === null || pid === undefined
      ? {}
      : {
          ...heap(name, home.liveHeapOf(pid)),
          [`${name}, MB anonymous`]: memoryOf(pid).anonymous,
          [`${name}, open files`]: readdirSync(`/proc/${pid}/fd`).length,
          [`${name}, threads`]: readdirSync(`/proc/${pid}/task`).length,
        };
  return { ...of('daemon', home.daemonPid()), ...of('watchdog', home.watchdog().pid) };
}

const heap = (name: string, megabytes: number | null): Record<string, number> =>
  megabytes === null ? {} : { [`${name}, MB of heap in use`]: megabytes };

type Growth = { readonly first: number; readonly last: number; readonly by: number };

function growthOf(samples: readonly Sample[], name: string): Growth | null {
  const points = samples.flatMap(({ minutes, values }) => (values[name] === undefined ? [] : [{ x: minutes, y: values[name] }]));
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return null;
  const tenth = Math.max(1, Math.floor(points.length / 10));
  const middle = (some: typeof points): number => medianOf(some.map(({ y }) => y)) ?? 0;
  return { first: middle(points.slice(0, tenth)), last: middle(points.slice(-tenth)), by: slopeOf(points) * (last.x - first.x) };
}

const describe = (growth: Growth | null): string =>
  growth === null ? 'not seen' : `${growth.first.toFixed(1)} to ${growth.last.toFixed(1)}, by its slope ${growth.by.toFixed(1)} more`;

const grownTooMuch = (samples: readonly Sample[]): string[] =>
  Object.entries(mayGrow).flatMap(([name, most]) => {
    const growth = growthOf(samples, name);
    if (growth === null) return [`${name}: never seen`];
    return growth.by > most ? [`${name}: ${describe(growth)}, and ${most} is allowed`] : [];
  });

/** With the daemon still there. */
function wrongInHome(home: SoakHome, added: readonly Added[], happened: readonly string[]): string[] {
  const wrong: string[] = [];
  const todos = home.rows('SELECT id, title, status, proof, reason FROM todo');
  for (const { title, kind, isSure } of added) {
    const mine = todos.filter((it) => it.title === title);
    const [todo] = mine;
    if (mine.length > 1 || (isSure && mine.length === 0)) wrong.push(`todo ${title} is there ${mine.length} times`);
    if (todo === undefined) continue;
    if (todo.status !== kind.status || (todo.proof ?? null) !== kind.proof)
      wrong.push(`todo ${title} (${kind.name}) is ${todo.status}, ${todo.proof}: ${todo.reason}`);
    wrong.push(...wrongInRecords(home, todo, title));
  }
  if (todos.length > added.length) wrong.push(`${todos.length} todos, but ${added.length} were added`);

  const restarts = home.log('logs/watchdog_logs/monitor.log').filter(({ event }) => event === 'watchdog: restart');
  const times = (name: string): number => happened.filter((it) => it === name).length;
  // Who was adopted is nobody's child: that it was ended by a signal is not told.
  const killed = restarts.filter(({ reason }) => /SIGKILL|^it has ended$/.test(reason)).length;
  const hung = restarts.filter(({ cause }) => cause === 'hang').length;
  if (killed > times('daemon killed') || hung > times('daemon frozen for good') || killed + hung < restarts.length)
    wrong.push(`restarts that nobody asked for: ${JSON.stringify(restarts.map(({ cause, reason }) => `${cause}: ${reason}`))}`);
  const errors = home.log('logs/monitor.log').filter(({ event, level }) => level === 'CRITICAL' || /ended by an error/.test(String(event)));
  if (errors.length > 0) wrong.push(`told as critical: ${JSON.stringify(errors.slice(0, 3))}`);
  const printed = [home.text('logs/watchdog_logs/daemon.out'), home.text('logs/watchdog_logs/daemon.out.1')].join('\n');
  const traces = printed.split('\n').filter((line) => /unhandled|uncaught|^\s+at .+\d\)?$/i.test(line));
  if (traces.length > 0) wrong.push(`errors in what the daemon printed: ${JSON.stringify(traces.slice(0, 5))}`);

  const unbegun = new Set(neverBegun(home));
  const deaths = happened.filter((it) => faults.some(({ name, isDeadly }) => isDeadly && name === it)).length;
  if (unbegun.size > deaths) wrong.push(`${unbegun.size} claims that came to nothing, of ${deaths} deaths`);
  for (const folder of ['runs', 'spool/new', 'spool/cur', 'spool/tmp']) {
    const left = readdirSync(join(home.folder, folder)).filter((name) => !unbegun.has(name));
    if (left.length > 0) wrong.push(`${folder} is not empty: ${left.slice(0, 3)}`);
  }
  const bad = countOf(join(home.folder, 'spool', 'bad'));
  if (bad > 2 * times('marker storm') * stormSize + added.length) wrong.push(`${bad} files in spool/bad`);
  if (countOf(join(home.folder, 'logs', 'watchdog_logs', 'incidents')) > 50) wrong.push('more incidents than are kept');
  // Agents that live through a restart in place are not known to Node any more: ended, they stay as zombies until the daemon ends, too.
  const zombiesMax = 4 * times('daemon asked to begin anew');
  const agents = taggedBy(`TODO_HOME=${home.folder}`).filter((pid) => ![home.daemonPid(), home.watchdog().pid].includes(pid));
  if (agents.length > 0) wrong.push(`processes that nobody needs: ${agents}`);
  for (const [name, pid] of [
    ['daemon', home.daemonPid()],
    ['watchdog', home.watchdog().pid],
  ] as const)
    if (pid && zombiesOf(pid) > zombiesMax) wrong.push(`zombies of the ${name}: ${zombiesOf(pid)}`);
  return wrong;
}

/** A daemon died between a claim and its journal: nothing was started, its lease ran out, and its folder is the sweep's, hours later. */
const neverBegun = (home: SoakHome): readonly string[] =>
  home
    .rows(
      "SELECT id FROM run WHERE outcome = 'lost' AND id NOT IN (SELECT run_id FROM completion) AND id NOT IN (SELECT run_id FROM journal)",
    )
    .map(({ id }) => String(id));

/** Each run that began has one record and one archive that is whole, and one of them is the end of the todo, with what its own agent printed. */
function wrongInRecords(home: SoakHome, todo: Json, title: string): string[] {
  const begun = new Set(home.rows('SELECT id FROM run WHERE todo_id = ?', todo.id).map(({ id }) => String(id)));
  for (const id of neverBegun(home)) begun.delete(id);
  const records = home.rows('SELECT run_id, todo_status FROM completion WHERE todo_id = ?', todo.id);
  const ends = records.filter((it) => it.todo_status === todo.status);
  const folders = readdirSync(join(home.folder, 'archive'));
  const foldersOf = (runId: string): string[] => folders.filter((name) => name.endsWith(`_${runId}`)).map((name) => join('archive', name));
  const wrong = records.flatMap(({ run_id }) => {
    const found = foldersOf(run_id);
    return found.length === 1 ? manifestFaults(join(home.folder, found[0]!)) : [`run ${run_id} has ${found.length} archives`];
  });
  if (records.length !== begun.size) wrong.push(`${records.length} records of ${begun.size} runs`);
  if (ends.length !== 1) wrong.push(`it ended ${ends.length} times`);
  const [folder = ''] = foldersOf(ends[0]?.run_id ?? 'none');
  if (!home.text(join(folder, 'output.txt')).includes(`kept: ${title}`)) wrong.push('its output is not its own');
  return wrong.map((text) => `todo ${title}: ${text}`);
}

/** The watchdog is asked to end, and takes the daemon with it: nothing of the home is left. */
async function wrongAtEnd(home: SoakHome): Promise<string[]> {
  const watchdog = home.watchdog();
  const ended = new Promise<number | null>((resolve) => watchdog.once('exit', (code) => resolve(code)));
  if (watchdog.exitCode !== null) return [`the watchdog had ended with ${watchdog.exitCode}`];
  watchdog.kill('SIGTERM');
  const code = await ended;
  const left = taggedBy(`TODO_HOME=${home.folder}`);
  return [
    ...(code === 0 ? [] : [`the watchdog ended with ${code}`]),
    ...(left.length === 0 ? [] : [`processes that outlived the end: ${left}`]),
    ...(existsSync(join(home.folder, 'watchdogs', 'daemon.untold')) ? ['events of the watchdog that nobody was told'] : []),
  ];
}

function zombiesOf(parent: number): number {
  const states = readdirSync('/proc').flatMap((name) => {
    const [state, itsParent] = /^\d+$/.test(name) ? statOf(name) : [];
    return Number(itsParent) === parent ? [state] : [];
  });
  return states.filter((state) => state === 'Z').length;
}

/** State, parent and so on: what follows the name in brackets. */
function statOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
