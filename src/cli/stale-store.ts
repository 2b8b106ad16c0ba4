import { type Entry, hasEnded } from '../core/entry.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { parseSnapshot, type Snapshot, type SnapshotTodo, snapshotPath, storeIdentity } from '../core/snapshot.ts';
import type { Run, Todo } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import type { Store, World } from '../world.ts';
import type { Opened, Stale } from './command.ts';
import { plain } from './text/plain.ts';
import { momentText, spanText } from './text/times.ts';

/** A store that takes longer than this to answer a look: the daemon is asked whether it is away, before a timeout says so. */
const patienceMs = 500;
const answersWithinMs = 2000;

type Needs = Pick<Opened, 'config' | 'ask'> & { readonly world: Pick<World, 'journal' | 'files' | 'digest' | 'clock' | 'home' | 'host'> };

/**
 * The store, or what this home last saw of it. Once a call found it away, all later ones answer from the snapshot, so that an answer is of one moment;
 * what the snapshot has not is refused with the error of the store.
 */
export function staleStore(store: Store, needs: Needs): { readonly store: Store; stale(): Stale | null } {
  let away: { readonly stale: Stale; readonly reads: Partial<Store>; readonly error: OperationalError } | null = null;

  const saidAway = askingDaemon(needs);
  const turnAway = (error: unknown): boolean => {
    if (!isOperational(error) || (error.code !== 'STORE_UNREACHABLE' && error.code !== 'STORE_TIMEOUT')) return false;
    const snapshot = readSnapshot(needs);
    if (snapshot === null) return false;
    away ??= { stale: { asOfMs: snapshot.atMs, why: error.message }, reads: readsOf(snapshot, error, needs), error };
    return true;
  };

  const kept = (name: keyof Store, args: readonly unknown[]): unknown => {
    const read = away?.reads[name] as ((...given: readonly unknown[]) => unknown) | undefined;
    if (read === undefined) throw away?.error;
    return read(...args);
  };

  const proxy = new Proxy(store, {
    get(target, name: keyof Store) {
      const member = target[name];
      if (typeof member !== 'function' || name === 'figures' || name === 'close')
        return typeof member === 'function' ? member.bind(target) : member;
      return async (...args: unknown[]) => {
        if (away !== null) return kept(name, args);
        const answer = (member as (...given: unknown[]) => Promise<unknown>).apply(target, args);
        try {
          return await Promise.race([answer, saidAway(answer)]);
        } catch (error) {
          answer.catch(() => {});
          if (!turnAway(error)) return await answer;
          return kept(name, args);
        }
      };
    },
  });
  return { store: proxy, stale: () => away?.stale ?? null };
}

/** While calls wait for their answer: rejects when the daemon knows that the store is away. One question for all of them. */
function askingDaemon({ ask, world: { clock } }: Needs): (answer: Promise<unknown>) => Promise<never> {
  let pending = 0;
  let asked: Promise<never> | null = null;
  const askWhilePending = async (): Promise<never> => {
    for (;;) {
      await clock.sleep(patienceMs);
      if (pending === 0) break;
      const reply = await ask({ op: 'status' }, answersWithinMs).catch(() => null);
      const store = reply?.ok && reply.kind === 'status' ? reply.status.store : null;
      if (store?.reachable === 'no')
        throw new OperationalError('STORE_UNREACHABLE', {
          operation: 'asking',
          subject: 'the store',
          why: store.error ?? 'the daemon cannot reach it',
        });
    }
    asked = null;
    return new Promise(() => {});
  };
  return (answer) => {
    pending++;
    const over = (): void => void pending--;
    answer.then(over, over);
    asked ??= askWhilePending();
    return asked;
  };
}

function readSnapshot({ world, config }: Needs): Snapshot | null {
  const { sha256 } = world.digest;
  try {
    const text = world.files.readText(snapshotPath(world.home));
    return text === null ? null : parseSnapshot(text, sha256(storeIdentity(config.store)), sha256);
  } catch (error) {
    if (!isOperational(error)) throw error;
    return null;
  }
}

/** The reads that a snapshot can answer. */
function readsOf(snapshot: Snapshot, error: OperationalError, { world }: Needs): Partial<Store> {
  const todos = withJournal(snapshot.todos, world);
  const byId = new Map(todos.map((it) => [it.todo.id, it]));
  const missing = (subject: string): OperationalError =>
    new OperationalError(error.code, {
      operation: 'looking for',
      subject,
      why: `it is not in the snapshot of ${momentText(snapshot.atMs)}, and the store is away: ${error.message}`,
    });
  return {
    async list({ statuses, limit }) {
      const fitting = todos.filter(({ todo }) => statuses === null || statuses.includes(todo.status));
      return { todos: fitting.slice(0, limit).map(({ todo }) => todo), truncated: fitting.length > limit || !snapshot.isWhole };
    },
    async find(ref) {
      const found = todos.filter(({ todo }) => todo.id === ref || String(todo.number) === ref);
      const fitting = found.length > 0 || ref.length < prefixMin ? found : todos.filter(({ todo }) => todo.id.startsWith(ref));
      if (fitting.length > 1)
        throw new OperationalError('AMBIGUOUS', { operation: 'finding', subject: `todo ${ref}`, why: 'more than one id begins so' });
      if (fitting[0] === undefined) throw missing(`todo ${ref}`);
      return fitting[0].todo;
    },
    async runsOf(todoId) {
      const found = byId.get(todoId);
      if (found === undefined) throw missing(`runs of todo ${todoId}`);
      return found.runs;
    },
    waiting: async () => snapshot.waiting,
  };
}

const prefixMin = 4;

/** What this host holds is fresher in its own journal than the store's last word about it. */
function withJournal(seen: readonly SnapshotTodo[], { journal, host }: Pick<Needs['world'], 'journal' | 'host'>): readonly SnapshotTodo[] {
  const known = new Set(seen.map(({ todo }) => todo.id));
  const live = new Map(journal.live().map(({ todo }) => [todo.id, todo]));
  const unseen = [...live.values()].filter(({ id }) => !known.has(id)).map((todo): SnapshotTodo => ({ todo, runs: [] }));
  return [...unseen, ...seen]
    .map((it) =>
      journal
        .ofTodo(it.todo.id)
        .toSorted((a, b) => a.ref.fence - b.ref.fence)
        .reduce((now, entry) => withEntry(now, entry, host.id), it),
    )
    .toSorted((a, b) => b.todo.number - a.todo.number);
}

function withEntry({ todo, runs }: SnapshotTodo, entry: Entry, host: string): SnapshotTodo {
  const { runId, fence } = entry.ref;
  // The store has heard of what came after it.
  if (fence < todo.fence || (fence === todo.fence && (isTerminal(todo.status) || todo.runId === null))) return { todo, runs };
  const run = runIn(entry, host);
  return {
    todo: todoIn(todo, entry),
    runs: runs.some(({ id }) => id === runId) ? runs.map((it) => (it.id === runId ? { ...it, ...run } : it)) : [...runs, run],
  };
}

function todoIn(todo: Todo, { ref, fact, ending, shown, ...entry }: Entry): Todo {
  const same = { ...todo, fence: ref.fence };
  if (fact === 'dead-lettered') return { ...same, runId: ref.runId, status: 'dead-lettered', reason: entry.givenUp, held: true };
  if (!hasEnded(fact) || ending === null) return { ...same, runId: ref.runId, status: shown };
  const { todoStatus, proof, reason, notBeforeMs, attempts, resets } = ending;
  const endedAtMs = isTerminal(todoStatus) ? (entry.collected?.endedAtMs ?? null) : null;
  return {
    ...same,
    runId: null,
    status: todoStatus,
    proof,
    reason,
    notBeforeMs,
    attempts,
    resets,
    endedAtMs,
    summary: entry.reported?.summary ?? null,
  };
}

const runIn = ({ ref, todo, kind, round, startedAtMs, fact, ending, collected, signal, tokenSha256 }: Entry, host: string): Run => ({
  id: ref.runId,
  todoId: ref.todoId,
  fence: ref.fence,
  agent: todo.agent,
  kind,
  host,
  tokenSha256,
  leaseUntilMs: 0,
  round,
  startedAtMs,
  endedAtMs: hasEnded(fact) ? (collected?.endedAtMs ?? null) : null,
  outcome: hasEnded(fact) ? (ending?.outcome ?? null) : null,
  saidBy: signal?.saidBy ?? null,
});

/** What a snapshot may lack; any error of a store that answers is an error. */
export async function inSnapshot<T, U>({ stale }: Pick<Opened, 'stale'>, otherwise: U, look: () => Promise<T>): Promise<T | U> {
  try {
    return await look();
  } catch (error) {
    if (stale() === null || !isOperational(error)) throw error;
    return otherwise;
  }
}

/** Beside every answer: that it is old, how old, and why. */
export const staleJson = ({ stale }: Pick<Opened, 'stale'>): { stale?: true; asOfMs?: number; storeError?: string } => {
  const now = stale();
  return now === null ? {} : { stale: true, asOfMs: now.asOfMs, storeError: now.why };
};

export const staleLine = ({ asOfMs, why }: Stale): string =>
  `Stale: as of ${momentText(asOfMs)} (${spanText(Date.now() - asOfMs)} ago), because the store is away: ${plain(why)}`;
