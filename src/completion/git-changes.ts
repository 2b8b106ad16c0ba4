import type { Entry } from '../core/entry.ts';
import type { DiffStat } from '../core/evidence.ts';
import { runFiles } from '../core/run-folder.ts';
import { isObject } from '../core/shape.ts';
import type { World } from '../world.ts';

type Needs = Pick<World, 'files' | 'processes' | 'home'>;

const gitTimeoutMs = 10_000;
const gitBytesMax = 512 * 1024;
const filesShownMax = 200;

type Before = { readonly head: string | null; readonly lines: Readonly<Record<string, string>> };

/** Remembers what the working directory looked like before the run, so that only the run's own changes are shown. Absent outside git. */
export async function rememberGit(entry: Pick<Entry, 'ref' | 'todo'>, needs: Needs, stop: AbortSignal): Promise<void> {
  if (!insideGit(entry.todo.cwd, needs)) return;
  const head = await git(['rev-parse', 'HEAD'], entry.todo.cwd, needs, stop);
  const before: Before = { head: head?.trim() || null, lines: await present(entry.todo.cwd, head?.trim() || null, needs, stop) };
  const at = runFiles(needs.home.runs, entry.ref.runId);
  needs.files.makeFolder(at.folder);
  needs.files.write(at.gitBefore, JSON.stringify(before));
}

/** The run's changes as lines added and removed per file; null outside git or when git cannot tell. */
export async function gitChanges(entry: Pick<Entry, 'ref' | 'todo'>, needs: Needs, stop: AbortSignal): Promise<DiffStat | null> {
  const { gitBefore } = runFiles(needs.home.runs, entry.ref.runId);
  const before = needs.files.stat(gitBefore) === null ? null : parseBefore(needs.files.readText(gitBefore));
  if (before === null || !insideGit(entry.todo.cwd, needs)) return null;
  const now = await present(entry.todo.cwd, before.head, needs, stop);
  const changed = Object.entries(now).filter(([path, line]) => before.lines[path] !== line);
  const files = changed.map(([path, line]) => {
    const [added = '', removed = '', kind = ''] = line.split(' ');
    return { path, added: Number(added) || 0, removed: Number(removed) || 0, binary: added === '-', untracked: kind === 'new' };
  });
  return { files: files.slice(0, filesShownMax), more: Math.max(0, files.length - filesShownMax) };
}

/** path → "added removed kind", as git sees it against `head`. */
async function present(cwd: string, head: string | null, needs: Needs, stop: AbortSignal): Promise<Record<string, string>> {
  const lines: Record<string, string> = {};
  const numstat = head === null ? null : await git(['diff', '--numstat', '--no-renames', '-z', head], cwd, needs, stop);
  for (const part of (numstat ?? '').split('\0')) {
    const [added, removed, path] = part.split('\t');
    if (path) lines[path] = `${added} ${removed} changed`;
  }
  const untracked = await git(['ls-files', '--others', '--exclude-standard', '--full-name', '-z', ':/'], cwd, needs, stop);
  const top = (await git(['rev-parse', '--show-toplevel'], cwd, needs, stop))?.trim() ?? cwd;
  for (const path of (untracked ?? '').split('\0')) {
    if (path === '') continue;
    const stat = needs.files.stat(`${top}/${path}`);
    lines[path] =
      `${stat === null ? 0 : countLines(`${top}/${path}`, stat.sizeBytes, needs)} 0 new ${stat?.sizeBytes ?? 0} ${Math.round(stat?.mtimeMs ?? 0)}`;
  }
  return lines;
}

const linesCountedMax = 256 * 1024;
function countLines(path: string, sizeBytes: number, { files }: Pick<World, 'files'>): number {
  if (sizeBytes > linesCountedMax) return 0;
  return (files.readGuarded(path, linesCountedMax)?.bytes ?? new Uint8Array()).reduce((count, byte) => count + (byte === 10 ? 1 : 0), 0);
}

async function git(args: readonly string[], cwd: string, { processes }: Needs, stop: AbortSignal): Promise<string | null> {
  const result = await processes.run(
    {
      argv: ['git', '-c', 'core.quotepath=off', ...args],
      cwd,
      env: { GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' },
      timeoutMs: gitTimeoutMs,
      tailBytes: gitBytesMax,
    },
    stop,
  );
  return result.exitCode === 0 ? result.tail : null;
}

/** Cheaper than asking git: is there a `.git` here or above? */
function insideGit(cwd: string, { files }: Pick<World, 'files'>): boolean {
  for (let folder = cwd; ; folder = folder.slice(0, folder.lastIndexOf('/'))) {
    if (files.stat(`${folder}/.git`) !== null) return true;
    if (folder === '') return false;
  }
}

function parseBefore(text: string | null): Before | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && isObject(value['lines']) ? (value as Before) : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}
