import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { todoJson } from '../../src/cli/todos.ts';
import { listJson } from '../../src/store/list-json.ts';
import { aRecord, aTodo, claimed } from './conformance.ts';
import { sqliteFixture } from './sqlite-fixture.ts';

const fixture = sqliteFixture();
after(() => fixture.end());

const shared = fixture.file();
let at = 1_700_000_000_000;
const store = fixture.store(shared, { nowMs: () => ++at });
await store.open();
await store.add(
  aTodo({ title: `a "title"\0 🙂 \\ \u2028 </script>`, checks: ['npm test', 'echo "x"'], held: true, session: 'tmux', timeoutMs: 5 }),
);
const first = await store.add(aTodo());
await store.add(aTodo({ after: first.id }));
const lost = await claimed(store);
await store.giveBack(lost.ref, 'lost', 'no reason', null, 1);
await store.record(aRecord((await claimed(store)).ref, { proof: 'verified' }));
const running = await claimed(store);
await store.mark(running.ref, 'running', 1, null);

test('the list as text says of each todo what the list as values says, newest first', async () => {
  const document = JSON.parse(listJson(shared.database, 100));
  const { todos } = await store.list({ statuses: null, limit: 100 });
  const expected = [];
  for (const todo of todos) {
    const { prompt: _prompt, ...shown } = todoJson(todo, todo.status, await store.runsOf(todo.id));
    expected.push({ ...shown, scheduled: null });
  }
  assert.deepEqual(document, { schemaVersion: 1, kind: 'todos', todos: expected, truncated: false });
  assert.equal(expected[1]!.runs.length, 2);
});

test('it is bounded and says so, and shows asked statuses only', () => {
  const ask = (limit: number, statuses: string[] | null = null) => {
    const { todos, truncated } = JSON.parse(listJson(shared.database, limit, { statuses }));
    return [todos.map((todo: { number: number }) => todo.number), truncated];
  };
  assert.deepEqual(ask(2), [[3, 2], true]);
  assert.deepEqual(ask(3), [[3, 2, 1], false]);
  assert.deepEqual(ask(0), [[], true]);
  assert.deepEqual(ask(9, ['open']), [[1], false]);
  assert.deepEqual(ask(1, ['open', 'completed']), [[2], true]);
  assert.deepEqual(ask(9, []), [[], false]);
});

test('a todo in progress whose completion stands in the journal is finishing, an ended one is not', () => {
  const document = JSON.parse(listJson(shared.database, 9, { finishing: [running.todo.id, first.id] }));
  assert.deepEqual(
    document.todos.map(({ status }: { status: string }) => status),
    ['finishing', 'completed', 'open'],
  );
});

test('another prefix is another store; a hostile one is refused', async () => {
  const other = fixture.store(shared, { prefix: 'other_' });
  await other.open();
  assert.deepEqual(JSON.parse(listJson(shared.database, 9, { prefix: 'other_' })), {
    schemaVersion: 1,
    kind: 'todos',
    todos: [],
    truncated: false,
  });
  assert.throws(() => listJson(shared.database, 9, { prefix: 'x" --' }));
});

test('it loads nothing else', () => {
  const module = fileURLToPath(new URL('../../src/store/list-json.ts', import.meta.url));
  const script = `const before = new Set(process.moduleLoadList); await import(${JSON.stringify(module)}); console.log(JSON.stringify(process.moduleLoadList.filter((name) => !before.has(name))))`;
  const loaded = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })) as string[];
  assert.deepEqual(
    loaded.filter((name) => /sqlite|child_process|net|http|mysql/.test(name)),
    [],
  );
});
