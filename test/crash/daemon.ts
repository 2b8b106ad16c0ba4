// One life of the real daemon on a home: until all todos have ended, or until it was killed.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { programs } from '../programs.ts';
import { childEnvironment, program } from './program.ts';
import { hasEnded } from './scene.ts';

export type Life = {
  readonly code: number | null;
  readonly osSignal: NodeJS.Signals | null;
  /** It was ended by us, because nothing ended it. */
  readonly hung: boolean;
  readonly log: string;
  /** What strace wrote; empty without it. */
  readonly calls: readonly string[];
};

/** Every call by which something becomes durable, or a name changes. SQLite writes by pwrite64; `write` is how other files get their content. */
export const durableCalls: readonly string[] = [
  'fsync',
  'fdatasync',
  'sync_file_range',
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'symlink',
  'symlinkat',
  'unlink',
  'unlinkat',
  'rmdir',
  'mkdir',
  'mkdirat',
  'truncate',
  'ftruncate',
  'fallocate',
  'pwrite64',
  'pwritev',
  'pwritev2',
  'write',
];

/** A life takes a second on a busy machine; this says that it hangs. */
const patienceMs = 40_000;

/**
 * Runs `todo daemon run` and asks it to stop when everything has ended: each line of its log is a reason to look.
 * With `trace` its main thread is traced (strace without -f: counts are exact, agents are left alone).
 */
export async function live(
  home: string,
  trace: { readonly options: readonly string[]; readonly file: string } | null = null,
): Promise<Life> {
  // V8 at work in threads wakes them by writes of the main thread: in some lives three, in others a hundred, and every number would mean another write.
  const daemon = [process.execPath, '--single-threaded', program, 'daemon', 'run'];
  const [command = '', ...args] = trace === null ? daemon : [programs().strace, '-qq', '-y', '-o', trace.file, ...trace.options, ...daemon];
  const child = spawn(command, args, { env: childEnvironment(home), cwd: home, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  let asked = false;
  let hung = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    if (asked || !/ (recovered|closed|dead-lettered) /.test(text) || !hasEnded(home)) return;
    asked = true;
    signal(log, 'SIGTERM');
  });
  const late = setTimeout(() => {
    hung = true;
    signal(log, 'SIGKILL');
    child.kill('SIGKILL');
  }, patienceMs);
  const [code, osSignal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (...end) => resolve(end));
  });
  clearTimeout(late);
  return { code, osSignal, hung, log, calls: trace === null ? [] : readFileSync(trace.file, 'utf8').trimEnd().split('\n') };
}

/** The daemon itself, which is a child of strace where there is one; it tells its number first of all. */
function signal(log: string, name: NodeJS.Signals): void {
  const pid = / daemon starting pid=(\d+) /.exec(log)?.[1];
  try {
    if (pid !== undefined) process.kill(Number(pid), name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
