import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { manifestName, parseManifest } from '../../core/manifest.ts';
import { newEntry } from '../../core/new-entry.ts';
import type { NewTodo } from '../../core/todo.ts';
import { claimExternal } from '../../daemon/claim-external.ts';
import type { Opened } from '../command.ts';
import type { Ended, Lab } from './lab.ts';

export type Check = { readonly name: string; readonly run: (lab: Lab) => Promise<void> };

/** What a check found wrong, in words. */
class Wrong extends Error {}

function expect(what: string, holds: boolean): asserts holds {
  if (!holds) throw new Wrong(what);
}

function same<T>(what: string, got: T, wanted: T): void {
  const [is, should] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (is !== should) throw new Wrong(`${what} is ${is}, not ${should}`);
}

const isCompleted = ({ todo, runs }: Ended, proof: 'verified' | 'unverified' | 'forced'): void => {
  same('status and proof', [todo.status, todo.proof], ['completed', proof]);
  same('the number of runs', runs.length, 1);
  expect('there is no report', todo.report !== null && existsSync(todo.report));
};

const done = '"$TODO_MARKER"';

/** Side by side in one home: each has its own todo. */
export const checks: readonly Check[] = [
  {
    name: 'home: folders are made, and the disk keeps what is written',
    async run({ world, folder }) {
      for (const path of [world.home.spool.new, world.home.runs, world.home.archive, world.home.logs])
        expect(`${path} is missing`, existsSync(path));
      const path = join(folder, 'work', 'written');
      world.files.write(path, 'kept');
      world.files.sync(path);
      same('what was written', world.files.readText(path), 'kept');
    },
  },
  {
    name: 'store: gives back what it was given, byte for byte',
    async run({ world, folder }) {
      const strange = `it's "quoted" \\ ; drop table todo; -- ünïcödé 𝄞 😀\n\ttab ${'x'.repeat(100_000)}`;
      const todo: NewTodo = {
        id: world.random.uuidv7(),
        title: "Bobby '); --",
        prompt: strange,
        cwd: folder,
        project: folder,
        agent: 'shell',
        session: null,
        checks: [strange],
        priority: 9,
        timeoutMs: 1234,
        rounds: 1,
        after: null,
        held: true,
      };
      await world.store.add(todo);
      const back = await world.store.find(todo.id);
      same('prompt', back?.prompt, strange);
      same('checks', back?.checks, [strange]);
      same('title', back?.title, todo.title);
    },
  },
  {
    name: 'store: of two claims of one todo one is granted',
    async run({ world, add }) {
      const todo = await add('true', { held: true });
      const claim = () =>
        world.store.claim({
          runId: world.random.uuidv7(),
          tokenSha256: '',
          host: 'self-test',
          kind: 'person',
          leaseMs: 60_000,
          todoId: todo.id,
          slots: null,
          agents: null,
          externalLeaseMs: null,
        });
      const kinds = (await Promise.all([claim(), claim()])).map((it) => it.kind);
      same('the answers', kinds.toSorted(), ['claimed', 'refused']);
    },
  },
  {
    name: 'journal: keeps an entry until it is closed',
    async run({ world, add }) {
      const todo = await add('true', { held: true });
      const run = {
        id: world.random.uuidv7(),
        todoId: todo.id,
        fence: 1,
        agent: 'shell',
        kind: 'person',
        host: '',
        tokenSha256: '',
        leaseUntilMs: 0,
        round: 1,
        startedAtMs: 0,
        endedAtMs: null,
        outcome: null,
        saidBy: null,
      } as const;
      const entry = newEntry({ todo, run, owner: world.processes.self(), conversationId: 'self-test', nowMs: world.clock.nowMs() });
      await world.journal.save({ ...entry, kind: 'person' });
      expect(
        'it is not among the live ones',
        world.journal.live().some((it) => it.ref.runId === run.id),
      );
      await world.journal.save({ ...entry, fact: 'closed' });
      expect('it is live although closed', !world.journal.live().some((it) => it.ref.runId === run.id));
    },
  },
  {
    name: 'done: the word of an agent without checks completes its todo, unverified',
    async run({ end }) {
      const ended = await end(`echo hello; ${done}`);
      isCompleted(ended, 'unverified');
      same('who said it', ended.runs[0]?.saidBy, 'marker');
    },
  },
  {
    name: 'checks: those that pass complete a todo, verified',
    run: async ({ end }) => isCompleted(await end(`touch made; ${done}`, { checks: ['test -e made'] }), 'verified'),
  },
  {
    name: 'checks: a failed check keeps a todo from being completed',
    async run({ end }) {
      const { todo } = await end(done, { checks: ['true', 'test -e never-made'] });
      same('status and proof', [todo.status, todo.proof], ['failed', null]);
      expect('the reason does not name the check', todo.reason?.includes('never-made') === true);
    },
  },
  {
    name: 'timers: a run that hangs is ended, its todo completed with proof forced',
    async run({ end }) {
      const ended = await end('mkfifo wait; read word < wait', { timeoutMs: 500 });
      isCompleted(ended, 'forced');
      expect('the summary does not say so', ended.todo.summary?.startsWith('FORCE-COMPLETED') === true);
    },
  },
  {
    name: 'markers: one that comes twice is recorded once',
    async run({ end, world }) {
      const ended = await end(`${done}; ${done}; ${done}`);
      isCompleted(ended, 'unverified');
      const stored = await world.store.readBack(ended.runs[0]?.id ?? '');
      same('the recorded outcome', stored?.record.outcome, 'done');
      expect(
        'a marker is left',
        readdirSync(world.home.spool.cur).every((name) => !name.startsWith(ended.runs[0]?.id ?? '')),
      );
    },
  },
  {
    name: 'markers: a forged one is set aside and changes nothing',
    async run({ add, ended, until, world }) {
      const todo = await add(`mkfifo wait; TODO_TOKEN=forged ${done}; read word < wait; ${done}`);
      await until('the forged marker is set aside', () => (readdirSync(world.home.spool.bad).length > 0 ? true : null));
      expect('it ended by the forged marker', ['claimed', 'running'].includes((await world.store.find(todo.id))?.status ?? ''));
      writeFileSync(join(todo.cwd, 'wait'), 'go on\n');
      isCompleted(await ended(todo.id), 'unverified');
    },
  },
  {
    name: 'exits: a silent one speaks by its code, 0 or not',
    async run({ end }) {
      const [fine, bad] = await Promise.all([end('true'), end('exit 3')]);
      isCompleted(fine, 'unverified');
      same('who said it', fine.runs[0]?.saidBy, 'process-end');
      same('the end of exit 3', bad.todo.status, 'failed');
    },
  },
  {
    name: 'crashes: a killed agent is a new attempt, not an end',
    async run({ end }) {
      const { todo, runs } = await end('[ -e second ] && exit 0; touch second; kill -9 $$');
      same('status', todo.status, 'completed');
      same('outcomes', runs.map((run) => run.outcome).toSorted(), ['done', 'lost']);
    },
  },
  {
    name: 'by hand: echo TASK_COMPLETED ends a todo that a person works on',
    async run({ add, ended, engine, world }) {
      const todo = await add('by hand', { held: true });
      const { marker, pointer } = world.home.legacy;
      const claimed = await claimExternal(todo.id, engine.context);
      expect('it was not claimed', claimed !== null && marker !== null && pointer !== null);
      writeFileSync(marker, 'TASK_COMPLETED\n');
      engine.wake();
      isCompleted(await ended(todo.id), 'unverified');
      expect('marker or pointer is left', !existsSync(marker) && !existsSync(pointer));
    },
  },
  {
    name: 'archive: holds what its manifest lists, with these digests',
    async run({ end, world }) {
      const { todo } = await end(`echo for the archive; ${done}`);
      const folder = dirname(todo.report ?? '');
      const listed = parseManifest(readFileSync(join(folder, manifestName), 'utf8')) ?? [];
      expect('it lists nothing', listed.length >= 3);
      for (const file of listed) same(file.name, world.digest.sha256(readFileSync(join(folder, file.name))), file.sha256);
      expect('the output is not there', readFileSync(join(folder, 'output.txt'), 'utf8').includes('for the archive'));
    },
  },
  {
    name: 'verbs: what has ended is refused, and stays as it is',
    async run({ end, engine, world }) {
      const { todo } = await end('true');
      const reply = await engine.request({ op: 'emergency', todoId: todo.id, action: 'reset', reason: null }, new AbortController().signal);
      same('the answer', reply.ok, false);
      same('the todo', await world.store.find(todo.id), todo);
    },
  },
];

/** After all the others, when nothing runs any more. */
export const lastCheck: Check = {
  name: 'afterwards: no run, no marker and no process is left',
  async run({ world, until }) {
    await until('all runs are closed', () => (world.journal.live().length === 0 ? true : null));
    same('runs', readdirSync(world.home.runs), []);
    same('markers', [...readdirSync(world.home.spool.new), ...readdirSync(world.home.spool.cur)], []);
    same('processes', world.processes.tagged('TODO_HOME', world.home.root).length, 0);
  },
};

/** Of the home that was asked for: read, nothing else. */
export const configurationName = 'configuration: that of this home is valid';
export const configurationOf = async (open: () => Promise<Opened>): Promise<void> => (await open())[Symbol.asyncDispose]();
