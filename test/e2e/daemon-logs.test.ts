// The daemon's logs: bounded whatever happens to them, and read as one, put aside and packed ones included.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Json, testHome, todoProgram } from './harness.ts';

const line = (atMs: number, level: string, event: string, fields: Json = {}): string =>
  `${JSON.stringify({ level, time: new Date(atMs).toISOString(), room: 'completion', ...fields, event })}\n`;

test('[W-09] a line an event, over the logs that are written, put aside and packed: since a time, from a level on, of one todo; for people and as JSON', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const todo = await home.add('true');
  await home.untilTodo(todo.number, 'it ended', ({ status }) => status === 'completed');
  await home.until('its completion is closed', () => home.log('completion').some(({ event }) => event === 'closed'));
  const logs = join(home.folder, 'logs');
  const hourAgoMs = Date.now() - 3_600_000;
  const old = (name: string, content: string | Uint8Array, atMs: number): void => {
    writeFileSync(join(logs, name), content);
    utimesSync(join(logs, name), atMs / 1000, atMs / 1000);
  };
  old('completion.log.1', line(hourAgoMs, 'warn', 'an hour ago', { todo: todo.number }), hourAgoMs);
  old(
    'completion.log.2.gz',
    gzipSync(line(hourAgoMs - 60_000, 'error', 'packed\u001b[2J and\nevil', { todo: 99, detail: 'a b' })),
    hourAgoMs - 60_000,
  );
  old('monitor.log-20200101.gz', gzipSync(line(Date.UTC(2020, 0, 1), 'critical', 'years ago')), Date.UTC(2020, 0, 1));

  const events = async (...args: string[]): Promise<string[]> =>
    (await home.json(['logs', '--lines', '100000', ...args])).lines.map(({ event }: Json) => event);
  const all = await events();
  assert.deepEqual(
    all.slice(0, 3),
    ['years ago', 'packed\u001b[2J and\nevil', 'an hour ago'],
    'in the order of time, whatever file they are in',
  );
  assert.ok(all.includes('closed'));
  assert.ok(!(await events('--since', '10m')).includes('an hour ago'));
  assert.deepEqual((await events('--since', '2h')).slice(0, 2), ['packed\u001b[2J and\nevil', 'an hour ago']);
  assert.deepEqual(await events('--level', 'error'), ['years ago', 'packed\u001b[2J and\nevil']);
  const ofTodo = (await home.json(['logs', '--todo', String(todo.number), '--lines', '1000'])).lines;
  assert.ok(ofTodo.length > 5 && ofTodo.every((it: Json) => it.todo === todo.number) && ofTodo[0].event === 'an hour ago');

  const { stdout } = await home.todo(['logs', '--level', 'error', '--lines', '1000']);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, 2, 'an event is one line, whatever is in it');
  assert.match(lines[1]!, /error +packed and evil {2}todo=99 detail="a b"$/);
  assert.deepEqual((await events('--lines', '1')).length, 1);

  const follow = home.start(['logs', '-f', '--json', '-n', '1', '--todo', '2']);
  const second = await home.add('true');
  await follow.says('"event":"closed"');
  follow.process.kill('SIGTERM');
  await follow.ended;
  const followed = follow
    .stdout()
    .trimEnd()
    .split('\n')
    .map((it) => JSON.parse(it));
  assert.ok(followed.length > 3, follow.stdout());
  assert.ok(followed.every((it) => it.kind === 'log' && it.schemaVersion === 1 && it.line.todo === second.number));
});

test('a critical line is one line, though two logs have it; a value with blanks is quoted; a todo that is not there is said to be none', async (t) => {
  const home = await testHome(t);
  const folder = join(home.folder, 'logs');
  mkdirSync(folder, { recursive: true });
  const written = (room: string, level: string, event: string) =>
    `${JSON.stringify({ level, time: '2026-01-02T03:04:05.000Z', room, todo: 7, reason: 'from a store', error: null, event })}\n`;
  writeFileSync(join(folder, 'completion.log'), written('completion', 'info', 'collected') + written('completion', 'critical', 'lost'));
  writeFileSync(join(folder, 'emergency.log'), written('emergency', 'critical', 'lost'));
  const { lines } = await home.json(['logs', '-n', '2']);
  assert.deepEqual(
    lines.map(({ event }: Json) => event),
    ['collected', 'lost'],
  );
  const { stdout } = await home.todo(['logs', '-n', '1']);
  assert.match(stdout, /critical +lost {2}todo=7 reason="from a store"\n$/);
  assert.match((await home.todo(['logs', '--todo', '99'])).stderr, /^No lines fit: there is no todo 99\./);
});

test('[W-07] the logs of a daemon stay within size × files, over rotations, restarts and what others left; the oldest goes', async (t) => {
  const home = await testHome(t, { logging: { level: 'debug', max_size_mb: 0.01, max_files: 3 }, monitoring: { rescan: 0.1 } });
  const logs = join(home.folder, 'logs');
  mkdirSync(logs);
  for (let number = 1; number < 12; number++)
    writeFileSync(join(logs, `completion.log.${number}`), line(number, 'info', `of a daemon before ${number}`));
  for (let life = 0; life < 2; life++) {
    const daemon = await home.daemon();
    const todos = await Promise.all(Array.from({ length: 8 }, () => home.add('true')));
    for (const { number } of todos) await home.untilTodo(number, 'it ended', ({ status }) => status === 'completed');
    daemon.process.kill(life === 0 ? 'SIGKILL' : 'SIGTERM');
    await daemon.ended;
  }
  const names = readdirSync(logs).filter((name) => /^(completion|monitor|emergency)\.log/.test(name));
  for (const room of ['completion', 'monitor', 'emergency'])
    assert.ok(names.filter((name) => name.startsWith(room)).length <= 3, names.join(' '));
  assert.ok(names.includes('completion.log.2'), 'it was put aside');
  const bytes = names.reduce((sum, name) => sum + statSync(join(logs, name)).size, 0);
  // A file is put aside by the first write that finds it full, and one write has at most a quarter of it.
  assert.ok(bytes <= 3 * 3 * 0.01 * 1024 ** 2 * 1.5, `${bytes} bytes`);
  assert.ok(
    !readdirSync(logs).some((name) => readFileSync(join(logs, name), 'utf8').includes('of a daemon before')),
    'the oldest went first',
  );
});

test('[W-07] a log that is renamed or removed under a daemon that works is begun anew, by its name', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const logs = join(home.folder, 'logs');
  const ended = async (): Promise<number> => {
    const { number } = await home.add('true');
    await home.until(
      `todo ${number} is told in the log of that name`,
      () =>
        readdirSync(logs).includes('completion.log') &&
        home.log('completion').some(({ event, todo }) => event === 'closed' && todo === number),
    );
    return number;
  };
  const first = await ended();
  renameSync(join(logs, 'completion.log'), join(logs, 'completion.log-20260101'));
  await ended();
  assert.match(readFileSync(join(logs, 'completion.log-20260101'), 'utf8'), new RegExp(`"todo":${first},`));
  unlinkSync(join(logs, 'completion.log'));
  await ended();
  const { lines } = await home.json(['logs', '--todo', String(first), '--lines', '1000']);
  assert.ok(
    lines.some(({ event }: Json) => event === 'closed'),
    'and what was put aside is still read',
  );
});

test('[W-07] a disk without room for logs stops nothing: todos end, and what waited in memory is logged whole when there is room', {
  skip: process.getuid?.() === 0 ? false : 'needs root for a small disk',
}, async (t) => {
  const home = await testHome(t, { logging: { level: 'debug' } });
  const logs = join(home.folder, 'logs');
  mkdirSync(logs);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', logs]);
  const daemon = await home.daemon();
  try {
    const ballast = join(logs, 'ballast');
    writeFileSync(ballast, Buffer.alloc(statfsSync(logs).bavail * statfsSync(logs).bsize));
    const { number } = await home.add('true');
    const todo = await home.untilTodo(number, 'it ends though nothing can be logged', ({ status }) => status === 'completed');
    assert.equal(todo.proof, 'unverified');
    unlinkSync(ballast);
    await home.until('what waited is logged', () =>
      home.log('completion').some(({ event, todo: of }) => event === 'closed' && of === number),
    );
    assert.ok(
      home.log('completion').every((it) => typeof it.event === 'string'),
      'no line is torn',
    );
  } finally {
    daemon.process.kill('SIGTERM');
    await daemon.ended;
    execFileSync('umount', [logs]);
  }
});

test('[W-07] what a daemon in the background prints beside its logs is bounded, too', async (t) => {
  const home = await testHome(t);
  const output = join(home.work, 'daemon.out');
  // As it is after weeks: sparse, so that it costs nothing.
  writeFileSync(output, '');
  truncateSync(output, 25 * 1024 * 1024);
  const file = openSync(output, 'a');
  const daemon = spawn(todoProgram, ['daemon', 'run'], {
    env: { ...process.env, TODO_HOME: home.folder },
    stdio: ['ignore', 'ignore', file],
  });
  const ended = new Promise<void>((resolve) => void daemon.once('exit', () => resolve()));
  closeSync(file);
  try {
    await home.until(
      'it goes on in an empty file',
      () => /daemon ready/.test(readFileSync(output, 'utf8')) && statSync(output).size < 1024 * 1024,
    );
  } finally {
    daemon.kill('SIGTERM');
    await ended;
  }
});
