import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Null where something can be mounted; else why not. */
export const whyNoMounts = (what: string) => (): string | null => (process.getuid?.() === 0 ? null : `${what} needs root (mount)`);

/** An empty file system of that size, gone when it is disposed. */
export function smallDisk(megabytes: number): Disposable & { readonly path: string } {
  using stack = new DisposableStack();
  const path = mkdtempSync(join(tmpdir(), 'todo-chaos-disk-'));
  stack.defer(() => rmdirSync(path));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', path]);
  stack.defer(() => void execFileSync('umount', ['-l', path]));
  const whole = stack.move();
  return { path, [Symbol.dispose]: () => whole.dispose() };
}

/** Nobody writes below that folder, root neither, until it is disposed. Files that are open stay as they are. */
export function readOnly(folder: string): Disposable {
  using stack = new DisposableStack();
  execFileSync('mount', ['--bind', folder, folder]);
  stack.defer(() => void execFileSync('umount', ['-l', folder]));
  execFileSync('mount', ['-o', 'remount,ro,bind', folder]);
  return stack.move();
}
