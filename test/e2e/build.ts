// `bin/todo` runs what was built. Tests run what stands in src/, so they build first where something there is newer.
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, rmdirSync, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = join(root, 'dist', 'todo.cjs');
const lock = join(root, '.todo-test', 'building');

let ready: Promise<void> | null = null;

/** Once a process. Test files run side by side, so one of them builds and the others wait for it. */
export function build(): Promise<void> {
  ready ??= buildOnce();
  return ready;
}

async function buildOnce(): Promise<void> {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    if (isFresh()) return;
    if (taken()) break;
    await gone();
  }
  try {
    if (!isFresh()) await promisify(execFile)(process.execPath, [join(root, 'bin', 'build.ts')]);
  } finally {
    rmdirSync(lock);
  }
}

function isFresh(): boolean {
  const builtAtMs = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => join(root, 'src', name));
  return [...sources, join(root, 'bin', 'build.ts'), join(root, 'package.json')].every(
    (path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) <= builtAtMs,
  );
}

/** A build takes a second; one that was killed must not stop all later ones. */
const abandonedAfterMs = 60_000;

function taken(): boolean {
  const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  if (since !== undefined && Date.now() - since > abandonedAfterMs) rmdirSync(lock);
  try {
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}

function gone(): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dirname(lock), () => {
      if (statSync(lock, { throwIfNoEntry: false })) return;
      watcher.close();
      resolve();
    });
    if (statSync(lock, { throwIfNoEntry: false })) return;
    watcher.close();
    resolve();
  });
}
