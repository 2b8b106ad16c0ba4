import type { Structured, Usage } from './evidence.ts';
import type { Todo } from './todo.ts';
import type { UsageLimit } from './usage-limit.ts';
import type { Says } from './words.ts';

/**
 * What Signoff knows about one kind of agent: how it is started, how it reports, what its reports are worth.
 * An adapter decides and describes; it has no effects. One file each in agents/.
 */
export type Adapter = {
  readonly name: string;
  /** Where its runs live unless the todo or the config says otherwise. */
  readonly defaultSession: 'child' | 'tmux';
  /** What is started where `agents.<name>.command` names nothing else. */
  readonly program: string;
  /** What it is asked with whether it works, where that is not --version. */
  readonly probe?: readonly string[];
  /** Its hooks report the end of the main turn. Else quiet means: the session ended, or 10 s passed after the word. */
  readonly reportsTurns: boolean;
  /** It has a conversation to which a failed check can be sent back (same run, fence and token, round + 1). */
  readonly conversational: boolean;
  /** What exactly is started for this round. */
  launch(context: LaunchContext): Launch;
  /** What one hook event is worth. Unknown events and malformed payloads are 'ignored' with a reason, never an error. */
  hook(event: string, payload: unknown, session: 'child' | 'tmux'): HookVerdict;
  /** What the end of the process says when nobody said a word. `tail` is the end of output.log. */
  exitSays(exit: { readonly code: number }, tail: string): ExitWord;
  /** Files outside the run folder that belong to the conversation (transcripts), in order of worth. */
  transcripts(context: {
    readonly conversationId: string;
    readonly cwd: string;
    readonly env: Readonly<Record<string, string | undefined>>;
  }): readonly string[];
  /** Reads output and transcript into the structured source; null when there is nothing of worth. Never throws on any bytes. */
  structured(input: {
    readonly output: string;
    readonly transcript: string | null;
    readonly hooks: readonly HookSeen[];
  }): { readonly found: Structured; readonly usage: Usage | null } | null;
  /** Readable terminal text for the report when output.log is not what a terminal showed (stream-json); null = show output.log as it is. */
  readable(output: string): string | null;
};

export type ExitWord = {
  readonly says: Says;
  readonly summary: string | null;
  readonly reason: string | null;
  /** For parked: when the agent may be asked again. */
  readonly notBeforeMs?: number | null;
  /** A usage limit ended it; then the daemon decides what becomes of that. */
  readonly limit?: UsageLimit;
  /** Its key or account was refused: no todo goes well with it until a person has mended that. */
  readonly fault?: 'auth';
};

export type HookSeen = { readonly event: string; readonly atMs: number; readonly text: string | null };

export type LaunchContext = {
  readonly todo: Pick<Todo, 'id' | 'number' | 'title' | 'prompt' | 'cwd' | 'checks' | 'agent' | 'rounds'>;
  readonly runId: string;
  /** UUID that the agent's conversation gets, the same for all rounds of a run. */
  readonly conversationId: string;
  /** 1 at the first start. */
  readonly round: number;
  /** What the failed checks said, for rounds after the first. */
  readonly feedback: string | null;
  readonly session: 'child' | 'tmux';
  readonly runFolder: string;
  /** The folder with mark-done and progress (POSIX sh, no Node). */
  readonly hooksFolder: string;
  /** Argv prefix that calls this very `todo`. */
  readonly todoCommand: readonly string[];
  readonly hookWaitMs: number;
  /** `agents.<name>` of the config. */
  readonly settings: AgentSettings;
  /** Why nobody else could be chosen; of the fallback alone. */
  readonly why?: string;
};

export type AgentSettings = {
  /** Program to start instead of the agent's usual name. */
  readonly command: string | null;
  /** Arguments put before ours. */
  readonly args: readonly string[];
  readonly session: 'child' | 'tmux' | null;
  /** Environment for this agent only. */
  readonly env: Readonly<Record<string, string>>;
};

export type Launch = {
  /** Program and arguments; launch.sh quotes them. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Written into the run folder before the start (0600). Names without folders. */
  readonly files: readonly { readonly name: string; readonly content: string }[];
  /** File of the run folder that becomes standard input; null = /dev/null (child) or the terminal (tmux). */
  readonly stdin: string | null;
};

export type HookVerdict =
  /** Any event of a living agent: a sign of progress. */
  | { readonly kind: 'progress' }
  /** The main turn ended and no background work is open. `says` is set where that is a word by itself (headless). */
  | { readonly kind: 'turn-ended'; readonly text: string | null; readonly says: Says | null; readonly again: boolean }
  /** The main turn ended, but background work goes on: not done. */
  | { readonly kind: 'turn-paused'; readonly why: string }
  /** The provider refuses work until a time (null: unknown when). From structured fields only. */
  | { readonly kind: 'usage-limit'; readonly resetsAtMs: number | null; readonly why: string }
  /** The turn ended by an API error. */
  | { readonly kind: 'turn-failed'; readonly why: string }
  /** It stands at a question that only a person can answer (a permission dialog). */
  | { readonly kind: 'waiting'; readonly why: string }
  | { readonly kind: 'session-ended' }
  | { readonly kind: 'ignored'; readonly why: string };
