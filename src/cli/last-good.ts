import { existsSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isOperational } from '../core/errors.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import { hasFailed, parseTrial, type ShownProgram, startOf, type Trial, trialNote } from '../core/trial.ts';
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

/** Of the build that the copy was made of; null: there is no copy. */
const lastGoodIdentity = (root: string, files: Pick<World['files'], 'readText'>): string | null =>
  files.readText(join(lastGoodFolder(root), 'identity.json'));

const scriptOf = (identity: string | null): string | null => {
  const known = parsedJson(identity ?? '');
  return isObject(known) && typeof known['script'] === 'string' ? known['script'] : null;
};

const keptTrial = ({ journal }: Pick<World, 'journal'>): Trial | null => parseTrial(journal.getNote(trialNote));

/**
 * A start of this program as a daemon, counted before anything else can end it. Answers with what it is, or with the argv of what is to go on instead:
 * a build that was started so often and never worked gives way to the copy of the last one that did.
 */
export async function startCounted(
  world: Pick<World, 'processes' | 'files' | 'home' | 'log' | 'journal' | 'clock'>,
  isSupervised: boolean,
): Promise<ShownProgram | { readonly kind: 'other'; readonly argv: readonly string[] }> {
  const { home, files, log, journal, clock } = world;
  const kept = keptTrial(world);
  if (programFolder === lastGoodFolder(home.root)) return { kind: 'last-good', why: whyLastGood(kept, home.root, files) };
  const lastGood = lastGoodIdentity(home.root, files);
  const start = startOf(kept, { image: ownBuild(), lastGood, isSupervised }, clock.nowMs());
  if (start.kind === 'known') return { kind: 'installed', failedStarts: 0 };
  const { trial } = start;
  const fields = { script: scriptOf(trial.image), starts: trial.starts, since: new Date(trial.sinceMs).toISOString() };
  if (start.kind === 'gives-way') {
    const copy = await firstThatStarts([lastGoodScript(home.root)], world);
    if (copy !== null) {
      log.error('monitor', 'this build never worked here; the last good copy goes on', fields);
      return { kind: 'other', argv: copy };
    }
  }
  const failedStarts = start.kind === 'tried' ? trial.starts - 1 : trial.starts;
  await journal.setNote(trialNote, JSON.stringify({ ...trial, starts: failedStarts + 1 }));
  if (failedStarts > 0)
    log.warn('monitor', 'this build was started before, and ended before it had worked', { ...fields, starts: failedStarts });
  return { kind: 'installed', failedStarts };
}

/** Where a new start of this build is its first: it was ended on purpose. */
export async function endedWell(world: Pick<World, 'journal'>): Promise<void> {
  if (startedFrom !== null && keptTrial(world)?.image === startedFrom) await world.journal.dropNotes([trialNote]);
}

/** This build has lived for restart.good_after. */
export async function hasWorked(world: Pick<World, 'journal' | 'home' | 'log'>): Promise<void> {
  try {
    await endedWell(world);
  } catch (error) {
    if (!isOperational(error)) throw error;
    world.log.warn('monitor', 'the starts of this build stay counted', { reason: error.message });
  }
  await keepLastGood(world.home.root, world.log);
}

function whyLastGood(kept: Trial | null, root: string, files: Pick<World['files'], 'readText'>): string {
  const script = scriptOf(lastGoodIdentity(root, files));
  if (kept !== null && isStill(kept)) return `${scriptOf(kept.image)} was started ${kept.starts} times and never worked`;
  return `${script ?? 'what is installed'} does not start`;
}

/** It failed, and nobody has put another build in its place. */
const isStill = (trial: Trial): boolean => hasFailed(trial) && identityOf(scriptOf(trial.image) ?? '') === trial.image;

/** Null: this process runs from sources. */
const ownBuild = (): string | null => ((todoCommand[1] ?? '').endsWith('.cjs') ? startedFrom : null);

/**
 * This very build has worked here: a copy of it is kept in the home, for when the installation is broken by a later one. dist/todo.cjs and bin/todo
 * run it where nothing else can be run. Who runs from sources or from that copy keeps nothing.
 */
async function keepLastGood(root: string, log: Pick<Log, 'info' | 'warn'>): Promise<void> {
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
  if (programFolder !== lastGoodFolder(root)) return programFolder;
  const script = scriptOf(lastGoodIdentity(root, files));
  return script === null ? programFolder : join(dirname(script), '..');
}

const lastGoodScript = (root: string): string => join(lastGoodFolder(root), 'dist', 'todo.cjs');

/**
 * Argv of the first that starts: the build, the sources, the last good copy. Where none of them does, our own: it worked when we were started. A build
 * that never worked, though it can be loaded, is passed over with its sources.
 */
export async function imageThatWorks(world: Pick<World, 'processes' | 'files' | 'home' | 'log' | 'journal'>): Promise<readonly string[]> {
  const { files, home } = world;
  const program = installation(home.root, files);
  const trial = keptTrial(world);
  const installed = [join(program, 'dist', 'todo.cjs'), join(program, 'src', 'cli', 'main.ts')];
  const scripts = [...(trial !== null && isStill(trial) ? [] : installed), lastGoodScript(home.root)];
  return (await firstThatStarts(scripts, world)) ?? [process.execPath, ...process.execArgv, ...todoCommand.slice(1)];
}

async function firstThatStarts(
  scripts: readonly string[],
  { processes, home, log }: Pick<World, 'processes' | 'home' | 'log'>,
): Promise<readonly string[] | null> {
  for (const script of scripts.filter((path) => existsSync(path))) {
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
  return null;
}
