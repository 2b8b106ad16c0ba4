import { type Entry, type Owner, sameOwner } from '../../src/core/entry.ts';
import { OperationalError } from '../../src/core/errors.ts';
import type { Journal } from '../../src/world.ts';

/** What is committed in a home's todo.db: it survives the process and the power. */
export class JournalRows {
  readonly #rows = new Map<string, { entry: Entry; updatedAtMs: number }>();
  readonly notes = new Map<string, string>();
  readonly #written = new Set<string>();
  /** Told of every commit. */
  onCommit: ((before: Entry | null, after: Entry) => void) | null = null;

  get(runId: string): Entry | null {
    return this.#rows.get(runId)?.entry ?? null;
  }

  all(): readonly Entry[] {
    return [...this.#rows.values()].map(({ entry }) => entry).sort(oldestFirst);
  }

  /** A process that starts reads text, so only what JSON carries comes back to it. */
  reread(): void {
    for (const runId of this.#written) {
      const row = this.#rows.get(runId);
      if (row !== undefined) row.entry = JSON.parse(JSON.stringify(row.entry)) as Entry;
    }
    this.#written.clear();
  }

  /** Guarded by owner, as the statement is. */
  put(entry: Entry, nowMs: number): void {
    const before = this.get(entry.ref.runId);
    if (before !== null && !sameOwner(before.owner, entry.owner))
      throw new OperationalError('NOT_OWNER', { operation: 'saving', subject: entry.ref.runId });
    this.#rows.set(entry.ref.runId, { entry, updatedAtMs: nowMs });
    this.#written.add(entry.ref.runId);
    this.onCommit?.(before, entry);
  }

  adopt(runId: string, from: Owner, to: Owner, nowMs: number): boolean {
    const before = this.get(runId);
    if (before === null || !sameOwner(before.owner, from)) return false;
    const after = { ...before, owner: to };
    this.#rows.set(runId, { entry: after, updatedAtMs: nowMs });
    this.onCommit?.(before, after);
    return true;
  }

  closed(sinceMs: number): readonly string[] {
    return [...this.#rows]
      .filter(([, { entry, updatedAtMs }]) => entry.fact === 'closed' && updatedAtMs >= sinceMs)
      .sort(([, a], [, b]) => a.updatedAtMs - b.updatedAtMs)
      .map(([runId]) => runId);
  }

  forget(closedBeforeMs: number): void {
    for (const [runId, { entry, updatedAtMs }] of this.#rows)
      if (entry.fact === 'closed' && updatedAtMs < closedBeforeMs) this.#rows.delete(runId);
  }
}

const oldestFirst = (a: Entry, b: Entry): number => a.startedAtMs - b.startedAtMs || (a.ref.runId < b.ref.runId ? -1 : 1);

/** How a commit goes: in its turn, or not at all, or with the process dying just before or just after it. */
export type CommitFate = 'fine' | 'DISK_FULL' | 'JOURNAL_UNWRITABLE' | 'dies-before' | 'dies-after';

type Queued = { readonly work: () => void; readonly resolve: () => void; readonly reject: (error: unknown) => void };

/** Does the work now; the answer comes after the commit. */
function run({ work, resolve, reject }: Queued): () => void {
  try {
    work();
    return resolve;
  } catch (error) {
    return () => reject(error);
  }
}

/**
 * The port of one process. What is asked for in one turn shares a commit; the answers come when it is durable.
 * `fateOf` is asked once a commit; `die` ends the process, and with it every answer that it still waits for.
 */
export function journalOf(
  rows: JournalRows,
  needs: { nowMs: () => number; soon: (act: () => void) => void; fateOf: () => CommitFate; die: () => void },
): Journal {
  let queue: Queued[] = [];

  const commit = (): void => {
    const wave = queue;
    queue = [];
    const fate = needs.fateOf();
    if (fate === 'DISK_FULL' || fate === 'JOURNAL_UNWRITABLE') {
      for (const { reject } of wave)
        reject(new OperationalError(fate, { operation: 'committing to', subject: 'todo.db', why: 'simulated' }));
      return;
    }
    const answers = fate === 'dies-before' ? [] : wave.map(run);
    if (fate !== 'fine') needs.die();
    else for (const answer of answers) answer();
  };

  const write = (work: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      queue.push({ work, resolve, reject });
      if (queue.length === 1) needs.soon(commit);
    });

  return {
    live: () => rows.all().filter((entry) => entry.fact !== 'closed'),
    get: (runId) => rows.get(runId),
    ofTodo: (todoId) =>
      rows
        .all()
        .filter((entry) => entry.ref.todoId === todoId)
        .reverse(),
    save: (entry) => write(() => rows.put(entry, needs.nowMs())),
    async adopt(runId, from, to) {
      let done = false;
      await write(() => {
        done = rows.adopt(runId, from, to, needs.nowMs());
      });
      return done;
    },
    closed: (sinceMs) => rows.closed(sinceMs),
    forget: (closedBeforeMs) => rows.forget(closedBeforeMs),
    getNote: (key) => rows.notes.get(key) ?? null,
    setNote: (key, value) => write(() => void rows.notes.set(key, value)),
    notes: (prefix) =>
      [...rows.notes]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => ({ key, value })),
    dropNotes: (keys) =>
      write(() => {
        for (const key of keys) rows.notes.delete(key);
      }),
    async removeNote(key, value) {
      let done = false;
      await write(() => {
        done = rows.notes.get(key) === value && rows.notes.delete(key);
      });
      return done;
    },
  };
}
