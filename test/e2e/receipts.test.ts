// A server loses what it acknowledged, as a failover may: what was closed is looked for again when the store is back, and written again from the
// archive, once. On MariaDB, with the rows set back behind the daemon's back.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { wrongInStore } from '../fixtures/store-checker.ts';
import { aClaim } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { type Json, type Started, type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';

const behind = mariadbBehindProxy();

let prefixes = 0;
type Place = { readonly home: TestHome; readonly daemon: Started; readonly prefix: string; sql(text: string): Promise<Json[]> };

async function place(t: TestContext): Promise<Place> {
  await behind.back();
  const prefix = `r${++prefixes}_`;
  const home = await testHome(t, {
    behavior: { quiet_after: 0.05 },
    monitoring: { rescan: 0.2 },
    logging: { level: 'debug' },
    store: { url: behind.server.url(behind.proxy.port), table_prefix: prefix },
  });
  const connection = await behind.server.connect();
  t.after(() => connection.destroy());
  const daemon = await home.daemon();
  return { home, daemon, prefix, sql: async (text) => (await connection.query(text.replaceAll('#', prefix)))[0] as Json[] };
}

const completed = async ({ home }: Place, said: string): Promise<Json> => {
  const { number } = await home.add(`echo '${said}'`);
  const todo = await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  await home.until('closed', () => home.log('completion').some(({ event, run }) => event === 'closed' && run === todo.runs[0].id));
  return todo;
};
const looks = ({ home }: Place): number => home.log('monitor').filter(({ event }) => event === 'receipts looked at').length;
const again = ({ home }: Place): Json[] => home.log('completion').filter(({ event }) => event === 'recorded again');
const alerts = ({ home }: Place): string[] =>
  home.log('emergency').flatMap(({ level, event, message }) => (level === 'CRITICAL' && event === 'alert' ? [message] : []));
const goesAway = async (at: Place): Promise<void> => {
  const before = at.home.log('completion').filter(({ event }) => /^the store is away/.test(event)).length;
  await behind.away();
  await at.home.until(
    'it is away',
    () => at.home.log('completion').filter(({ event }) => /^the store is away/.test(event)).length > before,
  );
};
const comesBack = async (at: Place): Promise<void> => {
  const before = looks(at);
  await behind.back();
  await at.home.until('receipts were looked at', () => looks(at) > before);
};
/** The last commit of a run is gone: its record, its end, the end of its todo. */
const loseEnd = async ({ sql }: Place, { id, runs }: Json): Promise<void> => {
  await sql(`DELETE FROM #completion WHERE todo_id = '${id}'`);
  await sql(`UPDATE #run SET outcome = NULL, ended_at_ms = NULL, said_by = NULL WHERE id = '${runs[0].id}'`);
  await sql(
    `UPDATE #todo SET status = 'running', proof = NULL, ended_at_ms = NULL, summary = NULL, report = NULL, run_id = '${runs[0].id}' WHERE id = '${id}'`,
  );
};
/** And the claim before it. */
const loseRun = async (at: Place, todo: Json): Promise<void> => {
  await loseEnd(at, todo);
  await at.sql(`DELETE FROM #run WHERE todo_id = '${todo.id}'`);
  await at.sql(`UPDATE #todo SET status = 'open', fence = fence - 1, run_id = NULL WHERE id = '${todo.id}'`);
};

test('ends that the server lost are written again from the archive, with their claim where that is gone too, once', async (t) => {
  const at = await place(t);
  const todos = [];
  for (const said of ['kept as it is.', 'its end is lost.', 'its claim is lost, too.'])
    todos.push({ ...(await completed(at, said)), said });
  const rows = () => Promise.all(['completion', 'todo'].map((table) => at.sql(`SELECT * FROM #${table} ORDER BY 1`)));
  const before = await rows();
  await goesAway(at);
  await loseEnd(at, todos[1]);
  await loseRun(at, todos[2]);
  await comesBack(at);
  assert.deepEqual(
    again(at)
      .map(({ todo }) => todo)
      .sort(),
    [todos[1].number, todos[2].number].sort(),
  );
  const connection = await behind.server.connect();
  t.after(() => connection.destroy());
  assert.deepEqual(await wrongInStore(connection, at.prefix, [join(at.home.folder, 'archive')], todos), []);
  const steady = (all: Json[][]) => all.map((of) => of.map(({ recorded_at_ms, updated_at_ms, ...row }) => row));
  assert.deepEqual(steady(await rows()), steady(before), 'as if nothing had been');
  await at.home.until('two alerts', () => alerts(at).length === 2);
  assert.match(alerts(at)[0]!, /^todo \d+: the store had lost its record, which was written again from the archive/);
  await at.home.until(
    'told to the store',
    async () => (await at.sql("SELECT id FROM #self_healing_events WHERE type = 'record-asserted-again'")).length === 2,
  );

  // Over another outage and another daemon nothing more comes of it.
  await goesAway(at);
  await comesBack(at);
  const seen = looks(at);
  at.daemon.process.kill('SIGKILL');
  await at.daemon.ended;
  await at.home.daemon();
  await at.home.until('the next daemon has looked', () => looks(at) > seen);
  assert.deepEqual([again(at).length, alerts(at).length, (await at.sql('SELECT id FROM #run')).length], [2, 2, 3]);
});

test('a todo that somebody else claimed after its end was lost is theirs: nothing is changed, and a person is told once', async (t) => {
  const at = await place(t);
  const [taken, removed] = [await completed(at, 'taken'), await completed(at, 'removed')];
  await goesAway(at);
  await loseRun(at, taken);
  const other = mysqlStore(behind.server.url(), { prefix: at.prefix });
  t.after(() => other.close());
  assert.equal((await other.claim(aClaim({ todoId: taken.id, host: 'elsewhere/1' }))).kind, 'claimed');
  for (const table of ['completion', 'run']) await at.sql(`DELETE FROM #${table} WHERE todo_id = '${removed.id}'`);
  await at.sql(`DELETE FROM #todo WHERE id = '${removed.id}'`);
  const rows = () => Promise.all(['completion', 'todo', 'run'].map((table) => at.sql(`SELECT * FROM #${table} ORDER BY 1`)));
  const before = await rows();
  await comesBack(at);
  await at.home.until('both alerts', () => alerts(at).length === 2);
  assert.deepEqual(await rows(), before);
  assert.match(alerts(at).join('\n'), /the todo was claimed or ended by somebody else since; nothing was changed/);
  assert.match(alerts(at).join('\n'), /the todo itself is not in the store any more/);
  await goesAway(at);
  await comesBack(at);
  assert.deepEqual([alerts(at).length, again(at).length], [2, 0], 'told once');
});
