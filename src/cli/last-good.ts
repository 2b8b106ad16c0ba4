import { existsSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isObject, parsedJson } from '../core/shape.ts';
import { stateFolder } from '../platform/home.ts';
import type { Log, World } from '../world.ts';
import { programFolder, todoCommand } from './program.ts';

/** What a start needs of an installation. */
const parts = ['dist', 'hooks', 'bin', 'package.json'];

/** Of the build, as it stood there when this process began. */
const identityOf = (script: string): string | null => {
  const found = statSync(script, { throwIfNoEntry: false });
  return found === undefined ? null : JSON.stringify({ script, mtimeMs: found.mtimeMs, size: found.size });
};
const startedFrom = identityOf(todoCommand[1] ?? '');

export const lastGoodFolder = (root: string): string => join(stateFolder(root), 'last-good');

/**
 * This very build has worked here: a copy of it is kept in the home, for when the installation is broken by a later one. dist/todo.cjs and bin/todo
 * run it where nothing else can be run. Who runs from sources or from that copy keeps nothing.
 */
export async function keepLastGood(root: string, log: Pick<Log, 'info' | 'warn'>): Promise<void> {
  const folder = lastGoodFolder(root);
  const [, script = ''] = todoCommand;
  if (!script.endsWith('.cjs') || programFolder === folder) return;
  try {
    const identity = identityOf(script);
    // What stands there now is not what runs here: nobody knows yet whether it works.
    if (identity !== startedFrom) return;
    if ((await readFile(join(folder, 'identity.json'), 'utf8').catch(() => null)) === identity) return;
    const draft = `${folder}.new`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o700 });
    for (const part of parts) await cp(join(programFolder, part), join(draft, part), { recursive: true, dereference: true });
    await writeFile(join(draft, 'identity.json'), identity ?? '');
    if (identityOf(script) !== startedFrom) return;
    const old = `${folder}.old`;
    await rm(old, { recursive: true, force: true });
    if (existsSync(folder)) await rename(folder, old);
    await rename(draft, folder);
    await rm(old, { recursive: true, force: true });
    log.info('monitor', 'this build works; a copy is kept', { folder });
  } catch (error) {
    log.warn('monitor', 'no copy of this build could be kept', { folder, reason: error instanceof Error ? error.message : String(error) });
  }
}

const triedWithinMs = 20_000;

/** Where this program comes from, also where it runs from the copy: what was broken may have been mended. */
function installation(root: string, files: Pick<World['files'], 'readText'>): string {
  const folder = lastGoodFolder(root);
  if (programFolder !== folder) return programFolder;
  const identity = parsedJson(files.readText(join(folder, 'identity.json')) ?? '');
  return isObject(identity) && typeof identity['script'] === 'string' ? join(dirname(identity['script']), '..') : programFolder;
}

/** Argv of the first that starts: the build, the sources, the last good copy. Where none of them does, our own: it worked when we were started. */
export async function imageThatWorks({
  processes,
  files,
  home,
  log,
}: Pick<World, 'processes' | 'files' | 'home' | 'log'>): Promise<readonly string[]> {
  const program = installation(home.root, files);
  const scripts = [
    join(program, 'dist', 'todo.cjs'),
    join(program, 'src', 'cli', 'main.ts'),
    join(lastGoodFolder(home.root), 'dist', 'todo.cjs'),
  ].filter((path) => existsSync(path));
  for (const script of scripts) {
    const argv = [process.execPath, ...process.execArgv, script];
    const tried = await processes.run({
      argv: [...argv, 'daemon', 'run', '--check', '--home', home.root],
      cwd: home.root,
      env: {},
      timeoutMs: triedWithinMs,
      tailBytes: 2000,
    });
    if (tried.exitCode === 0) return argv;
    log.error('monitor', 'this build does not start; the next one is tried', { script, exit: tried.exitCode, said: tried.tail.trim() });
  }
  return [process.execPath, ...process.execArgv, ...todoCommand.slice(1)];
}
