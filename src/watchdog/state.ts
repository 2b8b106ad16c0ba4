import { dirname } from 'node:path';
import type { Owner, ProcessId } from '../core/entry.ts';
import { parsedJson } from '../core/shape.ts';
import type { Files } from '../world.ts';
import type { Restart } from './limits.ts';

/**
 * starting ▶ healthy ⇄ degraded; any of them ▶ unresponsive ▶ stopping ▶ backoff ▶ starting; after too many restarts held, where it is stopped and
 * tried now and then. `ended`: nobody watches any more.
 */
export type Phase = 'starting' | 'healthy' | 'degraded' | 'unresponsive' | 'stopping' | 'backoff' | 'held' | 'ended';

/** A command that was started, and how all that it starts is found again. */
export type Child = {
  readonly process: ProcessId;
  /** Value of TODO_SUP_ID in its environment. */
  readonly tag: string;
  readonly startedAtMs: number;
};

/** What the next watchdog of that name needs, and what `todo watchdog status` shows. Times by the wall clock. */
export type State = {
  readonly v: 1;
  readonly name: string;
  /** Of the command line and its folder: another command is not adopted. */
  readonly commandSha256: string;
  readonly watchdog: Owner;
  readonly startedAs: readonly string[];
  readonly child: Child | null;
  readonly phase: Phase;
  readonly sinceMs: number;
  readonly why: string | null;
  /** A person was told that it is held, and it has not recovered since. */
  readonly isHeld: boolean;
  /** Of the last 24 hours. */
  readonly restarts: readonly Restart[];
  readonly forgottenMs: number;
  /** How long the last starts took until the first good answer. */
  readonly startsMs: readonly number[];
};

/** Null: there was none. What cannot be read as one counts as none, too: it is worth less than a command that is not watched. */
export function readState(path: string, files: Pick<Files, 'readText'>): State | null {
  const state = parsedJson(files.readText(path) ?? '') as State | null;
  return state?.v === 1 ? state : null;
}

/** Whole or not at all, whatever crashes. */
export function writeState(path: string, state: State, files: Pick<Files, 'write' | 'sync' | 'rename' | 'syncFolder'>): void {
  const draft = `${path}.new`;
  files.write(draft, `${JSON.stringify(state)}\n`);
  files.sync(draft);
  files.rename(draft, path);
  files.syncFolder(dirname(path));
}
