import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { blockedName, parseBlocked } from '../../src/core/blocked.ts';

const limitMs = 500;

test('an event loop that stands still ends the process, and where it stood is left in a file', async (t) => {
  const ways = ['spinForEver', 'backtrack', 'wait', 'sleep'];
  await Promise.all(
    ways.map(async (how) => {
      const { child, folder, says } = standStill(t, how);
      await says('ready');
      child.stdin!.write('now\n');
      const [code, signal] = await once(child, 'exit');
      assert.deepEqual([code, signal], [null, 'SIGABRT'], how);
      const record = left(folder)[0]!;
      assert.deepEqual([record.pid, record.blockedMs >= limitMs], [child.pid, true], how);
      if (how === 'sleep') assert.equal(record.stack, null, 'a system call');
      else assert.match(record.stack?.[0] ?? '', new RegExp(`^${how} file:.*stand-still\\.ts:\\d+:\\d+$`), how);
    }),
  );
});

test('a process that is stopped for longer than the limit does not look either, and lives', async (t) => {
  const { child, folder, says } = standStill(t, 'spinForEver');
  await says('ready');
  child.kill('SIGSTOP');
  // The time that passes is the subject here.
  await pause(3 * limitMs);
  child.kill('SIGCONT');
  child.stdin!.write('ping\n');
  await says('pong');
  await pause(limitMs);
  child.stdin!.write('ping\n');
  await says('pong');
  assert.deepEqual(left(folder), []);
});

function standStill(t: TestContext, how: string) {
  const folder = mkdtempSync(join(tmpdir(), 'todo-sentinel-'));
  const program = join(import.meta.dirname, '..', 'fixtures', 'stand-still.ts');
  const child: ChildProcess = spawn(process.execPath, [program, folder, String(limitMs), how], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  let heard = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
  });
  return {
    child,
    folder,
    async says(word: string) {
      while (!heard.includes(word)) await once(child.stdout!, 'data');
      heard = '';
    },
  };
}

const left = (folder: string) =>
  readdirSync(folder)
    .filter((name) => blockedName.test(name))
    .flatMap((name) => parseBlocked(readFileSync(join(folder, name), 'utf8')) ?? []);
