// The disk of a home fills up amid completions: the daemon says so, loses nothing, and goes on when there is room again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Json, type TestHome, testHome } from '../e2e/harness.ts';

const diskMb = 24;
const count = 4;
/** Byte by byte in the end, whatever was full meanwhile. */
const outputOf = (index: number): string => Array.from({ length: 400 }, (_, line) => `todo ${index} line ${line}\n`).join('');

test('the disk is full while completions are under way: it is said, nothing is lost, and all ends when there is room', async (t) => {
  const disk = smallDisk();
  const home = await homeOn(disk, t);
  let daemon = await home.daemon();
  const script =
    'i=0; while [ $i -lt 400 ]; do echo "todo $TITLE line $i"; i=$((i+1)); done; "$TODO_MARKER" done 2>&1 >/dev/null; exec sleep 600';
  const todos = [];
  for (let index = 0; index < count; index++) todos.push(await home.add(script.replace('$TITLE', String(index))));
  const heard = () => home.log('completion').filter(({ event }) => event === 'signal').length;
  await home.until('each agent has said its word', () => heard() === count);

  const filler = fill(disk);
  await daemon.says(/the journal has no room; waiting/);
  const refused = await home.todo(['add', 'one more', '--agent', 'shell', '--prompt', 'true', '--cwd', home.work]);
  assert.notEqual(refused.code, 0, 'what cannot be stored is not taken');
  assert.match(refused.stderr, /DISK_FULL|STORE_FULL/);
  for (const todo of await statusesOf(home)) assert.notEqual(todo.status, 'failed', `todo ${todo.number} is no failure: ${todo.reason}`);

  rmSync(filler);
  // What it could not save may have ended it: then whoever watches over it starts the next.
  if (daemon.process.exitCode !== null) daemon = await home.daemon();
  for (const [index, { number }] of todos.entries()) {
    await home.untilTodo(number, 'it has ended', ({ status }) => status === 'completed');
    const { report } = await home.show(number);
    assert.equal(readFileSync(join(report, '..', 'output.txt'), 'utf8'), outputOf(index), `the output of todo ${number}`);
  }
  const ends = (await statusesOf(home)).map(({ number, status, attempts }) => [number, status, attempts]);
  assert.deepEqual(
    ends,
    todos.map(({ number }) => [number, 'completed', 0]),
  );
});

const statusesOf = async (home: TestHome): Promise<readonly Json[]> =>
  (await home.json(['list'])).todos.toSorted((a: { number: number }, b: { number: number }) => a.number - b.number);

/** Whoever may not mount hears of it: this test proves nothing elsewhere. */
function smallDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), 'todo-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (cause) {
    rmSync(folder, { recursive: true });
    throw new Error('a full disk needs the right to mount a small tmpfs (root, CAP_SYS_ADMIN)', { cause });
  }
  return folder;
}

async function homeOn(disk: string, t: TestContext): Promise<TestHome> {
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = disk;
  try {
    return await testHome(t, {
      behavior: { quiet_after: 3, term_grace: 1, exponential_backoff: false },
      slots: { total: count, agent: count, project: count },
      monitoring: { rescan: 0.5 },
    });
  } finally {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    // After the harness has ended what lives there.
    t.after(() => {
      execFileSync('umount', ['--lazy', disk]);
      rmSync(disk, { recursive: true });
    });
  }
}

function fill(disk: string): string {
  const path = join(disk, 'filler');
  const file = openSync(path, 'w');
  try {
    // To the last byte: what is left after large blocks would do for many a small file.
    for (const size of [1024 * 1024, 4096, 1]) {
      const block = Buffer.alloc(size);
      try {
        for (;;) if (writeSync(file, block) < size) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return path;
}
