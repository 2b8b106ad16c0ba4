// Runs the tests: `npm test [-- file or option of node --test]…`. What passed and failed is told on the terminal; the same as TAP goes to
// .todo-test/last.tap (with --tap: to stdout). Skipped tests are named at the end, since a skip that nobody sees is a promise that nobody keeps.
// Where a few files failed beside the others, each is run again by itself: what passes then is named as flaky. That is a defect of the test
// (or of what it tests), to be mended; it is told apart from a change that broke something.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tapFile = join(root, '.todo-test', 'last.tap');
mkdirSync(join(root, '.todo-test'), { recursive: true });
rmSync(tapFile, { force: true });

/** What was read of a source is kept for the next process: each test file is one, and the simulation is many. Programs under test have their own. */
const env = { ...process.env, NODE_COMPILE_CACHE: join(root, '.todo-test', 'compiled') };

const tapOnly = process.argv.includes('--tap');
const asked = process.argv.slice(2).filter((argument) => argument !== '--tap');
const askedOptions = asked.filter((argument) => argument.startsWith('-'));
const askedFiles = asked.filter((argument) => !argument.startsWith('-'));

/** The slowest honest test (a real crash sweep) takes a minute on two cores; five say that something hangs. */
const testTimeoutMs = 5 * 60 * 1000;
/** A file that says nothing for so long has finished its tests and left something running; five thousand simulated worlds take seven minutes on a slow machine. */
const silenceMaxMs = 3 * testTimeoutMs;
/** More files than this do not fail by chance. */
const filesAgainMax = 5;
/** The longest file takes three minutes. */
const aloneMaxMs = 10 * 60 * 1000;

const reporters = tapOnly
  ? ['--test-reporter=tap', '--test-reporter-destination=stdout']
  : ['--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', `--test-reporter-destination=${tapFile}`];
// Four at a time, whatever the number of cores: tests run real daemons, databases and browsers, and mostly wait for them.
const options = ['--test', '--test-concurrency=4', `--test-timeout=${testTimeoutMs}`, ...reporters, ...askedOptions];

// A group of its own, so that all of it can be ended.
const runner = spawn(process.execPath, [...options, ...(askedFiles.length > 0 ? askedFiles : ['test/**/*.test.ts'])], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true,
  env: { ...env, ...(process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? { FORCE_COLOR: '1' } : {}) },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal));

const silence = setTimeout(tellHang, silenceMaxMs);
runner.stdout.on('data', (text: Buffer) => {
  silence.refresh();
  process.stdout.write(text);
});
runner.on('close', (code, signal) => {
  clearTimeout(silence);
  process.exitCode = code ?? 128 + constants.signals[signal ?? 'SIGTERM'];
  if (tapOnly) return;
  const tap = readFileSync(tapFile, 'utf8').split('\n');
  if (code === 1 && failedFiles(tap).length > 0) process.exitCode = againAlone(tap);
  tellClosing(tap);
});

/** Files whose tests failed, as TAP locates them. Empty where a failure has no place: then nothing can be said of it. */
function failedFiles(tap: readonly string[]): string[] {
  const failed = failures(tap);
  return failed.every(({ file }) => file !== null) ? [...new Set(failed.map(({ file }) => file ?? ''))] : [];
}

function failures(tap: readonly string[]): { readonly name: string; readonly file: string | null }[] {
  return tap.flatMap((line, at) => {
    const name = /^\s*not ok \d+ - (.*)$/.exec(line)?.[1];
    if (name === undefined || / # (SKIP|TODO)/i.test(name)) return [];
    const end = tap.findIndex((below, place) => place > at && /^\s*\.\.\.$/.test(below));
    const file = tap.slice(at, end).flatMap((below) => /^\s*location: '(.*):\d+:\d+'$/.exec(below)?.[1] ?? [])[0] ?? null;
    return [{ name, file }];
  });
}

/** Answers with the exit code. */
function againAlone(tap: readonly string[]): number {
  const files = failedFiles(tap);
  if (files.length > filesAgainMax) return 1;
  process.stdout.write(`\nfailed beside other files, now each by itself: ${files.map((file) => relative(root, file)).join(', ')}\n`);
  const bad = files.filter((file) => {
    const alone = spawnSync(process.execPath, ['--test', `--test-timeout=${testTimeoutMs}`, '--test-reporter=spec', file], {
      cwd: root,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: aloneMaxMs,
      killSignal: 'SIGKILL',
    });
    return alone.status !== 0;
  });
  const flaky = failures(tap).filter(({ file }) => !bad.includes(file ?? ''));
  if (flaky.length > 0)
    process.stdout.write(
      `\nFLAKY, a defect to be mended (failed beside others, passed alone):\n${flaky.map(({ name }) => `  ${name}\n`).join('')}`,
    );
  return bad.length > 0 ? 1 : 0;
}

function end(signal: NodeJS.Signals): void {
  if (runner.pid !== undefined) process.kill(-runner.pid, signal);
}

function tellHang(): void {
  const children = execFileSync('ps', ['-ww', '-o', 'args=', '--ppid', String(runner.pid)], { encoding: 'utf8' });
  const files = children
    .trim()
    .split('\n')
    .map((line) => `  ${line.split(' ').at(-1)}\n`);
  process.stdout.write(
    `\nnothing was heard for ${silenceMaxMs / 1000} s; these files have not ended, their tests left something running:\n${files.join('')}`,
  );
  end('SIGKILL');
}

function tellClosing(tap: string[]): void {
  const skipped = tap.filter((line) => /^\s*ok\b.* # (SKIP|TODO)/i.test(line)).map((line) => line.trim().replace(/^ok \d+ - /, ''));
  if (skipped.length > 0) process.stdout.write(`\nskipped:\n${skipped.map((line) => `  ${line}\n`).join('')}`);
  const counts = tap.filter((line) => /^# (tests|pass|fail|cancelled|skipped|todo|duration_ms) /.test(line)).map((line) => line.slice(2));
  process.stdout.write(`\n${counts.length > 0 ? counts.join(', ') : 'the test runner was ended before its last line'}\n`);
}
