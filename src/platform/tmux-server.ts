import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { searchPath, whereIs } from './search-path.ts';

/** A call answers in milliseconds; a server that does not is stopped or hangs. */
const answerWithinMs = 5_000;
const answerBytesMax = 16 * 1024 * 1024;

/** absent: no such session, or no server · refused: tmux said no · missing: there is no tmux · silent: no answer in time. */
export class TmuxFailure extends Error {
  readonly kind: 'absent' | 'refused' | 'missing' | 'silent';
  constructor(kind: TmuxFailure['kind'], message: string) {
    super(message);
    this.name = 'TmuxFailure';
    this.kind = kind;
  }
}

export type TmuxServer = {
  /** Found without starting anything: no socket is no server. missing: there is no tmux that could say more. */
  server(): 'socket' | 'none' | 'missing';
  /** Runs one command list on our server and gives what it printed. TmuxFailure. */
  run(args: readonly string[]): string;
  /** Null where there is no tmux. */
  version(): string | null;
  /** What a person types before `attach`. */
  attachPrefix(): string;
};

/**
 * A tmux server by its name (`-L`), without anybody's configuration. Whoever calls first starts it and gives it its environment:
 * only what a terminal needs, because all its windows and `show-environment` have it.
 */
export function tmuxServer(name: string): TmuxServer {
  const call = (args: readonly string[]): string => {
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    try {
      return execFileSync('tmux', [...args], {
        encoding: 'utf8',
        // The server keeps the folder of its first caller busy.
        cwd: '/',
        env: serverEnvironment(),
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: answerWithinMs,
        killSignal: 'SIGKILL',
        maxBuffer: answerBytesMax,
      });
    } catch (error) {
      throw failureOf(error as CallError);
    }
  };
  return {
    server() {
      if (whereIs('tmux', searchPath(process.env)).length === 0) return 'missing';
      return existsSync(join(process.env['TMUX_TMPDIR'] || '/tmp', `tmux-${process.getuid?.()}`, name)) ? 'socket' : 'none';
    },
    run: (args) => call(['-L', name, '-f', '/dev/null', ...args]),
    version() {
      try {
        return call(['-V']).trim();
      } catch (error) {
        if (error instanceof TmuxFailure && error.kind === 'missing') return null;
        throw error;
      }
    },
    attachPrefix() {
      const folder = process.env['TMUX_TMPDIR'];
      return `${folder ? `TMUX_TMPDIR='${folder.replaceAll("'", `'\\''`)}' ` : ''}tmux -L ${name}`;
    },
  };
}

const terminalNeeds = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'TMUX_TMPDIR', 'XDG_RUNTIME_DIR'];

function serverEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => terminalNeeds.includes(name) || name.startsWith('LC_'));
  // Without a UTF-8 locale tmux draws everything beyond ASCII as underscores.
  const locale = kept.some(([name, value]) => ['LC_ALL', 'LC_CTYPE', 'LANG'].includes(name) && /utf-?8/i.test(value ?? ''))
    ? {}
    : { LC_CTYPE: 'C.UTF-8' };
  return { ...(Object.fromEntries(kept) as Record<string, string>), PATH: searchPath(process.env), ...locale, TERM: 'screen-256color' };
}

type CallError = Error & { readonly code?: string; readonly status?: number | null; readonly stderr?: string };

function failureOf(error: CallError): TmuxFailure {
  const said = (error.stderr ?? '').trim();
  if (error.code === 'ENOENT') return new TmuxFailure('missing', 'tmux is not installed');
  if (error.code === 'ETIMEDOUT') return new TmuxFailure('silent', `tmux did not answer within ${answerWithinMs} ms`);
  if (
    /can't find (session|window|pane)|no server running|no current target|error connecting to .*\((No such file or directory|Connection refused)\)|server exited|lost server/i.test(
      said,
    )
  )
    return new TmuxFailure('absent', said);
  return new TmuxFailure('refused', said || error.message);
}
