// Layer 1 through the running daemon: each source, and what is said about those that gave nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type Json, testHome } from './harness.ts';

const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const evidenceOf = (todo: Json): Json => JSON.parse(readFileSync(join(dirname(todo.report), 'evidence.json'), 'utf8'));
const used = (evidence: Json): Json => evidence.sources.find((source: Json) => source.used);
const verdicts = (evidence: Json): Json => Object.fromEntries(evidence.sources.map((source: Json) => [source.name, source.verdict]));

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'init.defaultBranch=main', ...args], { cwd });

test('[C-03] source 1: the changes of the working directory, only those of the run', async (t) => {
  const home = await testHome(t);
  git(home.work, 'init', '-q');
  writeFileSync(join(home.work, 'old.txt'), 'one\n');
  writeFileSync(join(home.work, 'mine.txt'), 'a\n');
  git(home.work, 'add', '.');
  git(home.work, 'commit', '-qm', 'start');
  writeFileSync(join(home.work, 'mine.txt'), 'changed by a person before the run\n');
  await home.daemon();
  const { number } = await home.add('echo two >> old.txt; printf "x\\ny\\n" > new.txt');
  const todo = await home.untilTodo(number, 'ended', isOver);
  const evidence = evidenceOf(todo);
  assert.equal(used(evidence).name, 'structured output');
  assert.deepEqual(
    evidence.diffStat.files.map(({ path, added, removed, untracked }: Json) => [path, added, removed, untracked]),
    [
      ['old.txt', 1, 0, false],
      ['new.txt', 2, 0, true],
    ],
  );
  assert.deepEqual(evidence.structured.filesCreated, ['new.txt']);
  assert.match(readFileSync(todo.report, 'utf8'), /new\.txt/);
});

test('[C-04] source 2: the session folder, when the agent left nothing else; it goes to the archive whole', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('true');
  const folder = `${home.legacy.sessionPrefix}${number}`;
  mkdirSync(folder);
  writeFileSync(join(folder, 'notes.md'), 'what I did: everything\n');
  await home.daemon();
  const todo = await home.untilTodo(number, 'ended', isOver);
  const evidence = evidenceOf(todo);
  assert.equal(used(evidence).name, 'session folder');
  assert.equal(readFileSync(join(dirname(todo.report), 'session_notes.md'), 'utf8'), 'what I did: everything\n');
  await home.until('the folder is gone', () => !existsSync(folder));
});

test('[C-05] source 3: the terminal of a real tmux window, from its first byte', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { number } = await home.add('echo first byte; seq 1 3000; echo last byte', '--session', 'tmux');
  const todo = await home.untilTodo(number, 'ended', isOver);
  const evidence = evidenceOf(todo);
  assert.equal(evidence.run.kind, 'tmux');
  assert.equal(used(evidence).name, 'terminal output');
  const lines = readFileSync(join(dirname(todo.report), 'output.txt'), 'utf8').split(/\r?\n/);
  assert.equal(lines[0], 'first byte');
  assert.ok(lines.includes('1') && lines.includes('1500') && lines.includes('3000') && lines.includes('last byte'));
});

test('[C-06, C-07] source 4: with nothing from anywhere the store still knows the todo, and the report says why the others were rejected', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { number, title } = await home.add('true # silent');
  const todo = await home.untilTodo(number, 'ended', isOver);
  const evidence = evidenceOf(todo);
  assert.equal(used(evidence).name, 'store');
  assert.deepEqual(verdicts(evidence), {
    'structured output': 'unavailable',
    'session folder': 'unavailable',
    'terminal output': 'empty',
    store: 'structured',
  });
  for (const source of evidence.sources) assert.notEqual(source.reason, '');
  const report = readFileSync(todo.report, 'utf8');
  for (const text of [title.slice(0, 4), home.work, 'the session printed nothing', 'there is none for this todo'])
    assert.ok(report.includes(text), text);
});

test('[C-07] a source that is there and empty is a failure of that source, and the next one is taken', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('echo spoken');
  mkdirSync(`${home.legacy.sessionPrefix}${number}`);
  writeFileSync(join(`${home.legacy.sessionPrefix}${number}`, 'empty.txt'), ' \n');
  await home.daemon();
  const evidence = evidenceOf(await home.untilTodo(number, 'ended', isOver));
  assert.deepEqual(verdicts(evidence), {
    'structured output': 'unavailable',
    'session folder': 'empty',
    'terminal output': 'raw',
    store: 'structured',
  });
  assert.equal(used(evidence).name, 'terminal output');
  assert.deepEqual(evidence.problems, ['session folder: its files are empty']);
});

test('[I-24] an agent that printed nothing is never said to have succeeded with something, and times are those of the run', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { number } = await home.add('sleep 1.2');
  const todo = await home.untilTodo(number, 'ended', isOver);
  const evidence = evidenceOf(todo);
  const tookMs = evidence.run.endedAtMs - evidence.run.startedAtMs;
  assert.ok(tookMs >= 1150 && tookMs < 30_000, `${tookMs} ms`);
  assert.equal(evidence.structured, null);
  assert.equal(evidence.said.summary, null);
  assert.equal(todo.runs[0].endedAtMs, evidence.run.endedAtMs);
});

test('[I-26] two runs side by side: each report shows its own screen and nothing of the other', async (t) => {
  const home = await testHome(t, { slots: { project: 2 } });
  await home.daemon();
  const one = await home.add('for i in 1 2 3 4 5; do echo ONE-$i; sleep 0.1; done', '--session', 'tmux');
  const two = await home.add('for i in 1 2 3 4 5; do echo TWO-$i; sleep 0.1; done', '--session', 'tmux');
  for (const [todo, own, other] of [
    [one, 'ONE', 'TWO'],
    [two, 'TWO', 'ONE'],
  ] as const) {
    const ended = await home.untilTodo(todo.number, 'ended', isOver);
    const output = readFileSync(join(dirname(ended.report), 'output.txt'), 'utf8');
    assert.ok(output.includes(`${own}-1`) && output.includes(`${own}-5`));
    assert.ok(!output.includes(other));
  }
});

test('[I-27] terminal text with a script tag stays text in report, record and summary', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const hostile = '<script>alert(1)</script><img src=x onerror=alert(2)>';
  const { number } = await home.add(`printf '%s\\n' '${hostile}'; "$TODO_MARKER" done '${hostile}'`);
  const todo = await home.untilTodo(number, 'ended', isOver);
  const report = readFileSync(todo.report, 'utf8');
  assert.ok(!report.includes('<script') && !report.includes('<img'));
  assert.ok(/Content-Security-Policy" content="default-src (&#39;|')none/.test(report), 'a strict policy');
  assert.match(report, /&lt;script&gt;/);
});

test('[I-28] one record with everything: finish time, summary, report and output, in folders that were tried at start', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { number } = await home.add('echo the output; "$TODO_MARKER" done "all of it"');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.match(todo.summary, /all of it/);
  assert.ok(existsSync(todo.report));
  assert.ok(todo.runs[0].endedAtMs > 0 && todo.runs[0].outcome === 'done');
  const exported = await home.json(['export', String(number)]);
  assert.ok(JSON.stringify(exported).includes('the output'));
});

test('[I-30] a run is archived once: moved, with digests that hold, and nothing of it stays behind', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('echo once; "$TODO_MARKER" done once; "$TODO_MARKER" done twice');
  await home.daemon();
  const todo = await home.untilTodo(number, 'ended', isOver);
  const { readdirSync } = await import('node:fs');
  await home.until('its run folder is gone', () => !existsSync(join(home.folder, 'runs', todo.runs[0].id)));
  const archived = readdirSync(join(home.folder, 'archive')).filter((name) => name.includes(todo.runs[0].id));
  assert.equal(archived.length, 1);
  const { createHash } = await import('node:crypto');
  const folder = dirname(todo.report);
  for (const file of JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')).files) {
    assert.equal(
      createHash('sha256')
        .update(readFileSync(join(folder, file.name)))
        .digest('hex'),
      file.sha256,
      file.name,
    );
  }
});

test('[I-07] a marker that waited for hours while no daemon lived is processed, not thrown away', async (t) => {
  const home = await testHome(t);
  const first = await home.daemon();
  const { number } = await home.add('echo working; mkfifo go; read x < go; "$TODO_MARKER" done late; echo written > written; sleep 30');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  first.process.kill('SIGKILL');
  await first.ended;
  writeFileSync(join(home.work, 'go'), 'x\n');
  await home.until('the marker is written', () => existsSync(join(home.work, 'written')));
  const { readdirSync } = await import('node:fs');
  const spool = join(home.folder, 'spool', 'new');
  const [name] = readdirSync(spool);
  assert.ok(name);
  const old = Date.now() / 1000 - 7200;
  utimesSync(join(spool, name), old, old);
  await home.daemon();
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.runs[0].saidBy], ['completed', 'marker']);
});
