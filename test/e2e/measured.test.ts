// What a daemon takes of the machine, measured on the real one: `npm run bench` prints the same figures with more runs (`-- --only live --runs 1000`).
// Bounds are those of the rows, which leave room enough for a machine that is busy.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { alone } from '../bench/completions.ts';
import { median } from '../bench/figures.ts';
import { daemon, endAll, logged, newHome, prepare } from '../bench/home.ts';
import { addedByEach } from '../bench/rest.ts';
import { chatter } from '../fixtures/chatter.ts';
import { addEnded } from '../fixtures/ended-todos.ts';
import { untilIn } from '../fixtures/log-tail.ts';
import { cpuMs, memoryOf } from '../fixtures/process-figures.ts';
import { build } from './build.ts';
import { type Json, testHome } from './harness.ts';

await build();
after(endAll);

test('[C-59] a live run adds at most 5 MB, the shell that holds it included, be it one or a hundred', async (t) => {
  for (const count of [1, 100]) {
    const added = await addedByEach(count);
    t.diagnostic(`${added.toFixed(2)} MB for each of ${count}`);
    // A daemon of its own each time: what one has more than another by chance is a few megabytes, shared out between the runs.
    assert.ok(added <= 5, `${added} MB`);
  }
});

const mib = 1024 * 1024;
const filesOf = (todo: Json): Map<string, number> => {
  const folder = dirname(todo.report);
  return new Map(readdirSync(folder).map((name) => [name, statSync(join(folder, name)).size]));
};
const bytesOf = (todo: Json): number =>
  filesOf(todo)
    .values()
    .reduce((sum, size) => sum + size, 0);
const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

test('[C-60] an archive takes 2 MB where an agent printed a whole megabyte, is bounded however much it prints, says what it left out, and loses no byte of what it keeps', async (t) => {
  const home = await testHome(t, { slots: { project: 4 } });
  const usual = await home.add(chatter(16 * 1024));
  const talkative = await home.add(chatter(mib));
  const endless = await home.add(chatter(24 * mib));
  await home.daemon();
  const isOver = (todo: Json): boolean => todo.status === 'completed';
  const [small, large, huge] = [
    await home.untilTodo(usual.number, 'the usual one ended', isOver),
    await home.untilTodo(talkative.number, 'the talkative one ended', isOver),
    await home.untilTodo(endless.number, 'the endless one ended', isOver),
  ];
  for (const todo of [small, large, huge]) t.diagnostic(`${bytesOf(todo)} bytes: ${JSON.stringify(Object.fromEntries(filesOf(todo)))}`);
  assert.ok(bytesOf(small) < 0.25 * mib);
  assert.ok(bytesOf(large) <= 2 * mib);
  // The first and the last megabytes of the output, and as much of them in the report as a browser opens at once.
  assert.ok(bytesOf(huge) <= 10 * mib);

  assert.ok(filesOf(small).has('output.txt'), 'what is small stays readable as it is');
  for (const todo of [large, huge]) {
    const folder = dirname(todo.report);
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const listed = manifest.files.find(({ name }: Json) => name === 'output.txt.gz');
    const packed = readFileSync(join(folder, 'output.txt.gz'));
    assert.equal(listed?.sha256, sha256(packed));
    assert.equal(filesOf(todo).has('output.txt'), false);
    const { output, problems } = JSON.parse(readFileSync(join(folder, 'evidence.json'), 'utf8'));
    const whole = gunzipSync(packed);
    assert.equal(sha256(whole), output.sha256, 'what was collected comes out again, byte by byte');
    assert.ok(packed.length < whole.length / 2);
    const { stdout } = await home.todo(['logs', String(todo.number), '--lines', '2']);
    assert.equal(stdout, `${whole.toString().trimEnd().split('\n').slice(-2).join('\n')}\n`);
    assert.equal(
      problems.some((text: string) => /bytes in the middle|in the middle are left out/.test(text)),
      todo === huge,
    );
  }
  const report = readFileSync(huge.report, 'utf8');
  assert.ok(/the first [\d.]+ \S+ and the last [\d.]+ \S+ were kept/.test(report), 'the report says what it left out of the output');
  assert.ok(/lines left out here; they are in the archived output/.test(report), 'and of what it shows');
});

test('[C-61] a daemon with nothing to do, in a home where a hundred thousand todos have ended, takes at most half a percent of a core, 50 MB of its own and 100 MB with what it shares', async (t) => {
  // Far more looks over everything than by default: the time that is measured, after its start, has two of them in it.
  const home = newHome('idle', { behavior: { health_check_interval: 12 } });
  prepare(home, 0, 'open');
  addEnded(join(home, 'todo.db'), 100_000);
  const it = await daemon(home);
  const swept = (times: number) =>
    untilIn([join(home, 'logs')], `${times} looks`, () => logged(home, 'monitor').filter(({ event }) => event === 'swept').length >= times);
  await swept(2);
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs(it.pid)];
  await swept(4);
  const [tookMs, workedMs] = [performance.now() - fromMs, cpuMs(it.pid) - fromCpuMs];
  const { anonymous, rss } = memoryOf(it.pid);
  t.diagnostic(`${workedMs} ms of CPU in ${tookMs.toFixed(0)} ms; ${anonymous.toFixed(0)} MB anonymous, ${rss.toFixed(0)} MB RSS`);
  assert.ok(tookMs > 20_000, `two looks in ${tookMs} ms are too close together to measure between them`);
  assert.ok(workedMs / tookMs <= 0.005, `${workedMs} ms of CPU in ${tookMs} ms`);
  assert.ok(anonymous <= 50 && rss <= 100, `${anonymous} MB anonymous, ${rss} MB RSS`);
  await it.stop();
});

test('[C-70] from a durable marker to the record that was read back: the time beside that of its flushes, which are at most twelve', async (t) => {
  const { taken, flushesEach } = await alone('verified', 5);
  const ms = (what: 'bareMs' | 'confirmedMs' | 'closedMs'): number => median(taken.map((each) => each[what]));
  t.diagnostic(
    `${ms('confirmedMs')} ms to the verified record, ${ms('closedMs')} ms to the end, 12 bare flushes ${ms('bareMs').toFixed(1)} ms; ${flushesEach} flushes`,
  );
  assert.ok(flushesEach >= 1 && flushesEach <= 12, `${flushesEach} flushes`);
  // The marker is seen when it comes and not at the next look, two seconds later.
  assert.ok(ms('confirmedMs') < 1000, `${ms('confirmedMs')} ms`);
});
