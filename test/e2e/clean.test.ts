// What goes when a completion is confirmed, and what stays until then: through the real daemon, with a store that is away in between.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';

const behind = mariadbBehindProxy();

/** Of TASK_COMPLETED, the pointer, and the session folder with what is in it: what is there. */
function thereOf(home: TestHome, number: number): readonly string[] {
  const folder = `${home.legacy.sessionPrefix}${number}`;
  const paths = { marker: home.legacy.marker, pointer: home.legacy.pointer, folder, notes: join(folder, 'notes.txt') };
  return Object.entries(paths).flatMap(([name, path]) => (existsSync(path) ? [name] : []));
}

test('[C-76] before confirmed neither marker nor pointer nor session folder goes, also over a restart; after it all are gone', async (t) => {
  const home = await testHome(t, {
    behavior: { quiet_after: 0.1, max_retries: 1, exponential_backoff: false },
    monitoring: { rescan: 0.2 },
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 'clean_' },
  });
  const first = await home.daemon();
  const { todo } = await home.json(['add', 'By hand', '--hold', '--cwd', home.work]);
  const { run } = await home.json(['claim', String(todo.number)]);
  await home.untilTodo(todo.number, 'it runs', ({ status }) => status === 'running');
  mkdirSync(`${home.legacy.sessionPrefix}${todo.number}`);
  writeFileSync(join(`${home.legacy.sessionPrefix}${todo.number}`, 'notes.txt'), 'worked by hand\n');
  const waits = () =>
    home.log('completion').filter((line) => line.event === 'step failed' && line.run === run && line.fact === 'reported').length;

  await behind.proxy.refuse();
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  await home.until('it was heard, and waits for the store', () => waits() > 0);
  assert.deepEqual(thereOf(home, todo.number), ['marker', 'pointer', 'folder', 'notes']);
  first.process.kill('SIGKILL');
  await first.ended;
  const before = waits();
  await home.daemon();
  await home.until('the next daemon waits for the store too', () => waits() > before);
  assert.deepEqual(thereOf(home, todo.number), ['marker', 'pointer', 'folder', 'notes']);

  await behind.proxy.accept();
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed' && line.run === run));
  assert.deepEqual(thereOf(home, todo.number), []);
  const ended = await home.show(todo.number);
  assert.deepEqual([ended.status, ended.proof, ended.runs.length, ended.runs[0].saidBy], ['completed', 'unverified', 1, 'marker']);
  const [archived, ...others] = readdirSync(join(home.folder, 'archive'));
  assert.deepEqual(others, []);
  assert.match(readFileSync(join(home.folder, 'archive', archived!, 'session_notes.txt'), 'utf8'), /worked by hand/);
});
