import type { Adapter, AgentSettings, Launch, LaunchContext } from '../core/agent.ts';
import type { Entry, SessionRef } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { programNotFound, runFiles, runWindow, untoldName } from '../core/run-folder.ts';
import type { World } from '../world.ts';

type Needs = Pick<World, 'files' | 'processes' | 'terminals' | 'host' | 'home'>;

/** What exactly would be started for this round of the run. */
export function planLaunch(
  entry: Pick<Entry, 'ref' | 'todo' | 'conversationId' | 'round' | 'kind'>,
  feedback: string | null,
  adapter: Adapter,
  settings: AgentSettings,
  hookWaitMs: number,
  needs: Pick<World, 'host' | 'home'>,
  why?: string,
): Launch {
  const context: LaunchContext = {
    ...(why === undefined ? {} : { why }),
    todo: entry.todo,
    runId: entry.ref.runId,
    conversationId: entry.conversationId,
    round: entry.round,
    feedback,
    session: entry.kind === 'tmux' ? 'tmux' : 'child',
    runFolder: runFiles(needs.home.runs, entry.ref.runId).folder,
    hooksFolder: needs.host.hooksFolder,
    todoCommand: needs.host.todoCommand,
    hookWaitMs,
    settings,
  };
  return adapter.launch(context);
}

/**
 * Starts one round of a run in its own session. Everything the agent needs stands in runs/<run>/launch.sh (0600): tmux and child process
 * start the same file, the token is never in an argument, and the log is open before the first byte.
 */
export function startSession(entry: Entry, token: string, launch: Launch, feedback: string | null, needs: Needs): SessionRef {
  const at = runFiles(needs.home.runs, entry.ref.runId);
  const cwd = needs.files.stat(entry.todo.cwd);
  if (cwd === null || (cwd.kind !== 'folder' && cwd.kind !== 'symlink')) {
    throw new OperationalError('SPAWN_FAILED', {
      operation: 'starting',
      subject: `todo ${entry.todo.number}`,
      why: `its working directory ${entry.todo.cwd} does not exist`,
    });
  }
  needs.files.makeFolder(at.folder);
  for (const file of launch.files) needs.files.write(`${at.folder}/${file.name}`, file.content, 0o600);
  if (feedback !== null) needs.files.write(at.feedback, feedback, 0o600);
  // Never emptied for a moment where it stands already: a crash between would start the agent without one.
  if (needs.files.readText(at.token) !== token) needs.files.write(at.token, token, 0o600);
  needs.files.write(at.round, `${entry.round}\n`);
  needs.files.write(at.launch, launchScript(entry, launch, feedback !== null, needs), 0o600);
  const plan = { argv: ['/bin/sh', at.launch], cwd: at.folder, env: sessionEnvironment(entry, needs), outputPath: at.output };
  if (entry.kind !== 'tmux') return { kind: 'child', process: needs.processes.start(plan) };
  const name = `todo-${entry.todo.number}-${entry.ref.runId.slice(-8)}`;
  return { kind: 'tmux', ...needs.terminals.start({ ...plan, name, columns: runWindow.cols, rows: runWindow.rows }) };
}

/** What may be seen in /proc: the tag by which a run's processes are found again, nothing secret. */
const sessionEnvironment = (entry: Entry, { home }: Needs): Record<string, string> => ({ TODO_RUN: entry.ref.runId, TODO_HOME: home.root });

/** What the agent finds in its environment, beside what it inherits and the token. */
export function environmentOf(
  entry: Pick<Entry, 'ref' | 'todo' | 'round' | 'kind'>,
  launch: Launch,
  hasFeedback: boolean,
  { home, host }: Pick<World, 'home' | 'host'>,
): Readonly<Record<string, string>> {
  const at = runFiles(home.runs, entry.ref.runId);
  return {
    ...launch.env,
    TODO_ID: entry.todo.id,
    TODO_NUMBER: String(entry.todo.number),
    TODO_RUN: entry.ref.runId,
    TODO_RUN_DIR: at.folder,
    TODO_HOME: home.root,
    TODO_SPOOL: home.spool.new.replace(/\/new$/, ''),
    TODO_MARKER: `${host.hooksFolder}/mark-done`,
    TODO_ROUND: String(entry.round),
    TODO_SESSION: entry.kind,
    TODO_CHECKS: entry.todo.checks.length > 0 ? '1' : '0',
    ...(hasFeedback ? { TODO_FEEDBACK: at.feedback } : {}),
  };
}

/**
 * A disk that is full or read-only passes, and nobody else knows how the round ended: its shell stays until that is written, or its folder is gone.
 * Only where it went well: what fails on such a disk may have failed because of it, is a lost session, and gets another attempt.
 * Meanwhile the end stands in its arguments, where whoever wonders about a silent run finds it (`Processes.untoldEnd`).
 */
const tellLater = `until { printf '%s\\n' "$2" >"$1/exit.tmp" && mv -f -- "$1/exit.tmp" "$1/exit"; } 2>/dev/null; do [ -d "$1" ] && sleep 1 || exit 1; done`;

/** The round's number guards against a second start of the same round: whoever makes the folder first runs it. */
function launchScript(entry: Entry, launch: Launch, hasFeedback: boolean, needs: Needs): string {
  const at = runFiles(needs.home.runs, entry.ref.runId);
  const environment = environmentOf(entry, launch, hasFeedback, needs);
  const stdin = launch.stdin === null ? (entry.kind === 'tmux' ? '' : ' </dev/null') : ` <${quote(`${at.folder}/${launch.stdin}`)}`;
  return `#!/bin/sh
# One round of a run: started once, by a daemon or by tmux. Its end is written to \`exit\` by rename.
run=${quote(at.folder)}
mkdir -- "$run/started.${entry.round}" 2>/dev/null || exit 0
end() {
  { printf '%s\\n' "${entry.round} $1 $2" >"$run/exit.tmp" && mv -f -- "$run/exit.tmp" "$run/exit"; } 2>/dev/null && return
  [ "$1 $2" = 'code 0' ] || return 1
  exec /bin/sh -c ${quote(tellLater)} ${untoldName} "$run" "${entry.round} $1 $2"
}
TODO_TOKEN=$(cat -- ${quote(at.token)})
export TODO_TOKEN
${Object.entries(environment)
  .map(([name, value]) => `export ${name}=${quote(value)}`)
  .join('\n')}
cd -- ${quote(entry.todo.cwd)} || { end spawn 'cannot enter the working directory'; exit 1; }
# What the project brings along, behind all others.
if [ -d node_modules/.bin ]; then PATH=$PATH:$PWD/node_modules/.bin; export PATH; fi
${launch.argv.map(quote).join(' ')}${stdin}
code=$?
if { [ "$code" -eq 127 ] || [ "$code" -eq 126 ]; } && ! command -v -- ${quote(launch.argv[0] ?? '')} >/dev/null 2>&1; then end spawn ${quote(programNotFound)}
elif [ "$code" -gt 128 ] && name=$(kill -l "$code" 2>/dev/null) && [ -n "$name" ]; then end signal "$name"
else end code "$code"; fi
`;
}

/** One word for a POSIX shell, whatever it holds. */
export const quote = (text: string): string => (/^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
