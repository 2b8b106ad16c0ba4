// What the daemon learns from the runs that ended on this machine, and where people see it.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inDatabase, rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

const silent = 'mkfifo go 2>/dev/null; read word < go';

/** So many runs of this host that have ended, of which so many hung; in a project. Copied from a run that really ended. */
function pastRuns(home: TestHome, project: string, count: number, hung: number): void {
  inDatabase(home, (db) => {
    const todo = db.prepare('SELECT * FROM todo LIMIT 1').get() as Record<string, never>;
    const run = db.prepare('SELECT * FROM run LIMIT 1').get() as Record<string, never>;
    const insert = (table: string, row: Record<string, unknown>) =>
      db
        .prepare(
          `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.keys(row)
            .map(() => '?')
            .join(', ')})`,
        )
        .run(...(Object.values(row) as never[]));
    const { most } = db.prepare('SELECT max(number) AS most FROM todo').get() as { most: number };
    db.exec('BEGIN IMMEDIATE');
    for (let index = 0; index < count; index++) {
      // Evenly mixed in time.
      const bad = Math.floor(((index + 1) * hung) / count) > Math.floor((index * hung) / count);
      const at = Date.now() - (count - index) * 3_600_000;
      const id = `${project.length}-${String(index).padStart(5, '0')}`;
      insert('todo', { ...todo, id: `t-${id}`, number: most + 1 + index, project, run_id: null });
      const ended = { started_at_ms: at, ended_at_ms: at + (bad ? 1_800_000 : 60_000), outcome: bad ? 'forced' : 'done' };
      insert('run', { ...run, id: `r-${id}`, todo_id: `t-${id}`, ...ended });
    }
    db.exec('COMMIT');
    db.prepare('UPDATE store_meta SET value = (SELECT max(number) FROM todo) WHERE name LIKE ?').run('%number%');
  });
}

test('[C-54] (E) what is likely is learned from the runs here, shown with reasons and its error, and told only where that is allowed', async (t) => {
  const home = await testHome(t, {
    behavior: { quiet_after: 0.1, term_grace: 1, health_check_interval: 0.5 },
    monitoring: { rescan: 0.2 },
    slots: { project: 2 },
  });
  const other = join(home.work, '..', 'other');
  mkdirSync(other);
  const first = await home.daemon();
  await home.untilTodo((await home.add('true')).number, 'ended', (todo) => todo.status === 'completed');
  const alone = await home.add(silent);
  await home.untilTodo(alone.number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  await home.until('it has looked at the history', async () => (await home.json(['status'])).learned.kind !== 'none');
  const early = await home.json(['status']);
  assert.deepEqual([early.learned.kind, early.live[0].prediction.kind], ['too-little', 'none']);
  assert.match(early.learned.needs, /^40 ended runs with at least 8 of each kind; there are [01], 0 of them hung or failed$/);
  assert.match((await home.todo(['why', String(alone.number)])).stdout, /Whether it will hang or fail cannot be said: too little history/);
  first.process.kill('SIGTERM');
  await first.ended;

  pastRuns(home, home.work, 60, 57);
  pastRuns(home, other, 80, 2);
  const second = await home.daemon();
  await home.until('it has learned', async () => (await home.json(['status'])).learned.kind === 'fitted');
  const { todo: easy } = await home.json(['add', 'easy', '--agent', 'shell', '--prompt', 'mkfifo go; read word < go', '--cwd', other]);
  await home.untilTodo(easy.number, 'running', (todo) => todo.status === 'running' && existsSync(join(other, 'go')));
  const { learned, live } = await home.json(['status']);
  assert.deepEqual([learned.runs, learned.hungOrFailed], [141, 59]);
  assert.ok(learned.brier < 0.5 * learned.brierOfBaseRate, JSON.stringify(learned));
  const of = (number: number): Json => live.find((run: Json) => run.number === number).prediction;
  assert.ok(of(alone.number).probability > 0.8 && of(easy.number).probability < 0.3, JSON.stringify(live));
  assert.ok(of(alone.number).reasons.some((it: string) => it.startsWith(`+ project ${home.work}: 57 of 61 runs hung or failed`)));
  const { prediction } = await home.json(['why', String(alone.number)]);
  assert.ok(prediction.probability > 0.8 && prediction.baseRate > 0.4 && prediction.baseRate < 0.45);
  const why = (await home.todo(['why', String(alone.number)])).stdout;
  assert.match(why, /It hangs or fails with a probability of \d+ % \(of all runs here 42 % did\)\.\n[+−] /);
  assert.match(
    (await home.todo(['status'])).stdout,
    /May hang or fail, by 141 runs here; error on later runs 0\.\d+, of always saying 42 % 0\.\d+ \(Brier\)/,
  );
  assert.equal((await home.json(['why', '1'])).prediction, null, 'nothing is said of what has ended');
  const told = () => rowsOf(home, "SELECT todo_id, detail FROM self_healing_events WHERE what = 'prediction.told'");
  assert.deepEqual(told(), [], 'it acts on nothing by itself');

  await home.json(['config', 'set', 'behavior.act_on_prediction', 'true']);
  await home.until('a person was told', () => told().length > 0);
  second.process.kill('SIGTERM');
  await second.ended;
  await home.daemon();
  const after = home.log('monitor').filter((line) => line.event === 'swept').length;
  await home.until('it looked again', () => home.log('monitor').filter((line) => line.event === 'swept').length > after);
  assert.deepEqual(
    told().map((row) => [row.todo_id, JSON.parse(row.detail).after]),
    [[alone.id, 'a person was told; nothing else was done']],
    'once a run, whatever restarts',
  );
  assert.equal((await home.show(alone.number)).status, 'running');
});
