import { closeSync, constants, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import type { StartPlan, Terminals } from '../world.ts';
import { childEnvironment } from './child-environment.ts';
import { bootId, forgetLook, processStat } from './proc.ts';
import { TmuxFailure, tmuxServer } from './tmux-server.ts';

/** Lines above the screen; the whole output stands in output.log. */
const historyLines = 2_000;
/** Agents take text that comes together with Enter for a paste, and the Enter for a line end in it. */
const beforeEnterMs = 100;

/**
 * Windows on a tmux server of our own, one session a run, named by it. The server lives on when we die. Its global environment holds nothing but
 * what a terminal needs; what a run's programs get comes to them by a private file that their shell removes as it reads it.
 */
export function createTerminals({ homeId }: { readonly homeId: string }): Terminals {
  const tmux = tmuxServer(`todo-${homeId}`);
  let known: 'yes' | null = null;

  return {
    available() {
      try {
        known ??= tmux.version() === null ? null : 'yes';
        return known ?? 'no';
      } catch {
        return 'unknown';
      }
    },

    start: (plan) => start(plan, tmux.run),

    alive(target) {
      try {
        tmux.run(['has-session', '-t', exactly(target)]);
        return 'yes';
      } catch (error) {
        return error instanceof TmuxFailure && error.kind === 'absent' ? 'no' : 'unknown';
      }
    },

    capture: (target) => ifThere(target, 'looking at', () => tmux.run(['capture-pane', '-p', '-e', '-t', `${exactly(target)}:`])),

    send(target, text) {
      const pane = `${exactly(target)}:`;
      orUnavailable(target, 'typing into', () => {
        if (text !== '') paste(pane, text, tmux.run);
        tmux.run(['send-keys', '-t', pane, 'Enter']);
      });
    },

    end(target) {
      ifThere(target, 'ending', () => tmux.run(['kill-session', '-t', exactly(target)]));
    },

    list() {
      const server = tmux.server();
      if (server !== 'socket') return server === 'none' ? [] : null;
      try {
        return tmux.run(['list-sessions', '-F', '#{session_name}']).split('\n').filter(Boolean);
      } catch (error) {
        return error instanceof TmuxFailure && error.kind === 'absent' ? [] : null;
      }
    },

    attachCommand: (target) => `${tmux.attachPrefix()} attach -t ${valid(target)}`,
  };
}

const triesMax = 3;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

type Run = (args: readonly string[]) => string;

/**
 * By bracketed paste, whole and in one piece: typed keys of several lines or of a long one arrive with their Enter taken for a line end
 * (docs/agents.md). The text comes to tmux by a private file, which takes any length.
 */
function paste(pane: string, text: string, run: Run): void {
  const folder = mkdtempSync(join(tmpdir(), 'todo-paste-'));
  try {
    const path = join(folder, 'text');
    writePrivate(path, text.replaceAll('\x1b', ''));
    run(['load-buffer', '-b', 'todo', path, ';', 'paste-buffer', '-p', '-r', '-d', '-b', 'todo', '-t', pane]);
    Atomics.wait(sleeper, 0, 0, beforeEnterMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * One message to the server makes the window and its log: it carries out all of it before it reads the first byte that the window prints,
 * so the log is whole, and a death of ours leaves both or none.
 */
function start(
  plan: StartPlan & { readonly name: string; readonly columns: number; readonly rows: number },
  run: Run,
): ReturnType<Terminals['start']> {
  const target = valid(plan.name);
  const refuse = (why: string, cause?: unknown): OperationalError =>
    new OperationalError('SPAWN_FAILED', { operation: 'starting in tmux', subject: target, why, cause });
  // tmux would take the user's home in its place and say nothing.
  if (!existsSync(plan.cwd)) throw refuse(`the folder ${plan.cwd} does not exist`);
  const environmentPath = `${plan.outputPath}.env`;
  const prepare = (): void => {
    try {
      writePrivate(environmentPath, environmentScript(plan.env));
      closeSync(openSync(plan.outputPath, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
    } catch (cause) {
      throw refuse((cause as Error).message, cause);
    }
  };
  const marks = Object.entries(plan.env).flatMap(([name, value]) =>
    value === null || isSecretName(name) ? [] : ['-e', word(`${name}=${value}`)],
  );
  const size = ['-x', String(plan.columns), '-y', String(plan.rows)];
  const shell = ['sh', '-c', windowScript, 'sh', environmentPath, plan.outputPath, ...plan.argv].map(word);
  const command = [
    ...['start-server', ';', 'set-option', '-g', 'history-limit', String(historyLines), ';'],
    ...['set-option', '-g', 'status', 'off', ';', 'set-option', '-g', 'default-terminal', 'screen-256color', ';'],
    ...['set-option', '-g', 'remain-on-exit', 'off', ';'],
    ...['new-session', '-d', '-P', '-F', '#{pane_pid}', '-s', target, ...size, '-c', word(plan.cwd), ...marks, '--', ...shell, ';'],
    // Not globally: tmux 3.3 dies of that when it makes its next session.
    ...['set-option', '-w', '-t', `${exactly(target)}:`, 'window-size', 'manual', ';'],
    ...['pipe-pane', '-t', `${exactly(target)}:`, word(`exec cat >> ${pipeWord(plan.outputPath)}`)],
  ];
  for (let tries = 1; ; tries++) {
    prepare();
    try {
      const pid = Number(run(command).trim().split('\n')[0]);
      forgetLook();
      // Gone already where the command was that short: then it is nobody's.
      const stat = Number.isInteger(pid) && pid > 0 ? processStat(pid) : null;
      return { target, process: { pid, startTicks: stat?.startTicks ?? 0, bootId: bootId() } };
    } catch (cause) {
      rmSync(environmentPath, { force: true });
      if (cause instanceof TmuxFailure && cause.kind === 'refused') throw refuse(cause.message, cause);
      // The server ended with its last window just when we called; nothing of ours was started.
      if (cause instanceof TmuxFailure && cause.kind === 'absent' && tries < triesMax) continue;
      throw unavailable('starting', target, cause);
    }
  }
}

/**
 * What a window runs. When its command has ended, the shell stays until the last of its output is in the log: tmux drops a window when its process
 * ends, and what the kernel still holds of the terminal's output goes with it (seen one time in 300 on a busy machine). What it
 * waits for is a colour reset written in a way that nobody else writes it. TERM is for the command; the shell hears it by the command's end.
 */
const windowScript = `. "$1"; rm -f -- "$1"; log=$2; shift 2
trap : INT TERM
"$@"
code=$?
exec 2>/dev/null
end=$(printf '\\033[0;0;0m')
printf %s "$end" || exit "$code"
n=0
while [ "$(tail -c 8 "$log")" != "$end" ] && [ "$n" -lt 100 ]; do sleep 0.02; n=$((n+1)); done
exit "$code"`;

/** All that a child would get of our environment, as a shell reads it. What tmux says about its terminal stays. */
function environmentScript(env: StartPlan['env']): string {
  const gone = ['TMUX', 'TMUX_PANE', ...Object.keys(env).filter((name) => env[name] === null)].filter(isName);
  const given = Object.entries(childEnvironment(env)).filter(([name]) => isName(name) && !terminalNames.has(name));
  return `unset ${gone.join(' ')}\n${given.map(([name, value]) => `export ${name}=${quoted(value)}\n`).join('')}`;
}

const terminalNames = new Set([
  'TERM',
  'TMUX',
  'TMUX_PANE',
  'TERM_PROGRAM',
  'TERM_PROGRAM_VERSION',
  'COLUMNS',
  'LINES',
  'PWD',
  'OLDPWD',
  'SHLVL',
  '_',
]);
const isName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
/** Arguments of tmux can be seen by everybody for the moment that it runs. */
const isSecretName = (name: string): boolean => !isName(name) || /TOKEN|SECRET|PASSWORD|KEY|AUTH/i.test(name);

function writePrivate(path: string, content: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
}

/** Names that mean themselves to tmux, to the shell and to a file system alike. */
function valid(target: string): string {
  if (/^[A-Za-z0-9_-]{1,100}$/.test(target)) return target;
  throw new OperationalError('SPAWN_FAILED', {
    operation: 'using',
    subject: JSON.stringify(target),
    why: 'not a name for a tmux session (letters, digits, - and _)',
  });
}

const exactly = (target: string): string => `=${valid(target)}`;

/** A last `;` would end the command; everything else of an argument is itself. */
const word = (text: string): string => (text.endsWith(';') ? `${text.slice(0, -1)}\\;` : text);

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** pipe-pane reads formats and times in its command. */
const pipeWord = (path: string): string => quoted(path).replaceAll('#', '##').replaceAll('%', '%%');

function ifThere<T>(target: string, operation: string, work: () => T): T | null {
  return orUnavailable(target, operation, () => {
    try {
      return work();
    } catch (error) {
      if (error instanceof TmuxFailure && error.kind === 'absent') return null;
      throw error;
    }
  });
}

function orUnavailable<T>(target: string, operation: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof TmuxFailure ? unavailable(operation, target, error) : error;
  }
}

const unavailable = (operation: string, target: string, cause: unknown): OperationalError =>
  new OperationalError('TMUX_UNAVAILABLE', { operation, subject: target, cause });
