// Runs the tests: `npm test [-- file or option of node --test]…`. What passed and failed is told on the terminal; the same as TAP goes to
// .todo-test/last.tap (with --tap: to stdout). Skipped tests are named at the end, since a skip that nobody sees is a promise that nobody keeps.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tapFile = join(root, '.todo-test', 'last.tap');
mkdirSync(join(root, '.todo-test'), { recursive: true });
rmSync(tapFile, { force: true });

const tapOnly = process.argv.includes('--tap');
const asked = process.argv.slice(2).filter((argument) => argument !== '--tap');
const askedOptions = asked.filter((argument) => argument.startsWith('-'));
const askedFiles = asked.filter((argument) => !argument.startsWith('-'));

/** The slowest honest test (a real crash sweep) takes a minute on two cores; five say that something hangs. */
const testTimeoutMs = 5 * 60 * 1000;
/** A file that says nothing for longer than any test may take has finished its tests and left something running. */
const silenceMaxMs = testTimeoutMs + 60 * 1000;

const reporters = tapOnly
  ? ['--test-reporter=tap', '--test-reporter-destination=stdout']
  : ['--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', `--test-reporter-destination=${tapFile}`];
// Three at a time, whatever the number of cores: tests run real daemons, databases and browsers, and mostly wait for them.
const options = ['--test', '--test-concurrency=3', `--test-timeout=${testTimeoutMs}`, ...reporters, ...askedOptions];

// A group of its own, so that all of it can be ended.
const runner = spawn(process.execPath, [...options, ...(askedFiles.length > 0 ? askedFiles : ['test/**/*.test.ts'])], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true,
  env: { ...process.env, ...(process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? { FORCE_COLOR: '1' } : {}) },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal));

const silence = setTimeout(tellHang, silenceMaxMs);
runner.stdout.on('data', (text: Buffer) => {
  silence.refresh();
  process.stdout.write(text);
});
runner.on('close', (code, signal) => {
  clearTimeout(silence);
  if (!tapOnly) tellClosing(readFileSync(tapFile, 'utf8').split('\n'));
  process.exitCode = code ?? 128 + constants.signals[signal ?? 'SIGTERM'];
});

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
