import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLog } from '../../src/platform/log.ts';
import { humanLine } from '../../src/platform/log-human.ts';
import { startProgram } from './program.ts';
import { until } from './until.ts';

const settings = { level: 'info', max_size_mb: 10, max_files: 10 } as const;

function folder() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-log-'));
  const of = (name: string): string => join(at.path, name);
  const text = (name: string): string => readFileSync(of(name), 'utf8');
  const lines = (name: string): Record<string, unknown>[] =>
    text(name)
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  /** All that was kept of a room, oldest first. */
  const all = (room: string): Record<string, unknown>[] =>
    readdirSync(at.path)
      .filter((name) => name.startsWith(room))
      .sort((a, b) => Number(b.split('.')[2] ?? 0) - Number(a.split('.')[2] ?? 0))
      .flatMap(lines);
  return { path: at.path, of, text, lines, all, [Symbol.dispose]: () => at.remove() };
}

test('[C-40] each room has its log: one JSON line an event, with time, level, room, event and its fields', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings });
  log.info('completion', 'marker taken', { todo: 7, run: 'r1' });
  log.warn('monitor', 'look failed', { why: 'no "answer"\nat all' });
  log.debug('monitor', 'below the level');
  await log.close();
  const [line] = at.lines('completion.log');
  assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...line, time: 0 }, { level: 'info', time: 0, room: 'completion', event: 'marker taken', todo: 7, run: 'r1' });
  assert.equal(at.lines('monitor.log').length, 1);
  assert.equal(at.lines('monitor.log')[0]?.['why'], 'no "answer"\nat all');
  assert.equal(statSync(at.of('completion.log')).mode & 0o777, 0o600);
});

test('[C-40] what is critical stands in emergency.log too, once', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings });
  log.critical('completion', 'dead letter', { todo: 1 });
  log.critical('emergency', 'forced', { todo: 2 });
  await log.close();
  assert.deepEqual(
    at.lines('emergency.log').map(({ level, room, event }) => [level, room, event]),
    [
      ['CRITICAL', 'completion', 'dead letter'],
      ['CRITICAL', 'emergency', 'forced'],
    ],
  );
  assert.equal(at.lines('completion.log').length, 1);
});

test('secrets by their names, long texts and what cannot be JSON do not reach the log', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings });
  const circle: Record<string, unknown> = {};
  circle['circle'] = circle;
  log.error('monitor', 'all of it', {
    token: 'abc',
    deep: { Password: 'abc', list: [{ authorization: 'abc' }], secret: null },
    long: 'x'.repeat(100_000),
    big: 10n,
    circle,
    error: new Error('outer', { cause: new Error('inner') }),
    level: 'forged',
    time: 'forged',
  });
  await log.close();
  assert.doesNotMatch(at.text('monitor.log'), /abc/);
  const [line] = at.lines('monitor.log');
  assert.ok(at.text('monitor.log').length < 20_000);
  assert.equal(line?.['level'], 'error');
  assert.equal(line?.['level_'], 'forged');
  assert.equal(line?.['big'], '10');
  assert.match(JSON.stringify(line?.['error']), /outer.*inner/);
});

for (const [ending, code] of [
  ['exit', 0],
  ['throw', 1],
  ['burst-exit', 0],
] as const) {
  test(`[F13] of 20,000 lines none is lost, none is torn and none is there twice at the end by ${ending}`, async () => {
    using at = folder();
    const program = startProgram('log-and-end.ts', [at.path, ending, '20000', '10'], { quiet: true });
    assert.equal(await program.ended(), code);
    assert.deepEqual(
      at.all('completion.log').map(({ n }) => n),
      Array.from({ length: 20_000 }, (_, n) => n),
    );
  });
}

test('[C-25] a log of full size is put aside, the oldest of too many goes, and under load no line is lost or torn', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings: { ...settings, max_size_mb: 0.1, max_files: 100 } });
  for (let n = 0; n < 10_000; n++) {
    log.info('completion', 'line', { n });
    if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  const names = readdirSync(at.path);
  assert.ok(names.length >= 8, names.join(' '));
  for (const name of names) assert.ok(statSync(at.of(name)).size < 1.5 * 0.1 * 1024 ** 2, name);
  assert.deepEqual(
    at.all('completion.log').map(({ n }) => n),
    Array.from({ length: 10_000 }, (_, n) => n),
  );
});

test('[C-25] no more files are kept than asked for, across restarts and when fewer are asked for', async () => {
  using at = folder();
  for (const filesMax of [4, 4, 4, 2]) {
    const log = openLog({ folder: at.path, settings: { ...settings, max_size_mb: 0.001, max_files: filesMax } });
    for (let n = 0; n < 30; n++) log.info('monitor', 'a line of some length that fills the file quickly', { n });
    await log.close();
    assert.ok(readdirSync(at.path).length <= filesMax, readdirSync(at.path).join(' '));
  }
});

test('[C-25] lines follow the name when the file is renamed, removed, or its folder goes', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings });
  const said = async (event: string): Promise<void> => {
    log.info('monitor', event);
    await until(event, () => readdirSync(at.path).includes('monitor.log') && at.text('monitor.log').includes(event));
  };
  await said('first');
  renameSync(at.of('monitor.log'), at.of('elsewhere'));
  await said('second');
  unlinkSync(at.of('monitor.log'));
  await said('third');
  renameSync(at.of('monitor.log'), at.of('elsewhere'));
  writeFileSync(at.of('monitor.log'), '');
  await said('and into what somebody else began');
  rmSync(at.path, { recursive: true });
  log.info('monitor', 'fourth');
  await log.close();
  assert.match(at.text('monitor.log'), /fourth/);
});

test('[C-25] a log that another process of the home has filled is put aside too', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings: { ...settings, max_size_mb: 0.01 } });
  log.info('monitor', 'mine');
  await until('the first line', () => readdirSync(at.path).includes('monitor.log') && at.text('monitor.log').includes('mine'));
  appendFileSync(at.of('monitor.log'), `${'x'.repeat(20_000)}\n`);
  log.info('monitor', 'after');
  await log.close();
  assert.match(at.text('monitor.log.1'), /mine/);
  assert.match(at.text('monitor.log'), /^.*after.*\n$/);
});

test('[C-25] the repair puts a log aside whatever its size', async () => {
  using at = folder();
  const log = openLog({ folder: at.path, settings });
  log.info('monitor', 'before');
  log.rotate('monitor.log');
  log.info('monitor', 'after');
  log.rotate('no such log');
  await log.close();
  assert.match(at.text('monitor.log.1'), /before/);
  assert.doesNotMatch(at.text('monitor.log'), /before/);
  assert.match(at.text('monitor.log'), /after/);
});

test('[W-07] a disk without room costs nothing but lines, which are counted; afterwards logging goes on, and how many were lost is told', {
  skip: process.getuid?.() === 0 ? false : 'needs root for a small disk',
}, async () => {
  using at = folder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at.path]);
  try {
    const log = openLog({ folder: at.path, settings });
    writeFileSync(at.of('ballast'), Buffer.alloc(40 * 1024));
    const event = 'x'.repeat(1000);
    for (let n = 0; n < 100; n++) log.info('monitor', event, { n });
    await until('the disk to be full', () => statfsSync(at.path).bavail === 0);
    for (let n = 100; n < 12_000; n++) log.info('monitor', event, { n });
    await until('the memory to be full too', () => log.dropped() > 0);
    unlinkSync(at.of('ballast'));
    await until('more lines', () => at.text('monitor.log').length > 40_000);
    execFileSync('mount', ['-o', 'remount,size=64m', at.path]);
    await until('the loss is told', () => at.text('monitor.log').includes('log lines were lost'));
    const told = at.all('monitor.log').filter(({ event: what }) => what === 'log lines were lost: the disk took none');
    assert.equal(
      told.reduce((sum, { lines }) => sum + Number(lines), 0),
      log.dropped(),
    );
    log.flush();
    assert.ok(log.dropped() > 0);
    await log.close();
    const whole = at.text('monitor.log').split('\n').slice(0, -1);
    for (const line of whole) assert.doesNotThrow(() => JSON.parse(line), line.slice(0, 100));
  } finally {
    execFileSync('umount', [at.path]);
  }
});

test('a folder that cannot be made stops nobody', async () => {
  using at = folder();
  writeFileSync(at.of('file'), '');
  const log = openLog({ folder: at.of('file'), settings });
  log.info('monitor', 'into the void');
  await log.close();
  assert.equal(log.dropped(), 1);
});

test('a line for people moves no cursor and begins no second line', async () => {
  const line = humanLine({
    atMs: Date.UTC(2026, 0, 1, 12),
    level: 'warn',
    event: 'evil\n\u001b[2J',
    fields: { title: 'a\r\u202eb', n: 1, none: null },
  });
  assert.equal(line, '12:00:00.000 WARN     evil\\u000a\\u001b[2J title="a\\r\\u202eb" n=1\n');
  using at = folder();
  const mirrored: string[] = [];
  const log = openLog({ folder: at.path, settings, mirror: (text) => mirrored.push(text) });
  log.info('monitor', 'seen', { token: 'abc' });
  log.debug('monitor', 'not seen');
  await log.close();
  assert.equal(mirrored.length, 1);
  assert.doesNotMatch(mirrored[0]!, /abc/);
});
