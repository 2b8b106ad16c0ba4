// Runs the tests: `npm test [-- file or option of node --test]…`. What passed and failed is told on the terminal; the same as TAP goes to
// .todo-test/last.tap (with --tap: to stdout). Skipped tests are named at the end, since a skip that nobody sees is a promise that nobody keeps.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tapFile = join(root, '.todo-test', 'last.tap');
mkdirSync(join(root, '.todo-test'), { recursive: true });

const tapOnly = process.argv.includes('--tap');
const asked = process.argv.slice(2).filter((argument) => argument !== '--tap');
const files = asked.some((argument) => !argument.startsWith('-')) ? [] : ['test/**/*.test.ts'];

/** The slowest honest test (a real crash sweep) takes a minute on two cores; five say that something hangs. */
const testTimeoutMs = 5 * 60 * 1000;

const reporters = tapOnly
  ? ['--test-reporter=tap', '--test-reporter-destination=stdout']
  : ['--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', `--test-reporter-destination=${tapFile}`];
// Two at a time: tests run real daemons, databases and browsers, and their deadlines should not depend on the number of cores.
const options = ['--test', '--test-concurrency=2', `--test-timeout=${testTimeoutMs}`, ...reporters];

const runner = spawn(process.execPath, [...options, ...asked, ...files], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
runner.on('exit', (code, signal) => {
  if (!tapOnly) tellClosing(readFileSync(tapFile, 'utf8').split('\n'));
  process.exitCode = code ?? 128 + constants.signals[signal ?? 'SIGTERM'];
});

function tellClosing(tap: string[]): void {
  const skipped = tap.filter((line) => /^\s*ok\b.* # (SKIP|TODO)/i.test(line)).map((line) => line.trim().replace(/^ok \d+ - /, ''));
  if (skipped.length > 0) process.stdout.write(`\nskipped:\n${skipped.map((line) => `  ${line}\n`).join('')}`);
  const counts = tap.filter((line) => /^# (tests|pass|fail|cancelled|skipped|todo|duration_ms) /.test(line)).map((line) => line.slice(2));
  process.stdout.write(`\n${counts.join(', ')}\n`);
}
