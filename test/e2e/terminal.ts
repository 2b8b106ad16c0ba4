// A real terminal for a command: a tmux window of 80 columns on a server of the test's own. Everything the program wrote comes back, escape
// sequences and all.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programs } from '../programs.ts';

export type Shown = { readonly raw: string; readonly exitCode: number };

/** Runs a shell command line on a terminal and answers when it has ended. */
export async function onTerminal(command: string, env: Readonly<Record<string, string>>): Promise<Shown> {
  const folder = mkdtempSync(join(tmpdir(), 'todo-tty-'));
  const socket = join(folder, 'tmux');
  const { tmux } = programs();
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TODO_|NO_COLOR$|TMUX|CI$)/.test(name)));
  const call = (...args: string[]) => promisify(execFile)(tmux, ['-S', socket, '-f', '/dev/null', ...args], { env: { ...clean, ...env } });
  try {
    // The window waits until its output is caught from the first byte on.
    const script = `'${tmux}' -S '${socket}' wait-for begin; ${command}; echo $? > '${folder}/code'; '${tmux}' -S '${socket}' wait-for -S ended; '${tmux}' -S '${socket}' wait-for never`;
    await call('new-session', '-d', '-x', '80', '-y', '40', '-s', 'test', `/bin/sh -c ${quoted(script)}`);
    await call('pipe-pane', '-t', 'test', `cat > '${folder}/output'; '${tmux}' -S '${socket}' wait-for -S written`);
    const ended = call('wait-for', 'ended');
    await call('wait-for', '-S', 'begin');
    await ended;
    // Closing the pipe lets its reader finish; only then is all of it in the file.
    const written = call('wait-for', 'written');
    await call('pipe-pane', '-t', 'test');
    await written;
    return { raw: readFileSync(join(folder, 'output'), 'utf8'), exitCode: Number(readFileSync(join(folder, 'code'), 'utf8')) };
  } finally {
    try {
      execFileSync(tmux, ['-S', socket, 'kill-server'], { stdio: 'ignore' });
    } catch {
      // It has ended by itself.
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
