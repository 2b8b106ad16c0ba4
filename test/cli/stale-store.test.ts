// What is answered while the store is away: a snapshot of that very store, whole, with what this host's journal knows better.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { staleStore } from '../../src/cli/stale-store.ts';
import { defaultConfig } from '../../src/core/config.ts';
import type { ControlReply } from '../../src/core/control.ts';
import type { Entry } from '../../src/core/entry.ts';
import { OperationalError } from '../../src/core/errors.ts';
import { type SnapshotTodo, snapshotText, storeIdentity } from '../../src/core/snapshot.ts';
import { digest } from '../../src/platform/digest.ts';
import type { Store } from '../../src/world.ts';
import { entry, todo } from '../core/entry-fixture.ts';
import { FakeClock, settle } from '../resilience/fake-clock.ts';

const refused = () => new OperationalError('STORE_UNREACHABLE', { operation: 'asking', subject: 'the store', why: 'connect ECONNREFUSED' });
const configOf = (url: string) => ({ ...defaultConfig(), store: { ...defaultConfig().store, url } });
const config = configOf('mysql://me:secret@db/a');

const textOf = (todos: readonly SnapshotTodo[], of = config): string =>
  snapshotText(
    { atMs: 7000, of: digest.sha256(storeIdentity(of.store)), waiting: 3, isWhole: true },
    todos.map((it) => JSON.stringify(it)),
    digest.sha256,
  );

/** A store that refuses, unless told otherwise, beside that file and that journal. */
function scene({ text, entries = [], store = {}, reachable = 'no' }: Given) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const journal = { live: () => entries, ofTodo: (id: string) => entries.filter(({ ref }) => ref.todoId === id) };
  const status = { ok: true, kind: 'status', status: { store: { reachable, error: 'refused to the daemon' } } } as unknown as ControlReply;
  const refusing = new Proxy({}, { get: (_, name) => Reflect.get(store, name) ?? (async () => Promise.reject(refused())) });
  const stale = staleStore(refusing as Store, {
    config,
    world: {
      clock,
      digest,
      journal,
      files: { readText: () => text },
      home: { database: '/h/todo.db', archive: '/h/archive' },
      host: { id: 'here/1' },
    } as never,
    ask: async ({ op }) => {
      asked.push(op);
      return status;
    },
  });
  return { ...stale, clock, asked };
}
type Given = {
  readonly text: string | null;
  readonly entries?: readonly Entry[];
  readonly store?: Partial<Store>;
  readonly reachable?: string;
};

const open = todo({ status: 'open', fence: 0, runId: null });
const all = { statuses: null, limit: 100 };

test('a store that answers is asked and nothing is stale', async () => {
  const it = scene({ text: textOf([]), store: { waiting: async () => 9 } });
  assert.deepEqual([await it.store.waiting(), it.stale()], [9, null]);
});

test('the error of the store stands where there is no snapshot, half of one, or that of another store', async () => {
  const whole = textOf([{ todo: open, runs: [] }]);
  const changed = whole.replace('"open"', '"done"');
  for (const text of [null, '', whole.slice(0, -9), changed, textOf([], configOf('mysql://me@db/b'))]) {
    const it = scene({ text });
    await assert.rejects(it.store.list(all), /ECONNREFUSED/);
    assert.equal(it.stale(), null);
  }
  const renewed = scene({ text: textOf([], configOf('mysql://me:another@db/a')) });
  assert.deepEqual((await renewed.store.list(all)).todos, [], 'a password says nothing about which store it is');
});

test('any other error of the store is told', async () => {
  const it = scene({
    text: textOf([]),
    store: { list: () => Promise.reject(new OperationalError('STORE_ACCESS', { operation: 'a', subject: 'b' })) },
  });
  await assert.rejects(it.store.list(all), { code: 'STORE_ACCESS' });
});

test('once it was away all later answers are of the same moment, and what the snapshot has not is refused with the store’s error', async () => {
  const it = scene({ text: textOf([{ todo: open, runs: [] }]), store: { runsOf: async () => assert.fail('it was asked again') } });
  assert.equal((await it.store.list(all)).todos[0]?.status, 'open');
  assert.equal(it.stale()?.asOfMs, 7000);
  assert.deepEqual([await it.store.runsOf(open.id), await it.store.waiting()], [[], 3]);
  assert.equal((await it.store.find('1'))?.id, open.id);
  assert.equal((await it.store.find(open.id.slice(0, 12)))?.id, open.id);
  await assert.rejects(it.store.find('2'), /STORE_UNREACHABLE .*todo 2: it is not in the snapshot of/);
  await assert.rejects(it.store.notesOf(open.id), /ECONNREFUSED/);
  await assert.rejects(it.store.change(open.id, ['open'], { held: true }), /ECONNREFUSED/, 'nothing is written');
});

test('while a store hangs, the daemon’s word that it is away is enough', async () => {
  const hangs = { list: () => new Promise<never>(() => {}), runsOf: () => new Promise<never>(() => {}) };
  const it = scene({ text: textOf([{ todo: open, runs: [] }]), store: hangs });
  const list = it.store.list(all);
  const runs = it.store.runsOf(open.id);
  await it.clock.pass(499);
  assert.deepEqual([it.stale(), it.asked], [null, []]);
  await it.clock.pass(1);
  assert.deepEqual([(await list).todos.length, await runs, it.asked], [1, [], ['status']]);
  assert.match(it.stale()?.why ?? '', /refused to the daemon/);

  for (const waitedFor of [scene({ text: textOf([]), store: hangs, reachable: 'yes' }), scene({ text: null, store: hangs })]) {
    let isOver = false;
    void waitedFor.store.list(all).finally(() => {
      isOver = true;
    });
    await waitedFor.clock.pass(5000);
    await settle();
    assert.deepEqual(
      [isOver, waitedFor.stale()],
      [false, null],
      'one that is only slow is waited for, and where nothing else could answer too',
    );
  }
});

test('what this host’s journal knows is fresher: a run that began, one that ended, one of a todo that nobody saw', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map((end, index) => ({ id: `${open.id.slice(0, -1)}${end}`, number: index + 1 }));
  const of = ({ id, number }: { id: string; number: number }, changes: Partial<Entry>): Entry => {
    const made = entry(changes, { id, number });
    return { ...made, ref: { todoId: id, runId: `run ${number}`, fence: 1 } };
  };
  const ending = {
    outcome: 'done',
    todoStatus: 'completed',
    proof: 'verified',
    reason: null,
    notBeforeMs: null,
    attempts: 0,
    resets: 0,
  } as const;
  const reported = { folder: 'todo_2', summary: 'all of it', manifestSha256: '', recordDigest: '' };
  const it = scene({
    text: textOf([a!, b!].map((about) => ({ todo: { ...open, ...about }, runs: [] }))),
    entries: [of(a!, { shown: 'running' }), of(b!, { fact: 'closed', ending, reported }), of(c!, { shown: 'stalled' })],
  });
  const { todos } = await it.store.list(all);
  assert.deepEqual(
    todos.map(({ number, status, proof, runId }) => [number, status, proof, runId]),
    [
      [3, 'stalled', null, 'run 3'],
      [2, 'completed', 'verified', null],
      [1, 'running', null, 'run 1'],
    ],
  );
  assert.deepEqual([todos[1]?.report, todos[1]?.summary], ['/h/archive/todo_2/report.html', 'all of it']);
  const [run] = await it.store.runsOf(b!.id);
  assert.deepEqual([run?.id, run?.host, run?.outcome], ['run 2', 'here/1', 'done']);
  // What the store said is another's is no word about the todo.
  const lost = scene({
    text: textOf([{ todo: { ...open, ...a! }, runs: [] }]),
    entries: [of(a!, { fact: 'reported', superseded: true })],
  });
  assert.equal((await lost.store.list(all)).todos[0]?.status, 'open');
  // A later claim by another host, or an end that the store has heard of, stands.
  const later = scene({
    text: textOf([{ todo: { ...open, ...a!, fence: 2, status: 'running', runId: 'run 9' }, runs: [] }]),
    entries: [of(a!, { fact: 'closed', ending })],
  });
  assert.deepEqual(
    (await later.store.list(all)).todos.map(({ status, runId }) => [status, runId]),
    [['running', 'run 9']],
  );
});
