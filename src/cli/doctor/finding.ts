import { isOperational } from '../../core/errors.ts';
import type { HealthStatus } from '../../core/words.ts';

/** One thing that was looked at. In the words of `todo health`: severity is what it makes of the whole. */
export type Finding = {
  /** `port 8080`, `folder /srv/todo/runs`, `tmux`. */
  readonly what: string;
  readonly severity: HealthStatus;
  /** What was seen. */
  readonly evidence: string;
  /** The command, or the change, that mends it; null where nothing needs to be done. */
  readonly mend: string | null;
};

export const fine = (what: string, evidence: string): Finding => ({ what, severity: 'healthy', evidence, mend: null });

/** What could not be looked at is unknown, never fine. Null: a defect, which is nobody's finding. */
export function notSeen(what: string, error: unknown): Finding | null {
  if (isOperational(error)) return { what, severity: 'unknown', evidence: error.message, mend: error.hint };
  const { code, message, errcode } = error as NodeJS.ErrnoException & { readonly errcode?: number };
  if (errcode !== undefined && damaged.has(errcode & 0xff))
    return {
      what,
      severity: 'unhealthy',
      evidence: `todo.db is damaged: ${message}`,
      mend: 'todo restore FILE --force (a backup of this home)',
    };
  return typeof code === 'string' ? { what, severity: 'unknown', evidence: message, mend: 'todo doctor --debug shows where' } : null;
}

/** https://sqlite.org/rescode.html: CORRUPT, NOTADB. */
const damaged: ReadonlySet<number> = new Set([11, 26]);
