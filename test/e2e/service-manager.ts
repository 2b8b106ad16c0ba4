import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { programs } from '../programs.ts';
import { type TestHome, until } from './harness.ts';

const fixture = join(import.meta.dirname, '..', 'fixtures', 'notify-socket.py');

/** Hears what systemd would (fixtures/notify-socket.py), into a file. */
export async function serviceManager(t: TestContext, home: TestHome) {
  const socket = join(home.work, 'notify.sock');
  const heard = join(home.work, 'heard');
  const child: ChildProcess = spawn(programs().python3, [fixture, socket, heard], {
    stdio: 'ignore',
  });
  const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  await until('the service manager listens', [home.work], () => existsSync(socket));
  const count = (word: string): number => (existsSync(heard) ? readFileSync(heard, 'utf8') : '').split(word).length - 1;
  return {
    socket,
    count,
    heard: (of: TestHome, word: string, times: number) => of.until(`${times} × ${word}`, () => count(word) >= times),
  };
}
