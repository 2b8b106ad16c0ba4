// What a run leaves behind: report, evidence, archive. Looked at where people look for them, after a real daemon made them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';

const ended = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} has ended`, ({ endedAtMs }) => endedAtMs !== null);
const evidenceOf = (todo: Json): Json => JSON.parse(readFileSync(join(dirname(todo.report), 'evidence.json'), 'utf8'));
const tickMs = 10;
const reportOf = (todo: Json): string => readFileSync(todo.report, 'utf8');
const closed = (home: TestHome, number: number) =>
  home.until(`todo ${number} is closed`, () => home.log('completion').some((line) => line.event === 'closed' && line.todo === number));
const asText = (html: string): string =>
  html
    .replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

test('[C-08] an agent that prints nothing leaves a whole report, one file that asks nobody else for anything', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const todo = await home.add('true');
  const done = await ended(home, todo.number);
  const html = reportOf(done);
  assert.ok(/^<!doctype html>/i.test(html));
  const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]+)"/i.exec(html)?.[1] ?? '';
  assert.match(policy.replaceAll('&#39;', "'"), /^default-src 'none';/);
  const outside = [...html.matchAll(/\b(?:src|href|action)\s*=\s*["']?([^"'\s>]+)/gi)]
    .map((match) => match[1]!)
    .filter((target) => !/^(#|data:)/.test(target));
  assert.deepEqual(outside, [], 'nothing is loaded from anywhere');
  assert.ok(!/@import|url\((?!["']?data:)/i.test(html), 'nor by its style');
  assert.deepEqual([evidenceOf(done).output.totalBytes, done.summary !== ''], [0, true]);
});

test('[C-09] title, description, folder and the precise times of the run stand in the report, though it was collected much later', async (t) => {
  const home = await testHome(t);
  const first = await home.daemon();
  const todo = await home.add('date +%s%3N > began; mkfifo go; read word < go; date +%s%3N > ended; echo bye');
  await home.untilTodo(todo.number, 'it runs', ({ status }) => status === 'running');
  first.process.kill('SIGKILL');
  await first.ended;
  writeFileSync(join(home.work, 'go'), 'on\n');
  const [run] = (await home.show(todo.number)).runs;
  await home.until('the agent has ended while no daemon lived', () => existsSync(join(home.folder, 'runs', run.id, 'exit')));
  const restartedAtMs = Date.now();
  await home.daemon();
  const done = await ended(home, todo.number);
  const evidence = evidenceOf(done);
  const saw = (name: string) => Number(readFileSync(join(home.work, name), 'utf8'));
  const endedAtMs = saw('ended');
  assert.ok(
    evidence.run.startedAtMs >= done.runs[0].startedAtMs && evidence.run.startedAtMs <= saw('began'),
    'the start is that of the run',
  );
  assert.equal(evidence.run.endedAtMs, done.runs[0].endedAtMs);
  // The kernel stamps files with the time of its last tick.
  assert.ok(
    evidence.run.endedAtMs >= endedAtMs - tickMs && evidence.run.endedAtMs <= restartedAtMs,
    'the end is that of the process, before anybody was there to collect',
  );
  assert.ok(evidence.timeline.find(({ fact }: Json) => fact === 'collected').atMs >= restartedAtMs);
  const text = asText(reportOf(done));
  const utc = (atMs: number) => new Date(atMs).toISOString().replace('T', ' ').replace('Z', '');
  for (const wanted of [done.title, done.prompt.slice(0, 30), home.work, utc(evidence.run.startedAtMs), utc(evidence.run.endedAtMs)]) {
    assert.ok(text.includes(wanted), `the report has no "${wanted}"`);
  }
  assert.ok(text.includes('UTC'));
});

test('[C-10] what went wrong while collecting stands in the report and in evidence.json', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  // Ten million bytes: the middle cannot be kept.
  const todo = await home.add('head -c 10000000 /dev/zero | tr "\\0" x');
  const done = await ended(home, todo.number);
  const { problems, output } = evidenceOf(done);
  assert.ok(output.gapBytes > 0);
  assert.ok(
    problems.some((problem: string) => problem.includes(`${output.gapBytes} in the middle are left out`)),
    JSON.stringify(problems),
  );
  const text = asText(reportOf(done));
  for (const problem of problems) assert.ok(text.includes(problem), `the report does not say: ${problem}`);
});

test('[C-42] the collector finds nothing in the first source, takes the session folder, and the completion goes on as usual', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { todo } = await home.json(['add', 'A foreign session', '--hold', '--cwd', home.work]);
  await home.json(['claim', String(todo.number)]);
  const session = `${home.legacy.sessionPrefix}${todo.number}`;
  mkdirSync(session);
  writeFileSync(join(session, 'output.md'), 'What the session wrote down.\n');
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  const done = await ended(home, todo.number);
  await closed(home, todo.number);
  const { sources } = evidenceOf(done);
  const used = sources.find(({ used }: Json) => used);
  assert.equal(used.name, 'session folder');
  assert.ok(['empty', 'unavailable'].includes(sources.find(({ name }: Json) => name === 'structured output').verdict));
  assert.deepEqual([done.status, done.proof], ['completed', 'unverified']);
  const archived = readdirSync(dirname(done.report)).find((name) => name.startsWith('session_'));
  assert.equal(readFileSync(join(dirname(done.report), archived ?? ''), 'utf8'), 'What the session wrote down.\n');
  assert.equal(existsSync(session), false, 'moved, after the record was confirmed');
});

test('[C-18] a run moves to the archive by itself, with a manifest that holds; doing it again changes nothing', async (t) => {
  const home = await testHome(t);
  const first = await home.daemon();
  const todo = await home.add('echo kept');
  const done = await ended(home, todo.number);
  await closed(home, todo.number);
  const [run] = done.runs;
  const folder = dirname(done.report);
  assert.match(
    folder.slice(join(home.folder, 'archive').length + 1),
    new RegExp(`^todo_${todo.number}_${Math.floor(run.endedAtMs / 1000)}_${run.id}$`),
  );
  assert.equal(existsSync(join(home.folder, 'runs', run.id)), false, 'moved, not copied');
  const { files } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  assert.deepEqual(
    files.map(({ name }: Json) => name).sort(),
    readdirSync(folder)
      .filter((name) => name !== 'manifest.json')
      .sort(),
  );
  for (const file of files) {
    const bytes = readFileSync(join(folder, file.name));
    assert.equal(createHash('sha256').update(bytes).digest('hex'), file.sha256, file.name);
    assert.equal(bytes.length, file.sizeBytes);
  }
  const before = statSync(join(folder, 'manifest.json')).mtimeMs;
  first.process.kill('SIGKILL');
  await first.ended;
  const again = await home.daemon();
  await home.todo(['recover', '--apply']);
  assert.deepEqual(readdirSync(join(home.folder, 'archive')), [folder.split('/').at(-1)]);
  assert.equal(statSync(join(folder, 'manifest.json')).mtimeMs, before);
  assert.equal(again.process.exitCode, null);
});

test('[C-41] finished and forced sessions each have an archive of their own kind, and a finished one is no orphan', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const finished = await home.add('echo fine');
  await ended(home, finished.number);
  const hanging = await home.add('exec sleep 600');
  await home.untilTodo(hanging.number, 'it runs', ({ status }) => status === 'running');
  assert.equal((await home.todo(['emergency', String(hanging.number)])).code, 0);
  await home.todo(['recover', '--apply']);
  const names = readdirSync(join(home.folder, 'archive')).map((name) => name.split('_').slice(0, 2).join('_'));
  assert.deepEqual(names.sort(), [`emergency_${hanging.number}`, `todo_${finished.number}`]);
});

test('[C-81] the four layers are visible in why, in the report and in the log', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const todo = await home.add('echo work', '--check', 'true');
  const done = await ended(home, todo.number);
  await closed(home, todo.number);
  const wanted = [
    ['collected', 1],
    ['checked', 1],
    ['reported', 2],
    ['recorded', 3],
    ['confirmed', 4],
    ['cleaned', 4],
    ['closed', 4],
  ];
  const { events } = await home.json(['why', String(todo.number)]);
  assert.deepEqual(
    events.filter(({ layer }: Json) => layer !== null).map(({ fact, layer }: Json) => [fact, layer]),
    wanted,
  );
  const logged = home.log('completion').filter((line) => line.todo === todo.number && line.layer);
  assert.deepEqual(
    logged.map(({ fact, layer }) => [fact, layer]),
    wanted,
  );
  const text = asText(reportOf(done));
  for (const layer of ['collect', 'report', 'record', 'confirm']) assert.ok(new RegExp(layer, 'i').test(text), layer);
  const shown = (await home.todo(['why', String(todo.number)])).stdout;
  for (const layer of ['1 collect', '2 report', '3 record', '4 confirm']) assert.ok(shown.includes(layer), shown);
});
