import type { Exit } from './entry.ts';

/** Columns and rows of a run's tmux window: wide enough for agents' boxes, and what its report is drawn with. */
export const runWindow = { cols: 160, rows: 50 } as const;

/** What `launch.sh` writes where the agent's own program is not there: that is about the agent, not about the todo. */
export const programNotFound = 'command not found';

/** The files of `runs/<run>/` (DESIGN 5). */
export const runFiles = (runs: string, runId: string) => {
  const folder = `${runs}/${runId}`;
  return {
    folder,
    launch: `${folder}/launch.sh`,
    token: `${folder}/token`,
    output: `${folder}/output.log`,
    exit: `${folder}/exit`,
    progress: `${folder}/progress`,
    feedback: `${folder}/feedback.txt`,
    /** The round that the agent is in, for its hooks: a conversation that was sent back keeps the environment of its first. */
    round: `${folder}/round`,
    gitBefore: `${folder}/git-before.json`,
    /** Exists from the moment a round was started; made by launch.sh, or by us to keep a late one from starting. */
    started: (round: number) => `${folder}/started.${round}`,
    /** What moves to the archive as a whole. */
    final: `${folder}/final`,
  };
};

/** Name of the shell that could not write `exit` yet; its last two arguments are the run's folder and what it has to write. */
export const untoldName = 'todo-untold-end';

/** `exit` holds `<round> code|signal|spawn <value>`; null for another round's, or anything else. */
export function parseExit(text: string, round: number, atMs: number): Exit | null {
  const match = /^(\d+) (code|signal|spawn) (.+)\n?$/.exec(text);
  if (!match || Number(match[1]) !== round) return null;
  const value = match[3] ?? '';
  switch (match[2]) {
    case 'code':
      return /^\d{1,3}$/.test(value) ? { kind: 'code', code: Number(value), atMs } : null;
    case 'signal':
      return { kind: 'signal', osSignal: value.startsWith('SIG') ? value : `SIG${value}`, atMs };
    default:
      return { kind: 'spawn-error', why: value, atMs };
  }
}
