// Cuts the power of the disk that a daemon lives on, at instants by seed, and looks whether everything ends all the same.
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Agent, agents, copyHome, makeTemplate, problemsOfArchive, type Row, shown } from '../crash/scene.ts';
import { build } from '../e2e/build.ts';
import { createDice } from '../sim/random.ts';
import { Disk, type FileSystem } from './disk.ts';
import { type Life, liveOn, liveUntilCut } from './lives.ts';

export type Cut = {
  readonly seed: number;
  /** What the daemon had said last when the power went, of each cut of this home. */
  readonly after: readonly string[];
  /** Completions that were acknowledged before a cut. */
  readonly acknowledged: number;
  readonly problems: readonly string[];
  readonly log: string;
};

/** Of homes whose power is cut, one in three loses it again while the next daemon finds out what the first has left. */
const againChance = 1 / 3;
/** A moment: more than lies between two lines of the log. */
const moreMsMax = 40;

/** A disk, and a template of a home that is copied to it for each cut. */
export class Rig implements AsyncDisposable {
  readonly #disk: Disk;
  readonly #folder = mkdtempSync(join(tmpdir(), 'todo-power-template-'));
  readonly #template = join(this.#folder, 'home');
  #lines = 0;

  constructor(kind: FileSystem) {
    this.#disk = new Disk(kind);
  }

  get kind(): FileSystem {
    return this.#disk.kind;
  }

  /** Tells from one life on it how many lines a daemon says. */
  async set(): Promise<void> {
    await build();
    makeTemplate(this.#template);
    const { code, log } = await liveOn(await this.#fresh('first'));
    if (code !== 0) throw new Error(`a daemon that nobody disturbs ended with ${code}\n${log.join('\n')}`);
    this.#lines = log.length;
  }

  async #fresh(name: string): Promise<string> {
    const home = join(this.#disk.path, name);
    copyHome(this.#template, home);
    // What was there before the story begins is durable.
    await this.#disk.restore();
    return home;
  }

  /** Of two files, one flushed with its name and one not: what a cut leaves of them. */
  async forgets(): Promise<{ readonly flushed: string | null; readonly unflushed: string | null }> {
    const [flushed, unflushed] = ['flushed', 'unflushed'].map((name) => join(this.#disk.path, name)) as [string, string];
    writeFileSync(flushed, 'it is here', { flush: true });
    const folder = openSync(this.#disk.path, 'r');
    fsyncSync(folder);
    closeSync(folder);
    writeFileSync(unflushed, 'it was here');
    this.#disk.cut();
    await this.#disk.restore();
    const read = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8') : null);
    return { flushed: read(flushed), unflushed: read(unflushed) };
  }

  async cut(seed: number): Promise<Cut> {
    const dice = createDice(`power cut ${seed}`);
    const home = await this.#fresh(`cut${seed}`);
    const lives: Life[] = [];
    for (let cuts = dice.chance(againChance) ? 2 : 1; cuts > 0; cuts--)
      lives.push(await liveUntilCut(home, this.#disk, { lines: dice.int(1, this.#lines), moreMs: dice.int(0, moreMsMax) }));
    const last = await liveOn(home);
    const acknowledged = new Set(lives.flatMap((life) => runsIn(life, 'closed')));
    // An output that nobody had flushed when the power went is gone with it: whole is what began and ended between two cuts.
    const whole = new Set(
      [...lives, last].flatMap((life) => runsIn(life, 'closed').filter((run) => runsIn(life, 'claimed').includes(run))),
    );
    const problems = last.code === 0 ? problemsOf(home, acknowledged, whole) : [`the daemon after the cut ended with ${last.code}`];
    const log = [...lives, last].map((life) => life.log.join('\n')).join('\n--- the power is back ---\n');
    rmSync(home, { recursive: true });
    return { seed, after: lives.map((life) => life.log.at(-1) ?? ''), acknowledged: acknowledged.size, problems, log };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
  }
}

const runsIn = ({ log }: Life, event: 'claimed' | 'closed'): readonly string[] =>
  log.flatMap((line) => (line.includes(` ${event} `) ? (/\brun=([0-9a-f-]{36})/.exec(line)?.[1] ?? []) : []));

/** Looked at from outside: each todo has one end, which is whole, and what was acknowledged is there. A run that was given back is acknowledged too. */
function problemsOf(home: string, acknowledged: ReadonlySet<string>, whole: ReadonlySet<string>): readonly string[] {
  const db = new DatabaseSync(join(home, 'todo.db'));
  const rows = (sql: string, ...values: string[]): readonly Row[] => db.prepare(sql).all(...values) as Row[];
  const problems: string[] = [];
  if (rows('PRAGMA integrity_check')[0]?.['integrity_check'] !== 'ok') problems.push('the database is damaged');
  for (const run of acknowledged)
    if (rows('SELECT 1 FROM completion WHERE run_id = ?', run).length !== 1) problems.push(`the acknowledged run ${run} is lost`);
  for (const agent of agents) {
    const todo = rows('SELECT * FROM todo WHERE title = ?', agent.title)[0];
    if (todo === undefined) problems.push(`todo ${agent.title} is gone`);
    else problems.push(...problemsOfTodo(agent, todo, rows, whole).map((problem) => `${agent.title}: ${problem}`));
  }
  db.close();
  return problems;
}

function problemsOfTodo(
  agent: Agent,
  todo: Row,
  rows: (sql: string, ...values: string[]) => readonly Row[],
  whole: ReadonlySet<string>,
): readonly string[] {
  const id = String(todo['id']);
  const ends = rows("SELECT * FROM completion WHERE todo_id = ? AND todo_status IN ('completed', 'failed', 'cancelled')", id);
  const [end] = ends;
  if (end === undefined || ends.length > 1) return [`it is ${shown(todo['status'])} and has ${ends.length} ends`];
  const problems: string[] = [];
  if (todo['status'] !== 'completed' || todo['proof'] !== agent.proof)
    problems.push(`it is ${shown(todo['status'])} ${shown(todo['proof'])}: ${shown(todo['reason'])}`);
  const done = rows("SELECT id FROM run WHERE todo_id = ? AND outcome = 'done'", id);
  if (done.length !== 1 || done[0]?.['id'] !== end['run_id']) problems.push(`runs that are done: ${shown(done)}`);
  const output = whole.has(String(end['run_id'])) ? agent.output : null;
  return [...problems, ...problemsOfArchive(agent, todo, end, output)];
}
