import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testHome, todoProgram } from './harness.ts';
import { onTerminal } from './terminal.ts';

/** Frames of ora's default spinner. */
const frame = /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/;

test('[C-74] ora shows the current step of health, run, daemon start, emergency, demo and test, on a terminal', async (t) => {
  const home = await testHome(t);
  const held = await home.add('true', '--hold');
  const shows: readonly (readonly [command: string, step: RegExp])[] = [
    ['health', /looking at daemon, store, queue and runs/],
    ['run -- true', /todo 2: true: (claimed|running|signalled|collected|checked|reported|recorded|completed)/],
    ['daemon start', /starting the daemon/],
    [`emergency ${held.number}`, /emergency: complete todo 1/],
    ['demo', /adding six todos and starting a daemon of their own/],
    ['test', /\d+ of \d+ done|self-test/],
  ];
  for (const [command, step] of shows) {
    const { raw } = await onTerminal(`'${todoProgram}' ${command}`, { TODO_HOME: home.folder, HOME: home.work });
    const withFrame = raw.split(/[\r\n]|\x1b\[\d*[GK]/).filter((line) => frame.test(line));
    assert.ok(withFrame.length > 0, `${command} showed no spinner: ${JSON.stringify(raw.slice(0, 500))}`);
    assert.ok(
      withFrame.some((line) => step.test(line)),
      `${command} did not name its step ${step}: ${JSON.stringify(withFrame.slice(0, 5))}`,
    );
  }
  await home.todo(['daemon', 'stop']);
});

test('[C-74] no spinner and no colour with --json, with NO_COLOR, or into a pipe', async (t) => {
  const home = await testHome(t);
  const environment = { TODO_HOME: home.folder, HOME: home.work };
  const json = await onTerminal(`'${todoProgram}' run --json -- true`, environment);
  assert.equal(JSON.parse(json.raw.trim()).kind, 'todo', 'one document and nothing else, on a terminal too');
  const plain = await onTerminal(`NO_COLOR=1 '${todoProgram}' run -- true`, environment);
  assert.ok(!frame.test(plain.raw) && !plain.raw.includes('\x1b['), JSON.stringify(plain.raw));
  const coloured = await onTerminal(`'${todoProgram}' list`, environment);
  assert.ok(coloured.raw.includes('\x1b[32m'), 'a terminal has colours');
  const piped = await home.todo(['run', '--', 'true']);
  assert.ok(!frame.test(piped.stderr) && !/\x1b/.test(piped.stdout + piped.stderr));
  assert.match(piped.stderr, /todo 3: true\n {2}claimed/, 'lines in place of it');
});
