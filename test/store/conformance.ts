/**
 * One contract, one suite, every engine: what `world.ts` promises of a store, a sentence a case. SQLite, MariaDB and the simulation's model
 * must be the same thing, or nothing that is proved over one of them holds for the others.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { attachmentBytesMax } from '../../src/core/discussion.ts';
import { type MetricRow, sampled } from '../../src/core/health-history.ts';
import type { ListFilter } from '../../src/core/list-filter.ts';
import { digestOf, sameRecord } from '../../src/core/record.ts';
import type { NewTodo, Run, RunRef, TerminalRecord, Todo } from '../../src/core/todo.ts';
import type { TodoStatus } from '../../src/core/words.ts';
import type { ClaimRequest, Store } from '../../src/world.ts';

export type Engine = {
  /** The row that the whole contract over this engine proves. */
  readonly proves?: string;
  /** Once, before all cases. */
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** A store without todos, opened. Cases come one after the other. */
  fresh(): Promise<Store>;
  /** A second handle on the same database, as another process would have it. */
  another(): Promise<Store>;
};

export const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

let last = 0;
/** Looks like a UUIDv7, and its place in the order of ids can be read. */
export const newId = (): string => `019a0000-0000-7000-8000-${String(++last).padStart(12, '0')}`;

export const aTodo = (changes: Partial<NewTodo> = {}): NewTodo => ({
  id: newId(),
  title: 'a todo',
  prompt: 'true',
  cwd: '/projects/one',
  project: '/projects/one',
  agent: 'shell',
  session: null,
  checks: [],
  priority: 5,
  timeoutMs: null,
  rounds: 1,
  after: null,
  held: false,
  ...changes,
});

export const aClaim = (changes: Partial<ClaimRequest> = {}): ClaimRequest => ({
  runId: newId(),
  tokenSha256: sha256('token'),
  host: 'here/1',
  kind: 'by-todo',
  leaseMs: 60_000,
  todoId: null,
  slots: null,
  agents: null,
  externalLeaseMs: null,
  ...changes,
});

export const aRecord = (ref: RunRef, changes: Partial<TerminalRecord> = {}): TerminalRecord => ({
  todoId: ref.todoId,
  runId: ref.runId,
  fence: ref.fence,
  outcome: 'done',
  todoStatus: 'completed',
  proof: 'unverified',
  saidBy: 'marker',
  reason: null,
  notBeforeMs: null,
  attempts: 0,
  resets: 0,
  round: 1,
  summary: 'it went well',
  reportHtml: '<!doctype html><title>report</title>',
  reportPath: '/home/archive/todo_1/report.html',
  output: 'the output\n',
  evidence: '{"v":1}',
  manifestSha256: sha256('manifest'),
  startedAtMs: 1_700_000_000_000,
  endedAtMs: 1_700_000_060_000,
  ...changes,
});

/** Claims and hands out what was claimed, or fails the case. */
export async function claimed(store: Store, changes: Partial<ClaimRequest> = {}): Promise<{ todo: Todo; run: Run; ref: RunRef }> {
  const result = await store.claim(aClaim(changes));
  assert.equal(result.kind, 'claimed', JSON.stringify(result));
  if (result.kind !== 'claimed') throw new Error('unreachable');
  return { todo: result.todo, run: result.run, ref: { todoId: result.todo.id, runId: result.run.id, fence: result.run.fence } };
}

const everyStatus: readonly TodoStatus[] = [
  'open',
  'claimed',
  'running',
  'parked',
  'stalled',
  'blocked',
  'dead-lettered',
  'completed',
  'failed',
  'cancelled',
];

export function conformance(name: string, engine: Engine): void {
  describe(engine.proves === undefined ? name : `[${engine.proves}] ${name}: the whole contract`, () => {
    before(() => engine.start?.());
    after(() => engine.stop?.());
    const put = async (store: Store, changes: Partial<NewTodo> = {}) => store.add(aTodo(changes));
    const end = async (store: Store, todo: Todo, changes: Partial<TerminalRecord>) => {
      const { ref } = await claimed(store, { todoId: todo.id });
      assert.equal(await store.record(aRecord(ref, changes)), 'recorded');
      return ref;
    };
    const stored = async (store: Store, id: string): Promise<Todo> => {
      const todo = await store.find(id);
      assert.ok(todo, `todo ${id} is there`);
      return todo;
    };

    test('a new todo is open, has the next number, and reads back as it was added', async () => {
      const store = await engine.fresh();
      const beforeMs = await store.nowMs();
      const given = aTodo({
        title: 'Ärger "mit" \'Zeichen\' \\ 🙂',
        prompt: 'a\nb\0c',
        checks: ['npm test', 'echo "x"'],
        priority: 0,
        timeoutMs: 5000,
        rounds: 3,
        session: 'tmux',
        held: true,
      });
      const first = await store.add(given);
      const second = await put(store);
      assert.equal(second.number, first.number + 1);
      assert.deepEqual(await store.find(given.id), first);
      const { number, createdAtMs, updatedAtMs, ...rest } = first;
      assert.ok(Number.isInteger(number) && createdAtMs >= beforeMs && createdAtMs <= (await store.nowMs()) && updatedAtMs === createdAtMs);
      assert.deepEqual(rest, {
        ...given,
        status: 'open',
        proof: null,
        reason: null,
        fence: 0,
        runId: null,
        notBeforeMs: null,
        attempts: 0,
        resets: 0,
        summary: null,
        report: null,
        endedAtMs: null,
      });
    });

    test('a todo that is added twice is there once', async () => {
      const store = await engine.fresh();
      const given = aTodo();
      const first = await store.add(given);
      const { ref } = await claimed(store);
      assert.equal((await store.add(given)).number, first.number);
      assert.equal((await stored(store, given.id)).runId, ref.runId, 'and its run stays its run');
      assert.equal((await store.list({ statuses: null, limit: 10 })).todos.length, 1);
    });

    test('todos added by many at once have numbers of their own', async () => {
      const store = await engine.fresh();
      const added = await Promise.all(Array.from({ length: 20 }, () => put(store)));
      assert.equal(new Set(added.map((todo) => todo.number)).size, 20);
    });

    test('a todo is found by number, by id and by a unique beginning of its id of four characters or more', async () => {
      const store = await engine.fresh();
      const one = await put(store, { id: '0ab0ffff-0000-7000-8000-000000000001' });
      const two = await put(store, { id: '0ab0ffff-0000-7000-8000-100000000002' });
      const three = await put(store, { id: '0ab1ffff-0000-7000-8000-000000000003' });
      assert.equal((await store.find(String(two.number)))?.id, two.id);
      assert.equal((await store.find(three.id))?.id, three.id);
      assert.equal((await store.find('0ab1'))?.id, three.id);
      assert.equal((await store.find('0ab0ffff-0000-7000-8000-0'))?.id, one.id);
      await assert.rejects(store.find('0ab0'), { code: 'AMBIGUOUS' });
      for (const ref of ['0ab', 'nope-nope', '', '%', '____', '0ab%', "' OR 1=1", '999999', '0', `${one.id}0`])
        assert.equal(await store.find(ref), null, ref);
    });

    test('the list is newest first, of the asked statuses, and says when there is more', async () => {
      const store = await engine.fresh();
      const all = [await put(store), await put(store), await put(store)];
      assert.equal(await store.change(all[1]!.id, ['open'], { status: 'cancelled' }), true);
      const numbers = async (statuses: readonly TodoStatus[] | null, limit: number) => {
        const { todos, truncated } = await store.list({ statuses, limit });
        return [todos.map((todo) => todo.number - all[0]!.number), truncated];
      };
      assert.deepEqual(await numbers(null, 10), [[2, 1, 0], false]);
      assert.deepEqual(await numbers(null, 3), [[2, 1, 0], false]);
      assert.deepEqual(await numbers(null, 2), [[2, 1], true]);
      assert.deepEqual(await numbers(['open'], 10), [[2, 0], false]);
      assert.deepEqual(await numbers(['open', 'cancelled'], 1), [[2], true]);
      assert.deepEqual(await numbers([], 10), [[], false]);
    });

    test('a page of the list is what comes before a number; text is found in title, summary and number whatever its capitals, and is no pattern', async () => {
      const store = await engine.fresh();
      const given = [
        { title: 'Fix the Übersicht [1]' },
        { title: '100% of it', agent: 'claude' },
        { title: 'plain', project: '/other' },
        { title: 'under_score *? ! \\ end' },
        { title: 'last' },
      ];
      const all: Todo[] = [];
      for (const todo of given) all.push(await put(store, { agent: 'shell', project: '/one', ...todo }));
      const titles = async (filter: Partial<ListFilter>) => {
        const { todos, truncated } = await store.list({ statuses: null, limit: 10, ...filter });
        return [...todos.map(({ title }) => given.findIndex((it) => it.title === title)), ...(truncated ? ['more'] : [])];
      };
      const first = all[0]!.number;
      assert.deepEqual(await titles({ limit: 2 }), [4, 3, 'more']);
      assert.deepEqual(await titles({ limit: 2, before: first + 3 }), [2, 1, 'more']);
      assert.deepEqual(await titles({ limit: 2, before: first + 1 }), [0]);
      assert.deepEqual(await titles({ before: first }), []);
      for (const [text, found] of [
        ['übersicht', [0]],
        ['ÜBERSICHT [', [0]],
        ['[1]', [0]],
        ['0%', [1]],
        ['%', [1]],
        ['_', [3]],
        ['*?', [3]],
        ['! \\', [3]],
        ['L', [4, 2]],
        ['nowhere', []],
        ["' OR 1=1 --", []],
        [String(all[4]!.number), first + 4 === 100 ? [4, 1] : [4]],
      ] as const)
        assert.deepEqual(await titles({ text }), found, text);
      assert.deepEqual(await titles({ agent: 'claude' }), [1]);
      assert.deepEqual(await titles({ project: '/other', agent: 'shell' }), [2]);
      assert.deepEqual(await titles({ project: '/other', agent: 'claude' }), []);
      assert.equal(await store.change(all[2]!.id, ['open'], { status: 'blocked', reason: 'r', held: true }), true);
      assert.deepEqual(await titles({ statuses: ['blocked', 'failed'] }), [2]);
      assert.deepEqual(await titles({ statuses: ['open'], text: 'l', before: first + 4 }), [], 'all of it at once');
      const { ref } = await claimed(store);
      assert.equal(await store.record(aRecord(ref, { summary: 'Die Größe zählt' })), 'recorded');
      assert.deepEqual(
        (await store.list({ statuses: null, limit: 9, text: 'größe ZÄHLT' })).todos.map(({ id }) => id),
        [ref.todoId],
      );
      assert.deepEqual(await store.byStatus(), { blocked: 1, open: 3, completed: 1 });
    });

    test('the end of the audit trail is newest first, and names the todo of each line', async () => {
      const store = await engine.fresh();
      const [one, two] = [await put(store), await put(store)];
      assert.equal(await store.change(one.id, ['open'], { status: 'blocked', reason: 'so', by: 'person' }), true);
      await store.note({ kind: 'audit', todoId: null, runId: null, atMs: 9e12, what: 'of none', detail: '{}' });
      assert.equal(await store.change(two.id, ['open'], { held: true, by: 'person' }), true);
      const all = await store.auditTail(10);
      assert.deepEqual(
        all.map(({ what, number, todoId }) => [what, number, todoId]),
        [
          ['of none', null, null],
          ['held', two.number, two.id],
          ['status', one.number, one.id],
        ],
      );
      assert.deepEqual(await store.auditTail(2), all.slice(0, 2));
    });

    test('a claim is one step: fence + 1, run with start time and lease, status claimed', async () => {
      const store = await engine.fresh();
      const todo = await put(store, { agent: 'claude', session: 'tmux' });
      const fromMs = await store.nowMs();
      const request = aClaim();
      const result = await store.claim(request);
      assert.ok(result.kind === 'claimed');
      assert.equal(result.todo.status, 'claimed');
      assert.equal(result.todo.fence, 1);
      assert.equal(result.todo.runId, request.runId);
      const { startedAtMs, leaseUntilMs, ...run } = result.run;
      assert.ok(startedAtMs >= fromMs && startedAtMs <= (await store.nowMs()));
      assert.equal(leaseUntilMs, startedAtMs + 60_000);
      assert.deepEqual(run, {
        id: request.runId,
        todoId: todo.id,
        fence: 1,
        agent: 'claude',
        kind: 'tmux',
        host: 'here/1',
        tokenSha256: sha256('token'),
        round: 1,
        endedAtMs: null,
        outcome: null,
        saidBy: null,
      });
      assert.deepEqual(await store.find(todo.id), result.todo);
      assert.deepEqual(await store.getRun(request.runId), result.run);
      assert.deepEqual(await store.runsOf(todo.id), [result.run]);
      assert.equal(await store.getRun(newId()), null);
    });

    test('a claim that is asked for twice with the same run takes one todo', async () => {
      const store = await engine.fresh();
      await put(store);
      await put(store);
      const request = aClaim();
      const first = await store.claim(request);
      assert.deepEqual(await store.claim(request), first);
      assert.equal((await store.inProgress()).length, 1);
    });

    test(`[C-50] ${name}: todos are taken by priority, then by age; a held one is taken only by its name`, async () => {
      const store = await engine.fresh();
      const low = await put(store, { priority: 9 });
      const old = await put(store, { priority: 5 });
      const young = await put(store, { priority: 5 });
      const held = await put(store, { priority: 0, held: true });
      const urgent = await put(store, { priority: 0 });
      const order = [];
      for (let i = 0; i < 4; i++) order.push((await claimed(store)).todo.id);
      assert.deepEqual(order, [urgent.id, old.id, young.id, low.id]);
      assert.deepEqual(await store.claim(aClaim()), { kind: 'nothing', why: 'none-open', nextAtMs: null });
      assert.equal((await claimed(store, { todoId: held.id })).todo.id, held.id, 'whatever its flag and order');
    });

    test(`[C-50] ${name}: a todo named by id is never taken while it runs, after it ended, or where it stands blocked`, async () => {
      const store = await engine.fresh();
      const refusal = async (todoId: string) => {
        const result = await store.claim(aClaim({ todoId }));
        return result.kind === 'refused' ? result.why : result.kind;
      };
      const todo = await put(store);
      const { ref } = await claimed(store);
      assert.match(await refusal(todo.id), /claimed/);
      await store.mark(ref, 'running', 1, null);
      assert.match(await refusal(todo.id), /running/);
      await store.record(aRecord(ref));
      assert.match(await refusal(todo.id), /ended|completed/);
      assert.match(await refusal(newId()), /no such todo/);
      const blocked = await put(store);
      await store.change(blocked.id, ['open'], { status: 'blocked', reason: 'needs a key' });
      assert.match(await refusal(blocked.id), /blocked/);
    });

    test('only agents that this host can start are taken', async () => {
      const store = await engine.fresh();
      await put(store, { agent: 'claude' });
      const shell = await put(store, { agent: 'shell' });
      assert.equal((await claimed(store, { agents: ['shell', 'aider'] })).todo.id, shell.id);
      assert.equal((await store.claim(aClaim({ agents: ['shell'] }))).kind, 'nothing');
      assert.equal((await store.claim(aClaim({ agents: [] }))).kind, 'nothing');
      assert.equal((await claimed(store)).todo.agent, 'claude', 'null = any');
    });

    test('a todo that waits for another starts after that was completed by anything but force', async () => {
      for (const proof of ['verified', 'unverified', 'overridden'] as const) {
        const store = await engine.fresh();
        const first = await put(store, { priority: 9 });
        const second = await put(store, { after: first.id, priority: 0 });
        const early = await store.claim(aClaim({ todoId: second.id }));
        assert.ok(early.kind === 'refused' && early.why.includes(`todo ${first.number}`), JSON.stringify(early));
        const { ref } = await claimed(store);
        assert.equal(ref.todoId, first.id);
        assert.equal((await store.claim(aClaim())).kind, 'nothing');
        await store.record(aRecord(ref, { proof }));
        assert.deepEqual(await store.blockDependents(), []);
        assert.equal((await claimed(store)).todo.id, second.id);
      }
    });

    test('a todo that waits for one that ended badly is blocked with the reason, once', async () => {
      const store = await engine.fresh();
      const bad: readonly [Partial<TerminalRecord>, RegExp][] = [
        [{ todoStatus: 'failed', outcome: 'failed', proof: null }, /failed/],
        [{ todoStatus: 'cancelled', outcome: 'cancelled', proof: null }, /cancelled/],
        [{ outcome: 'forced', proof: 'forced' }, /force/],
      ];
      for (const [how, says] of bad) {
        const first = await put(store);
        const second = await put(store, { after: first.id });
        const held = await put(store, { after: first.id, held: true });
        const parked = await put(store, { after: first.id });
        await store.change(parked.id, ['open'], { status: 'parked', notBeforeMs: null });
        await end(store, first, how);
        assert.equal((await store.claim(aClaim())).kind, 'nothing', 'it never starts');
        const blocked = await store.blockDependents();
        assert.deepEqual(blocked.map((todo) => todo.id).sort(), [second.id, held.id, parked.id]);
        for (const todo of blocked) {
          assert.equal(todo.status, 'blocked');
          assert.match(todo.reason ?? '', says);
          assert.ok(todo.reason?.includes(`todo ${first.number}`));
          assert.deepEqual(await store.find(todo.id), todo);
        }
        assert.deepEqual(await store.blockDependents(), []);
      }
    });

    test('a parked todo is taken when its time has come, and the wait is told', async () => {
      const store = await engine.fresh();
      const nowMs = await store.nowMs();
      const todo = await put(store);
      await end(store, todo, { outcome: 'parked', todoStatus: 'parked', proof: null, notBeforeMs: nowMs + 3_600_000 });
      const later = await put(store);
      assert.equal(await store.change(later.id, ['open'], { notBeforeMs: nowMs + 7_200_000 }), true);
      assert.deepEqual(await store.claim(aClaim()), { kind: 'nothing', why: 'none-open', nextAtMs: nowMs + 3_600_000 });
      assert.equal(await store.waiting(), 2);
      assert.equal(await store.change(todo.id, ['parked'], { notBeforeMs: nowMs - 1 }), true);
      const again = await claimed(store);
      assert.equal(again.todo.id, todo.id);
      assert.equal(again.todo.fence, 2);
      assert.equal(again.todo.notBeforeMs, null);
      assert.equal((await claimed(store, { todoId: later.id })).todo.id, later.id, 'named, whatever its time');
    });

    test('a todo parked without a time waits for a person', async () => {
      const store = await engine.fresh();
      const todo = await put(store);
      await end(store, todo, { outcome: 'parked', todoStatus: 'parked', proof: null });
      assert.deepEqual(await store.claim(aClaim()), { kind: 'nothing', why: 'none-open', nextAtMs: null });
      assert.equal(await store.change(todo.id, ['parked'], { status: 'open' }), true);
      assert.equal((await claimed(store)).todo.id, todo.id);
    });

    test('waiting counts open and parked todos that nobody holds back', async () => {
      const store = await engine.fresh();
      await put(store);
      await put(store, { held: true });
      await end(store, await put(store), {});
      assert.equal(await store.waiting(), 1);
    });

    test('todos that have not ended are counted by status, held ones too', async () => {
      const store = await engine.fresh();
      const none = { open: 0, claimed: 0, running: 0, parked: 0, stalled: 0, blocked: 0, 'dead-lettered': 0 };
      assert.deepEqual(await store.living(), none);
      await end(store, await put(store), { outcome: 'parked', todoStatus: 'parked', proof: null });
      await end(store, await put(store), {});
      await claimed(store, { todoId: (await put(store)).id });
      await put(store);
      await put(store, { held: true });
      assert.deepEqual(await store.living(), { ...none, open: 2, claimed: 1, parked: 1 });
    });

    test('slots are counted per host: in total, by agent, by project', async () => {
      const store = await engine.fresh();
      const slots = { total: 3, agent: 2, project: 1 };
      const next = (changes: Partial<ClaimRequest> = {}) => store.claim(aClaim({ slots, ...changes }));
      const took = async (changes: Partial<ClaimRequest> = {}) => {
        const result = await next(changes);
        return result.kind === 'claimed' ? result.todo.title : result.kind === 'nothing' ? result.why : result.why;
      };
      for (const [title, agent, project] of [
        ['a', 'shell', '/p1'],
        ['b', 'shell', '/p1'],
        ['c', 'shell', '/p2'],
        ['d', 'shell', '/p3'],
        ['e', 'claude', '/p3'],
        ['f', 'codex', '/p4'],
      ] as const)
        await put(store, { title, agent, project });
      assert.equal(await took(), 'a');
      assert.equal(await took(), 'c', 'b has the same project as a');
      assert.equal(await took(), 'e', 'd would be the third of its agent');
      assert.equal(await took(), 'no-slot', 'three in all');
      assert.equal(await took({ host: 'there/1' }), 'b', 'another host has slots of its own');
      assert.equal(await took({ todoId: (await store.list({ statuses: null, limit: 1 })).todos[0]!.id }), 'no-slot', 'also by name');
    });

    test('a drained host claims nothing by itself until it is resumed; others do, and so does a person by name', async () => {
      const store = await engine.fresh();
      const slots = { total: 9, agent: 9, project: 9 };
      const first = await put(store);
      for (let i = 0; i < 3; i++) await put(store);
      assert.deepEqual(await store.hosts(), []);
      assert.equal(await store.drainHost('here/1', { reason: 'a kernel', mayBeNew: false }), false, 'nobody knows it yet');
      assert.equal(await store.drainHost('here/1', null), false);
      const { run } = await claimed(store, { slots, host: 'here/1' });
      assert.equal(await store.drainHost('here/1', { reason: 'a kernel', mayBeNew: false }), true);
      assert.deepEqual(await store.claim(aClaim({ slots, host: 'here/1' })), { kind: 'nothing', why: 'drained', nextAtMs: null });
      const [row] = await store.hosts();
      assert.deepEqual([row!.id, row!.live, row!.drained?.reason], ['here/1', 1, 'a kernel']);
      assert.ok(row!.lastClaimAtMs !== null && row!.drained!.sinceMs >= row!.lastClaimAtMs);
      await store.drainHost('here/1', { reason: null, mayBeNew: false });
      assert.deepEqual((await store.hosts())[0]!.drained, { sinceMs: row!.drained!.sinceMs, reason: null }, 'since then, for a new reason');
      assert.equal((await store.claim(aClaim({ slots, host: 'there/1' }))).kind, 'claimed');
      assert.equal(await store.drainHost('new/1', { reason: null, mayBeNew: true }), true);
      assert.deepEqual(
        (await store.hosts()).map(({ id, live, drained }) => [id, live, drained !== null]),
        [
          ['here/1', 1, true],
          ['new/1', 0, true],
          ['there/1', 1, false],
        ],
      );
      assert.equal(
        await store.record(aRecord({ todoId: first.id, runId: run.id, fence: run.fence })),
        'recorded',
        'what runs there ends there',
      );
      const byName = (await store.list({ statuses: ['open'], limit: 1 })).todos[0]!;
      assert.equal((await store.claim(aClaim({ todoId: byName.id, slots: null, host: 'here/1' }))).kind, 'claimed');
      assert.equal(await store.drainHost('here/1', null), true);
      assert.equal((await store.claim(aClaim({ slots, host: 'here/1' }))).kind, 'claimed');
    });

    test('runs of a person or of a foreign session take no slot, and a run that ended gives its slot back', async () => {
      const store = await engine.fresh();
      const slots = { total: 1, agent: 1, project: 1 };
      for (let i = 0; i < 5; i++) await put(store);
      await claimed(store, { kind: 'external' });
      await claimed(store, { kind: 'person' });
      const { ref } = await claimed(store, { slots });
      assert.deepEqual(await store.claim(aClaim({ slots })), { kind: 'nothing', why: 'no-slot', nextAtMs: null });
      await store.record(aRecord(ref));
      const second = await claimed(store, { slots });
      await store.giveBack(second.ref, 'released', 'stopped', null, 0);
      const third = await claimed(store, { slots });
      await store.mark(third.ref, 'running', 1, null);
      await store.deadLetter(third.ref, 'given up');
      await claimed(store, { slots });
    });

    test('a run of a foreign session has the lease it was given', async () => {
      const store = await engine.fresh();
      await put(store);
      const { run } = await claimed(store, { kind: 'external', leaseMs: 1000, externalLeaseMs: 1_800_000 });
      assert.equal(run.kind, 'external');
      assert.equal(run.leaseUntilMs, run.startedAtMs + 1_800_000);
    });

    test('twenty who claim at once take twenty todos, each once', async () => {
      const store = await engine.fresh();
      const other = await engine.another();
      const todos = await Promise.all(Array.from({ length: 20 }, () => put(store)));
      const results = await Promise.all(
        Array.from({ length: 25 }, (_, i) => (i % 2 === 0 ? store : other).claim(aClaim({ host: `host/${i}` }))),
      );
      const taken = results.flatMap((result) => (result.kind === 'claimed' ? [result.todo.id] : []));
      assert.deepEqual(taken.sort(), todos.map((todo) => todo.id).sort());
      for (const { todo, run } of await store.inProgress()) assert.equal(run?.todoId, todo.id);
      await other.close();
    });

    test('a todo of agent auto is claimed for the runner of its session; the run names it, slots are its own, and the todo keeps its word', async () => {
      const store = await engine.fresh();
      const auto = { any: 'alpha', child: 'beta', tmux: 'fallback', fallbackAfterMs: 0 };
      const plain = await put(store, { agent: 'auto' });
      await put(store, { agent: 'auto', session: 'child', priority: 6 });
      await put(store, { agent: 'auto', priority: 7 });
      await put(store, { agent: 'auto', session: 'tmux', priority: 8 });
      const slots = { total: 9, agent: 1, project: 9 };
      assert.deepEqual(await store.claim(aClaim({ slots, agents: ['shell'], auto })), {
        kind: 'nothing',
        why: 'none-open',
        nextAtMs: null,
      });
      const first = await claimed(store, { slots, agents: ['auto'], auto });
      assert.deepEqual([first.todo.id, first.todo.agent, first.run.agent], [plain.id, 'auto', 'alpha']);
      assert.equal((await claimed(store, { slots, auto })).run.agent, 'beta');
      const waits = { ...auto, fallbackAfterMs: 3_600_000 };
      assert.deepEqual(
        await store.claim(aClaim({ slots, auto: waits })),
        { kind: 'nothing', why: 'no-slot', nextAtMs: null },
        'alpha is full, and others may have a runner for tmux',
      );
      assert.equal((await claimed(store, { slots, auto })).run.agent, 'fallback');
      const { run } = await claimed(store, { slots, auto: { ...auto, any: 'beta' }, host: 'there/1' });
      assert.equal(run.agent, 'beta', 'of another host');
      const byHand = await put(store, { agent: 'auto' });
      assert.equal((await claimed(store, { todoId: byHand.id, kind: 'external' })).run.agent, 'auto');
    });

    test('hosts that claim at once never take more than their slots', async () => {
      const store = await engine.fresh();
      const other = await engine.another();
      for (let i = 0; i < 12; i++) await put(store, { project: `/p${i}` });
      const slots = { total: 3, agent: 100, project: 100 };
      await Promise.all(
        Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? store : other).claim(aClaim({ slots, host: i % 4 < 2 ? 'one/1' : 'two/1' }))),
      );
      const hosts = (await store.inProgress()).map(({ run }) => run?.host).sort();
      assert.deepEqual(hosts, ['one/1', 'one/1', 'one/1', 'two/1', 'two/1', 'two/1']);
      await other.close();
    });

    test('marking shows a live run, and is refused to who lost it', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store);
      assert.equal(await store.mark(ref, 'running', 1, null), true);
      assert.equal(await store.mark(ref, 'stalled', 2, 'silent for 300 s'), true);
      const todo = await stored(store, ref.todoId);
      assert.deepEqual([todo.status, todo.reason, (await store.getRun(ref.runId))?.round], ['stalled', 'silent for 300 s', 2]);
      assert.equal(await store.mark(ref, 'running', 2, null), true);
      for (const stale of [
        { ...ref, fence: ref.fence - 1 },
        { ...ref, fence: ref.fence + 1 },
        { ...ref, runId: newId() },
        { ...ref, todoId: newId() },
      ]) {
        assert.equal(await store.mark(stale, 'stalled', 9, 'x'), false);
      }
      await store.record(aRecord(ref));
      assert.equal(await store.mark(ref, 'running', 9, null), false);
      assert.equal((await stored(store, ref.todoId)).status, 'completed');
      assert.equal((await store.getRun(ref.runId))?.round, 1);
    });

    test('a lease is prolonged; one that expired and was not taken is renewed, one that was taken is not', async () => {
      const store = await engine.fresh();
      for (let i = 0; i < 3; i++) await put(store);
      const kept = await claimed(store);
      const late = await claimed(store, { leaseMs: 0 });
      const lost = await claimed(store, { leaseMs: 0 });
      assert.deepEqual((await store.expired()).map(({ run }) => run.id).sort(), [late.run.id, lost.run.id].sort());
      assert.equal(
        await store.rescue(lost.ref, {
          status: 'open',
          outcome: 'lost',
          reason: 'its host is gone',
          attempts: 1,
          resets: 0,
          notBeforeMs: null,
        }),
        true,
      );
      const answers = await store.renew([kept.ref, late.ref, lost.ref, { ...kept.ref, fence: 7 }], 120_000);
      assert.deepEqual(
        answers.map(({ held }) => held),
        [true, true, false, false],
      );
      assert.deepEqual(
        answers.map(({ ref }) => ref.runId),
        [kept, late, lost, kept].map(({ ref }) => ref.runId),
      );
      assert.deepEqual(await store.expired(), []);
      const run = await store.getRun(late.run.id);
      assert.ok(run!.leaseUntilMs > run!.startedAtMs + 100_000);
      assert.equal((await stored(store, late.ref.todoId)).fence, late.ref.fence, 'the same fence');
      assert.deepEqual(await store.renew([], 1000), []);
    });

    test('says when the next lease of a live run runs out; what has expired or ended does not count', async () => {
      const store = await engine.fresh();
      assert.equal(await store.leaseEndsInMs(), null);
      for (let i = 0; i < 4; i++) await put(store);
      await claimed(store, { leaseMs: 0 });
      assert.equal(await store.leaseEndsInMs(), null);
      await claimed(store, { leaseMs: 600_000 });
      const sooner = await claimed(store, { leaseMs: 300_000 });
      const soonest = await claimed(store, { leaseMs: 100_000 });
      const within = async (lowMs: number, highMs: number) => {
        const endsInMs = await store.leaseEndsInMs();
        assert.ok(endsInMs !== null && endsInMs > lowMs && endsInMs <= highMs, `${endsInMs} ms`);
      };
      await within(0, 100_000);
      await store.record(aRecord(soonest.ref));
      await within(100_000, 300_000);
      await store.renew([sooner.ref], 900_000);
      await within(300_000, 600_000);
    });

    test('a record that was lost is written again under its fence, with its claim where that is gone; never over a newer claim or end', async () => {
      const store = await engine.fresh();
      const lost = { status: 'open', outcome: 'lost', reason: 'expired', attempts: 1, resets: 0, notBeforeMs: null } as const;
      const again = (ref: RunRef, run: Run) => {
        const { outcome, saidBy, endedAtMs } = aRecord(ref);
        const { todoId, runId: id, fence } = ref;
        return store.reassert(aRecord(ref), { ...run, id, todoId, fence, outcome, saidBy, endedAtMs, tokenSha256: '' });
      };
      const shows = async (ref: RunRef) => {
        const back = await store.readBack(ref.runId);
        assert.deepEqual(sameRecord(digestOf(aRecord(ref), sha256), back!, sha256), { same: true });
      };
      for (let i = 0; i < 6; i++) await put(store);

      const live = await claimed(store);
      assert.deepEqual(await store.missing([live.ref.runId]), [live.ref.runId]);
      assert.equal(await again(live.ref, live.run), 'recorded', 'only its end was lost');
      await shows(live.ref);
      assert.deepEqual(await store.missing([live.ref.runId, 'nobody']), ['nobody']);
      assert.equal(await again(live.ref, live.run), 'already');
      assert.equal(await store.record(aRecord(live.ref)), 'already');

      const rescued = await claimed(store, { leaseMs: 0 });
      await store.rescue(rescued.ref, lost);
      assert.equal(await again(rescued.ref, rescued.run), 'recorded', 'nobody has claimed it since');
      await shows(rescued.ref);

      const unclaimed = await put(store);
      const before = { todoId: unclaimed.id, runId: newId(), fence: 1 };
      assert.equal(await again(before, live.run), 'recorded', 'its claim was lost, too');
      await shows(before);

      const taken = await claimed(store, { leaseMs: 0 });
      await store.rescue(taken.ref, lost);
      const other = await claimed(store, { todoId: taken.ref.todoId, host: 'there/1' });
      assert.equal(await again(taken.ref, taken.run), 'superseded', 'a newer fence');
      assert.equal(
        await again({ ...taken.ref, runId: newId(), fence: other.ref.fence }, taken.run),
        'superseded',
        'the same fence, another run',
      );
      assert.deepEqual(
        [(await store.getRun(taken.ref.runId))?.outcome, (await stored(store, taken.ref.todoId)).runId],
        ['lost', other.ref.runId],
      );

      const cancelled = await put(store);
      await store.change(cancelled.id, ['open'], { status: 'cancelled', reason: 'not needed' });
      assert.equal(await again({ todoId: cancelled.id, runId: newId(), fence: 1 }, live.run), 'superseded', 'somebody has ended it');
      assert.equal((await stored(store, cancelled.id)).status, 'cancelled');
      assert.equal(await again({ todoId: newId(), runId: newId(), fence: 1 }, live.run), 'gone');
    });

    test('a rescue takes an expired todo away once, and never one whose lease holds', async () => {
      const store = await engine.fresh();
      const to = { status: 'blocked', outcome: 'reset', reason: 'reset 3 times', attempts: 2, resets: 3, notBeforeMs: 42 } as const;
      await put(store);
      const { ref } = await claimed(store, { leaseMs: 60_000 });
      assert.equal(await store.rescue(ref, to), false, 'the lease holds');
      await store.renew([ref], 0);
      assert.equal(await store.rescue({ ...ref, fence: ref.fence + 1 }, to), false);
      assert.equal(await store.rescue(ref, to), true);
      assert.equal(await store.rescue(ref, to), false, 'twice is once');
      const todo = await stored(store, ref.todoId);
      assert.deepEqual(
        [todo.status, todo.reason, todo.attempts, todo.resets, todo.notBeforeMs, todo.runId],
        ['blocked', 'reset 3 times', 2, 3, 42, null],
      );
      const run = await store.getRun(ref.runId);
      assert.equal(run?.outcome, 'reset');
      assert.ok(run?.endedAtMs !== null);
      assert.equal(await store.record(aRecord(ref)), 'superseded', 'what its old holder brings changes nothing');
      assert.equal(await store.readBack(ref.runId), null);
      assert.equal((await stored(store, ref.todoId)).status, 'blocked');
    });

    test('of a renewal and a rescue at once, one is told that the other was first', async () => {
      const store = await engine.fresh();
      const other = await engine.another();
      for (let i = 0; i < 8; i++) {
        await put(store);
        const { ref } = await claimed(store, { leaseMs: 0 });
        const rescue = () =>
          other.rescue(ref, {
            status: 'open',
            outcome: 'lost',
            reason: 'late',
            attempts: 1,
            resets: 0,
            notBeforeMs: Number.MAX_SAFE_INTEGER,
          });
        const early = i % 2 === 0 ? rescue() : null;
        const [renewed, rescued] = await Promise.all([store.renew([ref], 60_000), early ?? rescue()]);
        assert.notEqual(renewed[0]!.held, rescued, 'exactly one of them');
        assert.equal((await stored(store, ref.todoId)).runId, rescued ? null : ref.runId);
        if (!rescued) await store.record(aRecord(ref));
      }
      await other.close();
    });

    test('a claim whose agent was never started is given back', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store);
      assert.equal(await store.giveBack({ ...ref, fence: 9 }, 'lost', 'x', null, 1), false);
      const notBeforeMs = (await store.nowMs()) - 1;
      assert.equal(await store.giveBack(ref, 'lost', 'no such program', notBeforeMs, 1), true);
      const todo = await stored(store, ref.todoId);
      assert.deepEqual(
        [todo.status, todo.reason, todo.notBeforeMs, todo.attempts, todo.runId],
        ['open', 'no such program', notBeforeMs, 1, null],
      );
      assert.equal((await store.getRun(ref.runId))?.outcome, 'lost');
      assert.equal(await store.giveBack(ref, 'lost', 'again', null, 2), false);
      const again = await claimed(store);
      assert.equal(again.ref.fence, ref.fence + 1);
      assert.deepEqual(
        (await store.runsOf(ref.todoId)).map((run) => run.fence),
        [1, 2],
      );
    });

    test('todos in progress are shown with their runs', async () => {
      const store = await engine.fresh();
      await put(store);
      await put(store);
      await put(store);
      const one = await claimed(store);
      const two = await claimed(store);
      await store.mark(two.ref, 'running', 1, null);
      const shown = await store.inProgress();
      assert.deepEqual(
        shown.map(({ todo, run }) => [todo.id, run?.id]),
        [
          [one.todo.id, one.run.id],
          [two.todo.id, two.run.id],
        ],
      );
    });

    test(`[C-12] [C-67] ${name}: one write leaves status, proof, long report, short summary, output and end in todo, run and record`, async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref, run } = await claimed(store);
      await store.mark(ref, 'running', 1, 'said something');
      const sent = aRecord(ref, {
        proof: 'verified',
        saidBy: 'hook',
        round: 2,
        attempts: 1,
        resets: 1,
        summary: 'Built the parser; 14 tests pass',
        reportHtml: `<!doctype html>${'<p>long</p>'.repeat(5000)}`,
        output: 'line\n'.repeat(10_000),
      });
      assert.equal(await store.record(sent), 'recorded');
      const back = await store.readBack(ref.runId);
      assert.deepEqual(back?.record, sent);
      assert.deepEqual(back.truncated, {});
      assert.notEqual(back.record.summary, back.record.reportHtml);
      const todo = await stored(store, ref.todoId);
      assert.deepEqual(back.todo, todo);
      assert.deepEqual(
        [
          todo.status,
          todo.proof,
          todo.reason,
          todo.summary,
          todo.report,
          todo.endedAtMs,
          todo.runId,
          todo.fence,
          todo.attempts,
          todo.resets,
        ],
        ['completed', 'verified', null, sent.summary, sent.reportPath, sent.endedAtMs, null, ref.fence, 1, 1],
      );
      assert.deepEqual(back.run, {
        ...run,
        tokenSha256: back.run.tokenSha256,
        round: 2,
        outcome: 'done',
        saidBy: 'hook',
        endedAtMs: sent.endedAtMs,
      });
      assert.deepEqual(sameRecord(digestOf(sent, sha256), back, sha256), { same: true });
    });

    test('a record is written once: the same run again is told already, and changes nothing', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store);
      const sent = aRecord(ref);
      assert.equal(await store.record(sent), 'recorded');
      const first = await store.readBack(ref.runId);
      assert.equal(
        await store.record({ ...sent, summary: 'another story', todoStatus: 'failed', outcome: 'failed', proof: null }),
        'already',
      );
      assert.deepEqual(await store.readBack(ref.runId), first);
    });

    test('of twenty who record the same run at once, one records', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store);
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => store.record(aRecord(ref, { summary: `story ${i}` }))));
      assert.equal(answers.filter((answer) => answer === 'recorded').length, 1);
      assert.equal(answers.filter((answer) => answer === 'already').length, 19);
      const back = await store.readBack(ref.runId);
      assert.equal(back?.record.summary, `story ${answers.indexOf('recorded')}`);
      assert.equal(back.todo.summary, back.record.summary);
    });

    test('who holds an older fence, another run or nothing records nothing', async () => {
      const store = await engine.fresh();
      await put(store);
      const first = await claimed(store, { leaseMs: 0 });
      await store.rescue(first.ref, { status: 'open', outcome: 'lost', reason: 'late', attempts: 1, resets: 0, notBeforeMs: null });
      const second = await claimed(store);
      const before = await stored(store, second.ref.todoId);
      for (const stale of [
        first.ref,
        { ...second.ref, fence: 1 },
        { ...first.ref, fence: 2 },
        { ...second.ref, runId: newId() },
        { ...second.ref, todoId: newId() },
      ]) {
        assert.equal(await store.record(aRecord(stale)), 'superseded', JSON.stringify(stale));
        assert.equal(await store.deadLetter(stale, 'x'), false);
        assert.equal(await store.giveBack(stale, 'lost', 'x', null, 1), false);
      }
      assert.equal(await store.readBack(first.run.id), null);
      assert.equal(await store.readBack(second.run.id), null);
      assert.deepEqual(await stored(store, second.ref.todoId), before);
      assert.equal((await store.getRun(second.run.id))?.endedAtMs, null);
      assert.equal(await store.record(aRecord(second.ref)), 'recorded');
    });

    test('a record after which the todo goes on opens it again, with its own count and time', async () => {
      const store = await engine.fresh();
      const todo = await put(store);
      const notBeforeMs = (await store.nowMs()) - 5;
      const ref = await end(store, todo, {
        outcome: 'lost',
        todoStatus: 'open',
        proof: null,
        reason: 'died by SIGKILL',
        attempts: 1,
        notBeforeMs,
      });
      const open = await stored(store, todo.id);
      assert.deepEqual(
        [open.status, open.proof, open.reason, open.attempts, open.notBeforeMs, open.endedAtMs, open.runId],
        ['open', null, 'died by SIGKILL', 1, notBeforeMs, null, null],
      );
      const again = await claimed(store);
      assert.equal(again.todo.reason, null);
      assert.equal(await store.record(aRecord(again.ref)), 'recorded');
      assert.equal((await store.runsOf(todo.id)).length, 2);
      assert.equal((await store.readBack(ref.runId))?.record.todoStatus, 'open', 'each run keeps the record it left');
      assert.equal((await store.readBack(ref.runId))?.todo.status, 'completed', 'beside the todo of now');
    });

    test(`[C-16] ${name}: values of any kind come back as they were sent`, async () => {
      const store = await engine.fresh();
      const samples = [
        '',
        `'"\`\\%_;--`,
        "'); DROP TABLE todo; --",
        'a\0b\0',
        '\ufeffwith a byte order mark',
        '𝄞🙂👩‍👩‍👧‍👦 \u{10ffff}',
        'e\u0301 é ß ﬁ',
        'line\r\nline\rline\n\u2028\u2029',
        '\x1b[31mred\x1b[0m \x1a \x7f \x01',
        ' trailing blanks  \t ',
        '\ud7ff\ue000\uffff',
        '{"json":"\\u0000"}',
        '<script>alert(1)</script>',
        ':name ?1 ? $1 @x %s {{x}}',
      ];
      for (const sample of samples) {
        const todo = await put(store, { title: sample, prompt: sample, cwd: `/${sample}`, checks: [sample] });
        assert.deepEqual([todo.title, todo.prompt, todo.cwd, todo.checks], [sample, sample, `/${sample}`, [sample]]);
        assert.deepEqual(await store.find(todo.id), todo);
        const { ref } = await claimed(store, { todoId: todo.id });
        const sent = aRecord(ref, {
          summary: sample,
          reason: sample,
          reportHtml: sample,
          output: sample,
          evidence: sample,
          reportPath: sample,
        });
        assert.equal(await store.record(sent), 'recorded');
        const back = await store.readBack(ref.runId);
        assert.deepEqual(back?.record, sent);
        assert.deepEqual(sameRecord(digestOf(sent, sha256), back, sha256), { same: true });
      }
    });

    test('lone surrogates, which no UTF-8 holds, come back as replacement characters and still have the digest of what was sent', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store);
      const sent = aRecord(ref, { summary: '\udfff', output: `${'a'.repeat(10)}\ud800` });
      await store.record(sent);
      const back = await store.readBack(ref.runId);
      assert.deepEqual([back?.record.summary, back?.record.output], ['\ufffd', 'aaaaaaaaaa\ufffd']);
      assert.deepEqual(sameRecord(digestOf(sent, sha256), back!, sha256), { same: true });
    });

    test(`[C-16] ${name}: eight MiB of output and of report come back byte by byte`, async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store);
      const bytes = 8 * 1024 * 1024;
      const pattern = `0123456789 "quoted" 'single' \\ \0 é 🙂 <tag>\n`;
      const output = pattern.repeat(Math.ceil(bytes / Buffer.byteLength(pattern)));
      const sent = aRecord(ref, { output, reportHtml: `<pre>${output}</pre>` });
      assert.equal(await store.record(sent), 'recorded');
      const back = await store.readBack(ref.runId);
      assert.ok(Buffer.byteLength(output) >= bytes);
      assert.deepEqual(back?.truncated, {});
      assert.ok(back.record.output === sent.output && back.record.reportHtml === sent.reportHtml);
      assert.deepEqual(sameRecord(digestOf(sent, sha256), back, sha256), { same: true });
    });

    test('change moves a todo without a live run from where it stands, and nothing else', async () => {
      const store = await engine.fresh();
      const todo = await put(store);
      assert.equal(await store.change(todo.id, ['parked', 'blocked'], { status: 'open' }), false, 'it is not there');
      assert.equal(await store.change(newId(), everyStatus, { held: true }), false);
      assert.equal(await store.change(todo.id, ['open'], { held: true, reason: 'on hold' }), true);
      assert.deepEqual([(await stored(store, todo.id)).held, (await stored(store, todo.id)).reason], [true, 'on hold']);
      assert.equal(await store.change(todo.id, ['open'], { held: false, reason: null, notBeforeMs: 5 }), true);
      assert.deepEqual(
        [(await stored(store, todo.id)).held, (await stored(store, todo.id)).reason, (await stored(store, todo.id)).notBeforeMs],
        [false, null, 5],
      );
      const { ref } = await claimed(store);
      assert.equal(await store.change(todo.id, everyStatus, { status: 'cancelled' }), false, 'a run lives');
      await store.giveBack(ref, 'released', 'x', null, 0);
      assert.equal(await store.change(todo.id, ['open'], { status: 'cancelled', reason: 'not needed' }), true);
      const cancelled = await stored(store, todo.id);
      assert.deepEqual([cancelled.status, cancelled.reason, cancelled.proof], ['cancelled', 'not needed', null]);
      assert.ok(cancelled.endedAtMs !== null);
      assert.equal(await store.change(todo.id, everyStatus, { status: 'open' }), false, 'an ended todo never changes again');
      assert.deepEqual(await stored(store, todo.id), cancelled);
    });

    test('of a claim and a cancellation at once, one is first', async () => {
      const store = await engine.fresh();
      const other = await engine.another();
      for (let i = 0; i < 8; i++) {
        const todo = await put(store);
        const [claim, cancelled] = await Promise.all([
          store.claim(aClaim({ todoId: todo.id })),
          other.change(todo.id, ['open'], { status: 'cancelled' }),
        ]);
        assert.notEqual(claim.kind === 'claimed', cancelled);
        assert.equal((await stored(store, todo.id)).status, cancelled ? 'cancelled' : 'claimed');
      }
      await other.close();
    });

    test('a completion that was given up is held with its run, and goes on by requeue', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store, { leaseMs: 0 });
      await store.mark(ref, 'running', 1, null);
      assert.equal(await store.requeue(ref), false, 'nothing to requeue');
      assert.equal(await store.deadLetter(ref, 'REPORT_FAILED three times'), true);
      const dead = await stored(store, ref.todoId);
      assert.deepEqual([dead.status, dead.held, dead.reason, dead.runId], ['dead-lettered', true, 'REPORT_FAILED three times', ref.runId]);
      assert.deepEqual(await store.expired(), [], 'nobody rescues it');
      assert.equal(await store.mark(ref, 'running', 7, null), false, 'no sign of life brings it back');
      assert.equal((await store.getRun(ref.runId))?.round, 1, 'and what was written before the refusal is taken back');
      assert.equal((await store.claim(aClaim())).kind, 'nothing');
      assert.equal((await store.claim(aClaim({ todoId: ref.todoId }))).kind, 'refused');
      assert.equal(await store.requeue({ ...ref, fence: 9 }), false);
      assert.equal(await store.requeue(ref), true);
      const back = await stored(store, ref.todoId);
      assert.deepEqual([back.status, back.held, back.runId], ['running', false, ref.runId]);
      assert.equal(await store.record(aRecord(ref)), 'recorded');
    });

    test('a requeued run is not rescued before its holder could renew it', async () => {
      const store = await engine.fresh();
      await put(store);
      const { ref } = await claimed(store, { leaseMs: 0 });
      await store.deadLetter(ref, 'given up');
      await store.requeue(ref);
      assert.deepEqual(await store.expired(), []);
    });

    test('a dead-lettered todo that is released opens again, and its old run is over', async () => {
      const store = await engine.fresh();
      const todo = await put(store);
      const { ref } = await claimed(store);
      await store.deadLetter(ref, 'given up');
      assert.equal(await store.change(todo.id, ['dead-lettered', 'blocked'], { status: 'open', held: false, reason: null }), true);
      assert.equal((await stored(store, todo.id)).runId, null);
      const run = await store.getRun(ref.runId);
      assert.equal(run?.outcome, 'released');
      assert.ok(run?.endedAtMs !== null);
      assert.equal(await store.requeue(ref), false);
      assert.equal(await store.record(aRecord(ref)), 'superseded');
      assert.equal((await claimed(store)).ref.fence, ref.fence + 1);
    });

    test('notes are kept by todo, oldest first', async () => {
      const store = await engine.fresh();
      const row = (kind: 'audit' | 'retry' | 'healing', atMs: number, what: string, todoId: string | null) =>
        store.note({ kind, todoId, runId: null, atMs, what, detail: `{"n":${atMs}}` });
      await row('audit', 10, 'first', 't1');
      await row('healing', 20, 'second', 't1');
      await row('retry', 30, 'third', 't1');
      await row('audit', 5, 'of another', 't2');
      await row('audit', 5, 'of none', null);
      assert.deepEqual(await store.notesOf('t1'), [
        { kind: 'audit', runId: null, atMs: 10, what: 'first', detail: '{"n":10}' },
        { kind: 'healing', runId: null, atMs: 20, what: 'second', detail: '{"n":20}' },
        { kind: 'retry', runId: null, atMs: 30, what: 'third', detail: '{"n":30}' },
      ]);
    });

    test('[H-52] measurements are kept once, found by host, time and component, and rolled up until nothing is due', async () => {
      const store = await engine.fresh();
      const minute = 60_000;
      const row = (host: string, component: string, atMs: number, cpu: number): MetricRow =>
        sampled(
          { id: newId(), host, component, status: cpu > 90 ? 'degraded' : 'healthy', reason: `cpu ${cpu}`, atMs },
          { cpu, gone: null },
        );
      const rows = [0, 20_000, 40_000, minute].map((atMs, n) => row('here/1', 'daemon', atMs, [10, 95, 30, 7][n]!));
      const others = [row('here/1', 'machine', 0, 50), row('there/1', 'daemon', 0, 1)];
      await store.keepMetrics([...rows, ...others]);
      await store.keepMetrics(rows);
      await store.keepMetrics([]);
      const all = { sinceMs: 0, component: null, limit: 100 };
      assert.equal((await store.metrics('here/1', all)).length, 5);
      assert.deepEqual(await store.metrics('here/1', { ...all, component: 'daemon' }), rows);
      assert.deepEqual(await store.metrics('here/1', { sinceMs: 40_000, component: null, limit: 1 }), [rows[3]]);
      assert.deepEqual(await store.metrics('here/1', { ...all, untilMs: rows[0]!.atMs }), []);
      const rollup = { from: 'raw', to: '1m', bucketMs: minute, beforeMs: minute } as const;
      let taken = 0;
      for (let some = -1; some !== 0; taken += some) some = await store.rollMetrics('here/1', rollup);
      assert.equal(taken, 4);
      const daemon = await store.metrics('here/1', { ...all, component: 'daemon' });
      assert.deepEqual(
        daemon.map(({ atMs, resolution, samples, status, reason, figures }) => [atMs, resolution, samples, status, reason, figures]),
        [
          [0, '1m', 3, 'degraded', 'cpu 95', { cpu: { avg: 45, min: 10, max: 95 } }],
          [minute, 'raw', 1, 'healthy', 'cpu 7', { cpu: { avg: 7, min: 7, max: 7 } }],
        ],
      );
      assert.equal((await store.metrics('there/1', all))[0]?.resolution, 'raw', "another host's are its own business");
      assert.equal(await store.rollMetrics('here/1', { from: '1m', to: null, bucketMs: minute, beforeMs: minute }), 2);
      assert.equal((await store.metrics('here/1', all)).length, 1);
    });

    test('each change of status or hold that no run and no record tells of leaves a row: from, to, who, why', async () => {
      const store = await engine.fresh();
      const changesOf = async (todoId: string) =>
        (await store.notesOf(todoId)).map(({ kind, what, detail }) => {
          const { from, to, by, reason } = JSON.parse(detail);
          return [kind, what, from, to, by, reason];
        });
      const first = await put(store);
      await store.change(first.id, ['open'], { held: true, by: 'person' });
      await store.change(first.id, ['open'], { held: true, by: 'person' });
      await store.change(first.id, ['open'], { held: false, status: 'blocked', reason: 'no key', by: 'person' });
      await store.change(first.id, ['open'], { status: 'cancelled', by: 'person' });
      await store.change(first.id, ['blocked'], { status: 'open', reason: null });
      const { ref } = await claimed(store, { todoId: first.id, leaseMs: 0 });
      await store.mark(ref, 'running', 1, null);
      await store.mark(ref, 'running', 2, null);
      await store.mark(ref, 'stalled', 2, 'silent');
      await store.rescue(ref, { status: 'open', outcome: 'lost', reason: 'expired', attempts: 1, resets: 0, notBeforeMs: null });
      assert.equal(await store.mark(ref, 'running', 2, null), false);
      const again = await claimed(store, { todoId: first.id });
      await store.deadLetter(again.ref, 'given up');
      await store.requeue(again.ref);
      assert.equal(await store.giveBack(again.ref, 'released', 'not started', null, 1), true);
      const last = await claimed(store, { todoId: first.id });
      await store.record(aRecord(last.ref, { outcome: 'failed', todoStatus: 'failed', proof: null }));
      const second = await put(store, { after: first.id });
      await store.blockDependents();
      assert.deepEqual(await changesOf(first.id), [
        ['audit', 'held', 0, 1, 'person', null],
        ['audit', 'status', 'open', 'blocked', 'person', 'no key'],
        ['audit', 'held', 1, 0, 'person', null],
        ['audit', 'status', 'blocked', 'open', 'signoff', null],
        ['audit', 'status', 'claimed', 'running', 'daemon', null],
        ['audit', 'status', 'running', 'stalled', 'daemon', 'silent'],
        ['audit', 'status', 'stalled', 'open', 'rescue', 'expired'],
        ['audit', 'status', 'claimed', 'dead-lettered', 'daemon', 'given up'],
        ['audit', 'status', 'dead-lettered', 'running', 'person', null],
        ['audit', 'status', 'running', 'open', 'daemon', 'not started'],
      ]);
      assert.deepEqual(await changesOf(second.id), [
        ['audit', 'status', 'open', 'blocked', 'signoff', `todo ${first.number}, which it waits for, ended failed`],
      ]);
    });

    test('comments are kept by todo, oldest first, and twice with one id is once', async () => {
      const store = await engine.fresh();
      const todo = await put(store);
      const comment = (atMs: number, text: string, runId: string | null = null) => ({
        id: newId(),
        todoId: todo.id,
        runId,
        atMs,
        author: 'Änne',
        text,
      });
      const [late, early] = [comment(20, 'later 🙂\0'), comment(10, 'earlier', 'run')];
      await store.comment(late);
      await store.comment(early);
      await store.comment(early);
      await store.comment({ ...comment(5, 'of another'), todoId: 'another' });
      assert.deepEqual(await store.commentsOf(todo.id), [early, late]);
    });

    test('attachments are kept by digest, come back byte by byte, and too large ones are refused', async () => {
      const store = await engine.fresh();
      const todo = await put(store);
      const content = new Uint8Array(300_000).map((_, index) => (index * 7919) % 256);
      const attachment = (name: string, bytes: Uint8Array, atMs: number) => ({
        id: newId(),
        todoId: todo.id,
        runId: null,
        atMs,
        author: 'a person',
        name,
        sizeBytes: bytes.length,
        sha256: sha256(bytes),
      });
      const [first, same, empty] = [
        attachment('b.bin', content, 1),
        attachment('a.bin', content, 2),
        attachment('empty', new Uint8Array(), 3),
      ];
      await store.attach(first, content);
      await store.attach(same, content);
      await store.attach(same, content);
      await store.attach(empty, new Uint8Array());
      assert.deepEqual(await store.attachmentsOf(todo.id), [first, same, empty]);
      assert.deepEqual(new Uint8Array((await store.attached(first.sha256))!), content);
      assert.deepEqual(new Uint8Array((await store.attached(empty.sha256))!), new Uint8Array());
      assert.equal(await store.attached(sha256('nobody attached this')), null);
      const large = new Uint8Array(attachmentBytesMax + 1);
      await assert.rejects(store.attach(attachment('large', large, 4), large), { code: 'STORE_REFUSED' });
      assert.equal((await store.attachmentsOf(todo.id)).length, 3);
    });

    test('what ended is counted: by agent, status and proof, all runs, and how long the last run of each took', async () => {
      const store = await engine.fresh();
      const endedAfter = async (ms: number, atMs: number, agent: string, changes: Partial<TerminalRecord> = {}) => {
        const todo = await put(store, { agent });
        const { ref, run } = await claimed(store, { todoId: todo.id });
        // The claim stands at the store's clock; the end is told by the record.
        await store.record(aRecord(ref, { startedAtMs: run.startedAtMs, endedAtMs: run.startedAtMs + ms, ...changes }));
        return { todo, atMs };
      };
      for (let ms = 1; ms <= 20; ms++) await endedAfter(ms * 100, ms, 'shell', ms > 18 ? { proof: 'forced', outcome: 'forced' } : {});
      await endedAfter(50, 0, 'claude', { proof: 'verified' });
      await endedAfter(5000, 0, 'claude', { outcome: 'failed', todoStatus: 'failed', proof: null });
      const worn = await put(store, { agent: 'claude' });
      const lost = await claimed(store, { todoId: worn.id, leaseMs: 0 });
      await store.rescue(lost.ref, { status: 'open', outcome: 'lost', reason: 'gone', attempts: 1, resets: 0, notBeforeMs: null });
      await store.change(worn.id, ['open'], { status: 'cancelled', reason: null });
      await put(store);
      const { groups, outcomes, durations } = await store.ended({ sinceMs: null, untilMs: null });
      assert.deepEqual(groups, [
        { agent: 'claude', status: 'cancelled', proof: null, todos: 1, runs: 1, runsMax: 1 },
        { agent: 'claude', status: 'completed', proof: 'verified', todos: 1, runs: 1, runsMax: 1 },
        { agent: 'claude', status: 'failed', proof: null, todos: 1, runs: 1, runsMax: 1 },
        { agent: 'shell', status: 'completed', proof: 'forced', todos: 2, runs: 2, runsMax: 1 },
        { agent: 'shell', status: 'completed', proof: 'unverified', todos: 18, runs: 18, runsMax: 1 },
      ]);
      assert.deepEqual(outcomes, [
        { outcome: 'done', runs: 19 },
        { outcome: 'failed', runs: 1 },
        { outcome: 'forced', runs: 2 },
        { outcome: 'lost', runs: 1 },
      ]);
      const shell = durations.find(({ agent }) => agent === 'shell');
      assert.deepEqual(shell, { agent: 'shell', count: 20, meanMs: 1050, p50Ms: 1000, p95Ms: 1900 });
      const claude = durations.find(({ agent }) => agent === 'claude');
      assert.deepEqual([claude?.p50Ms, claude?.p95Ms], [50, 5000]);
      assert.equal(durations.find(({ agent }) => agent === null)?.count, 23);
      const later = await store.ended({ sinceMs: Number.MAX_SAFE_INTEGER, untilMs: null });
      assert.deepEqual(later, { groups: [], outcomes: [], durations: [{ agent: null, count: 0, meanMs: null, p50Ms: null, p95Ms: null }] });
      const none = await store.ended({ sinceMs: null, untilMs: 1 });
      assert.equal(none.groups.length, 0);
    });

    test('the store answers when asked, has a clock, and knows its connections', async () => {
      const store = await engine.fresh();
      await store.ping();
      const nowMs = await store.nowMs();
      assert.ok(Number.isInteger(nowMs) && nowMs > 1_600_000_000_000);
      const { active, idle, limit } = store.figures();
      assert.ok(active >= 0 && idle >= 0 && limit >= 1 && active + idle <= limit, JSON.stringify({ active, idle, limit }));
    });

    test('what one handle wrote another sees', async () => {
      const store = await engine.fresh();
      const other = await engine.another();
      const todo = await put(store);
      assert.deepEqual(await other.find(todo.id), todo);
      const { ref } = await claimed(other);
      assert.equal(await store.record(aRecord(ref)), 'recorded');
      assert.equal((await other.readBack(ref.runId))?.todo.status, 'completed');
      await other.close();
    });
  });
}
