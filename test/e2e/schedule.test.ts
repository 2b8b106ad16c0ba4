// A word that is put off: kept over restarts, shown until its time, said once, or taken back. And several todos in one call.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type Json, type TestHome, testHome, todoProgram } from './harness.ts';

const quick = { behavior: { quiet_after: 0.1, term_grace: 0.5 }, monitoring: { rescan: 0.2 } };
const ended = (home: TestHome, ref: number) => home.untilTodo(ref, `todo ${ref} has ended`, ({ endedAtMs }) => endedAtMs !== null);
const rows = (home: TestHome, sql: string): Json[] => {
  const database = new DatabaseSync(join(home.folder, 'todo.db'), { readOnly: true });
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
};
const notes = (home: TestHome) => rows(home, `SELECT key, value FROM journal_note WHERE key LIKE 'scheduled:%'`);

test('[C-56] done --in: shown until its time, not said before it, then said as a person would', async (t) => {
  const home = await testHome(t, quick);
  await home.daemon();
  const { number, id } = await home.add('true', '--hold', '--check', 'test -e proof || touch proof');
  const saidAtMs = Date.now();
  const putOff = async (time: string) => {
    const { results, daemon } = await home.json(['done', String(number), '--in', time, '--summary', 'as agreed']);
    assert.deepEqual([results[0].ok, daemon, results[0].scheduled.verb], [true, true, 'done']);
    return results[0].scheduled;
  };
  const scheduled = await putOff('90s');
  assert.ok(scheduled.atMs >= saidAtMs + 90_000 && scheduled.atMs <= Date.now() + 90_000);
  const todo = await home.show(number);
  assert.deepEqual([todo.status, todo.scheduled], ['open', scheduled]);
  assert.deepEqual((await home.json(['list'])).todos[0].scheduled, scheduled, 'on the fast path');
  assert.deepEqual((await home.json(['list', '--status', 'open', 'running'])).todos[0].scheduled, scheduled, 'and on the other');
  assert.deepEqual((await home.json(['why', String(number)])).scheduled, scheduled);
  assert.match((await home.todo(['list'])).stdout, /open held, done in \d+ s/);
  assert.match((await home.todo(['show', String(number)])).stdout, /scheduled +will be completed in \d+ s/);
  assert.match((await home.todo(['why', String(number)])).stdout, /It will be completed in \d+ s/);

  const soon = await putOff('300ms');
  const after = await ended(home, number);
  const [run] = after.runs;
  assert.deepEqual([after.status, after.proof, run.saidBy, after.scheduled], ['completed', 'verified', 'person', null]);
  assert.match(after.summary, /: as agreed$/);
  assert.ok(run.startedAtMs >= soon.atMs, 'not before its time');
  await home.until('nothing is put off any more', () => notes(home).length === 0);
  const { events } = await home.json(['show', String(number), '--history']);
  assert.ok(events.some(({ what, detail }: Json) => what === 'scheduled' && detail.startsWith('done at ')));
  assert.equal(rows(home, `SELECT count(*) AS n FROM completion WHERE todo_id = '${id}'`)[0].n, 1);
});

test('[C-56] without a daemon it says that one is needed, waits over restarts, and is said as soon as one lives', async (t) => {
  const home = await testHome(t, quick);
  const { number } = await home.add('true', '--hold');
  assert.equal((await home.json(['done', String(number), '--in', '100ms'])).daemon, false);
  const later = await home.add('true', '--hold');
  const said = await home.todo(['fail', String(later.number), '--in', '1d', '--reason', 'too late']);
  assert.equal(said.code, 0);
  assert.match(said.stdout, new RegExp(`Todo ${later.number} will be failed in 24 h`));
  assert.match(said.stderr, /No daemon runs in this home, and only one can say it then\. Start it with: todo daemon start/);
  const due = notes(home)
    .map(({ value }) => JSON.parse(value))
    .find(({ verb }) => verb === 'done').atMs;
  await home.until('its time has come', () => Date.now() > due);
  assert.match((await home.todo(['show', String(number)])).stdout, /due to be completed since \d+ s: a daemon of this home says it/);
  const first = await home.daemon();
  assert.equal((await ended(home, number)).proof, 'overridden');
  first.process.kill('SIGKILL');
  await first.ended;
  await home.daemon();
  const { status, scheduled } = await home.show(later.number);
  assert.deepEqual([status, scheduled.verb], ['open', 'fail'], 'what is not due yet is still to come');
});

test('[C-56] fail, block, release and cancel may be put off; a later word takes the place of an earlier one; unschedule takes it back', async (t) => {
  const home = await testHome(t, quick);
  await home.daemon();
  const wanted: Record<string, string> = { fail: 'failed', block: 'blocked', release: 'open', cancel: 'cancelled' };
  const numbers: Record<string, number> = {};
  // What waits for this one is not started by the daemon that sees it released.
  const before = await home.add('true', '--hold');
  for (const verb of Object.keys(wanted)) {
    const { number } = await home.add('true', '--hold', ...(verb === 'release' ? ['--after', String(before.number)] : []));
    numbers[verb] = number;
    await home.json(['done', String(number), '--in', '1d']);
    await home.json([verb, String(number), '--in', '300ms', '--reason', `because of ${verb}`]);
  }
  for (const [verb, status] of Object.entries(wanted)) {
    const todo = await home.untilTodo(numbers[verb]!, verb, (it) => it.scheduled === null && it.status === status);
    assert.equal(todo.reason ?? `because of ${verb}`, `because of ${verb}`);
    if (verb === 'release') assert.equal(todo.held, false);
  }
  const { number } = await home.add('true', '--hold');
  await home.json(['done', String(number), '--in', '1d']);
  assert.equal((await home.json(['unschedule', String(number)])).scheduled.verb, 'done');
  assert.equal((await home.show(number)).scheduled, null);
  const again = await home.todo(['unschedule', String(number), '--json']);
  assert.deepEqual([again.code, JSON.parse(again.stdout).code], [1, 'REFUSED']);
});

test('[C-56] what cannot be said at its time is refused as it would be by hand, and its history says so', async (t) => {
  const home = await testHome(t, quick);
  await home.daemon();
  const { number } = await home.add('exec sleep 600');
  await home.untilTodo(number, 'it runs', ({ status }) => status === 'running');
  await home.json(['done', String(number), '--in', '100ms']);
  await home.until('refused', () => notes(home).length === 0);
  const todo = await home.show(number);
  assert.deepEqual([todo.status, todo.scheduled], ['running', null]);
  const { events } = await home.json(['show', String(number), '--history']);
  assert.match(events.find(({ what }: Json) => what === 'scheduled done refused').detail, /has a live run/);
  await home.json(['done', String(number), '--in', '100ms', '--force']);
  assert.deepEqual([(await ended(home, number)).proof, (await home.show(number)).runs.length], ['overridden', 1]);
  const over = await home.todo(['done', String(number), '--in', '1s', '--json']);
  assert.deepEqual([over.code, JSON.parse(over.stdout).code], [1, 'REFUSED']);
  const inside = await home.add(`'${todoProgram}' done --in 5s > said 2>&1; echo $? >> said`);
  await ended(home, inside.number);
  assert.match(execFileSync('cat', [join(home.work, 'said')], { encoding: 'utf8' }), /inside a run a word counts at once[\s\S]*64\n$/);
});

test('[C-56] exactly once: a daemon that dies after the word and before it is off the list says it no second time', async (t) => {
  const home = await testHome(t, quick);
  let daemon = await home.daemon();
  const released = await home.add('true', '--hold');
  const completed = await home.add('true', '--hold');
  await home.json(['block', String(released.number), '--in', '1ms']);
  await home.json(['done', String(completed.number), '--in', '1d']);
  const [done] = notes(home).filter(({ key }) => key.endsWith(completed.id));
  const due = { ...done, value: JSON.stringify({ ...JSON.parse(done.value), atMs: Date.now() }) };
  await home.until('the first is said', async () => (await home.show(released.number)).status === 'blocked');
  const blockId = (await home.json(['show', String(released.number), '--history'])).events
    .map(({ by }: Json) => /scheduled (.*)/.exec(by ?? '')?.[1])
    .find(Boolean);
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  // As a daemon leaves it that died between the two: the second is due now and was not said, the first was said and is still there.
  const database = new DatabaseSync(join(home.folder, 'todo.db'));
  const put = database.prepare('INSERT OR REPLACE INTO journal_note (key, value) VALUES (?, ?)');
  put.run(due.key, due.value);
  const block = { ...JSON.parse(due.value), id: blockId, todoId: released.id, verb: 'block' };
  put.run(`scheduled:${released.id}`, JSON.stringify(block));
  database.close();
  await home.json(['release', String(released.number)]);
  await home.json(['hold', String(released.number)]);
  daemon = await home.daemon();
  assert.equal((await ended(home, completed.number)).status, 'completed');
  await home.until('both are off the list', () => notes(home).length === 0);
  assert.equal((await home.show(released.number)).status, 'open', 'said once, not again');

  daemon.process.kill('SIGKILL');
  await daemon.ended;
  const again = new DatabaseSync(join(home.folder, 'todo.db'));
  again.prepare('INSERT INTO journal_note (key, value) VALUES (?, ?)').run(due.key, due.value);
  again.close();
  await home.daemon();
  await home.until('off the list again', () => notes(home).length === 0);
  const todo = await home.show(completed.number);
  assert.deepEqual([todo.runs.length, rows(home, `SELECT count(*) AS n FROM completion WHERE todo_id = '${todo.id}'`)[0].n], [1, 1]);
  const { events } = await home.json(['show', String(completed.number), '--history']);
  assert.deepEqual(
    events.filter(({ what }: Json) => what.includes('refused')),
    [],
    'not even tried',
  );
});

test('[C-57] several ids: each has its own result, whatever became of the others, for each of the words', async (t) => {
  const home = await testHome(t, quick);
  const add = async () => String((await home.add('true', '--hold')).number);
  for (const daemon of [false, true]) {
    if (daemon) await home.daemon();
    for (const [verb, status] of Object.entries({
      done: 'completed',
      fail: 'failed',
      block: 'blocked',
      park: 'parked',
      release: 'open',
      cancel: 'cancelled',
    })) {
      const [first, over, last] = [await add(), await add(), await add()];
      await home.json(['cancel', over]);
      const { code, stdout } = await home.todo([verb, first, '999', over, last, '--json']);
      const { kind, results } = JSON.parse(stdout);
      assert.deepEqual([verb, code, kind], [verb, 1, 'todos']);
      assert.deepEqual(
        results.map(({ ref, ok, status, code }: Json) => [ref, ok, status, code]),
        [
          [first, true, status, null],
          ['999', false, null, 'NOT_FOUND'],
          [over, false, null, 'REFUSED'],
          [last, true, status, null],
        ],
      );
      assert.ok(results[2].message.includes('has ended') && results[2].hint);
    }
  }
  const [one, two] = [await add(), await add()];
  const all = await home.json(['done', one, two]);
  assert.deepEqual(
    all.results.map(({ ok, proof }: Json) => [ok, proof]),
    [
      [true, 'overridden'],
      [true, 'overridden'],
    ],
  );
  const ambiguous = await home.todo(['done', await add(), (await home.show(one)).id.slice(0, 4), '--json']);
  assert.deepEqual([ambiguous.code, JSON.parse(ambiguous.stdout).results.map(({ code }: Json) => code)], [1, [null, 'AMBIGUOUS']]);
  const [three, four] = [await add(), await add()];
  const later = await home.todo(['done', three, '999', four, '--in', '1d', '--json']);
  assert.deepEqual(
    [later.code, JSON.parse(later.stdout).results.map(({ ok, scheduled }: Json) => [ok, scheduled?.verb ?? null])],
    [
      1,
      [
        [true, 'done'],
        [false, null],
        [true, 'done'],
      ],
    ],
  );
});
