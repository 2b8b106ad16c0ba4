import { hash, randomUUID } from 'node:crypto';
import { closeSync, constants, fsyncSync, linkSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import type { Says } from '../core/words.ts';
import { syncFolder } from './sync-folder.ts';

/** Who says it: what a run's environment holds. */
export type MarkerSender = {
  /** `$TODO_SPOOL` */
  readonly spool: string;
  readonly todoId: string;
  readonly runId: string;
  readonly token: string;
};

/** A word about the run's end, durable when this returns. */
export function writeMarker(
  sender: MarkerSender,
  word: { readonly says: Says; readonly summary: string | null; readonly reason: string | null; readonly notBeforeMs: number | null },
): void {
  put(sender, '', { says: word.says, ...withoutNulls({ summary: word.summary, reason: word.reason, notBeforeMs: word.notBeforeMs }) });
}

/** One event of the agent's hooks, durable when this returns. */
export function writeHookMarker(
  sender: MarkerSender,
  hook: { readonly agent: string; readonly event: string; readonly payload: unknown },
): void {
  put(sender, '.hook', { kind: 'hook', agent: hook.agent, event: hook.event, payload: hook.payload });
}

const lineBytesMax = 64 * 1024;

/** Written aside, flushed, then linked to its name, because a reader may look at any moment and half a marker is a false claim. */
function put({ spool, todoId, runId, token }: MarkerSender, suffix: string, says: Readonly<Record<string, unknown>>): void {
  const line = JSON.stringify({ v: 1, todo: todoId, run: runId, token, ...says });
  const bytes = Buffer.byteLength(line);
  if (bytes > lineBytesMax)
    throw new OperationalError('BAD_DATA', {
      operation: 'writing a marker for',
      subject: runId,
      why: `it has ${bytes} bytes, at most ${lineBytesMax} are taken`,
    });
  const id = randomUUID();
  const draft = join(spool, 'tmp', `${id}.${process.pid}`);
  try {
    const fd = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeFlushed(fd, `${line}\nsha256 ${hash('sha256', line, 'hex')} ${bytes}\n`);
      linkSync(draft, join(spool, 'new', `${runId}.${id}${suffix}`));
    } finally {
      unlinkSync(draft);
    }
    syncFolder(join(spool, 'new'));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new OperationalError(full ? 'DISK_FULL' : 'FILE_UNWRITABLE', { operation: 'writing a marker into', subject: spool, cause });
  }
}

function writeFlushed(fd: number, content: string): void {
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const withoutNulls = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
