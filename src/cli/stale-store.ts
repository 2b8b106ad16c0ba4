import { archivedFolder } from '../completion/build-record.ts';
import { type Entry, hasEnded } from '../core/entry.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { fits } from '../core/list-filter.ts';
import { parseSnapshot, type Snapshot, type SnapshotTodo, snapshotPath, storeIdentity } from '../core/snapshot.ts';
import type { Run, Todo } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import { Fallback, NobodyAnswered } from '../resilience/fallback.ts';
import { newGuard } from '../resilience/guard.ts';
import { hedge } from '../resilience/hedge.ts';
import { Timeouts } from '../resilience/timeouts.ts';
import type { Store, World } from '../world.ts';
import type { Opened, Stale } from './command.ts';
import { momentText } from './text/times.ts';

/** A store that takes longer than this to answer a look: the daemon is asked whether it is away, before a timeout says so; and again so often. */
const patienceMs = 500;
/** Until the store's own timeout has spoken at the latest. */
const legsMax = 60;
const answersWithinMs = 2000;

type Needs = Pick<Opened, 'config' | 'ask'> & {
  /** Who knows already that the store is away asks it nothing. */
  readonly known?: () => OperationalError | null;
  readonly world: Pick<World, 'journal' | 'files' | 'digest' | 'clock' | 'home' | 'host'>;
};
type Look = { readonly name: keyof Store; readonly args: readonly unknown[]; readonly call: () => Promise<unknown> };
type Away = { readonly error: OperationalError; readonly asOfMs: number; readonly reads: Partial<Store> };

/**
 * The store, or what this home last saw of it: two who can answer a look. Once a call found the store away, all later ones are answered by the
 * snapshot, so that an answer is of one moment; what the snapshot has not is refused with the error of the store.
 */
export function staleStore(store: Store, needs: Needs): { readonly store: Store; stale(): Stale | null } {
  const { clock } = needs.world;
  const kernel = { clock, random: () => 0, timeouts: new Timeouts(clock) };
  const hedged = hedgedByDaemon(needs, kernel.timeouts);
  const state: { lastError: OperationalError | null; away: Away | null; tried: Stale['tried'] } = {
    lastError: null,
    away: null,
    tried: [],
  };
  /** Of those that the snapshot itself refused: nobody else is asked. */
  const refusals = new WeakSet<object>();

  const chain = new Fallback<Look, unknown>(
    {
      name: 'the store',
      providers: [
        {
          name: 'store',
          guard: newGuard({ name: 'store' }, kernel),
          supports: () => state.away === null,
          async ask({ call }) {
            try {
              return await hedged(call);
            } catch (error) {
              if (isAway(error)) state.lastError = error;
              throw error;
            }
          },
        },
        {
          name: 'snapshot',
          guard: newGuard({ name: 'snapshot' }, kernel),
          degraded: true,
          async ask({ name, args }) {
            state.away ??= state.lastError === null ? null : awayBy(state.lastError, needs);
            const read = state.away?.reads[name] as ((...given: readonly unknown[]) => unknown) | undefined;
            try {
              if (read === undefined) throw state.lastError;
              return await read(...args);
            } catch (error) {
              refusals.add(error as object);
              throw error;
            }
          },
        },
      ],
      classify: (error) => (isAway(error) && !refusals.has(error) ? 'network' : 'invalid'),
    },
    clock,
  );

  const proxy = new Proxy(store, {
    get(target, name: keyof Store) {
      const member = target[name];
      if (typeof member !== 'function' || name === 'figures' || name === 'close')
        return typeof member === 'function' ? member.bind(target) : member;
      return async (...args: unknown[]) => {
        state.lastError ??= needs.known?.() ?? null;
        if (state.away === null && state.lastError !== null) state.away = awayBy(state.lastError, needs);
        const call = () => (member as (...given: unknown[]) => Promise<unknown>).apply(target, args);
        try {
          const { value, degraded, tried } = await chain.ask({ name, args, call });
          if (degraded && state.tried.length === 0) state.tried = tried;
          return value;
        } catch (error) {
          throw error instanceof NobodyAnswered ? error.cause : error;
        }
      };
    },
  });
  const stale = ({ asOfMs, error }: Away): Stale => ({ asOfMs, why: error.message, tried: state.tried });
  return { store: proxy, stale: () => (state.away === null ? null : stale(state.away)) };
}

const isAway = (error: unknown): error is OperationalError =>
  isOperational(error) && (error.code === 'STORE_UNREACHABLE' || error.code === 'STORE_TIMEOUT');

/** Null where there is nothing to answer from. */
function awayBy(error: OperationalError, needs: Needs): Away | null {
  const snapshot = readSnapshot(needs);
  return snapshot === null ? null : { error, asOfMs: snapshot.atMs, reads: readsOf(snapshot, error, needs) };
}

/** A look at a store that hangs is hedged by a question to the daemon: it wins where that knows that the store is away. */
function hedgedByDaemon(needs: Needs, timeouts: Timeouts): (call: () => Promise<unknown>) => Promise<unknown> {
  const { ask } = needs;
  const { clock } = needs.world;
  /** One question for all that wait. */
  let asked: Promise<OperationalError | null> | null = null;
  const awayAsKnown = async (): Promise<OperationalError | null> => {
    const reply = await ask({ op: 'status' }, answersWithinMs).catch(() => null);
    asked = null;
    const store = reply?.ok && reply.kind === 'status' ? reply.status.store : null;
    // Without a snapshot there is nothing that would be better than a late answer.
    if (store?.reachable !== 'no' || readSnapshot(needs) === null) return null;
    const why = store.error ?? 'the daemon cannot reach it';
    return new OperationalError('STORE_UNREACHABLE', { operation: 'asking', subject: 'the store', why });
  };
  return async (call) => {
    let own: { readonly error: unknown } | null = null;
    let legs = 0;
    const leg = async (): Promise<{ readonly value: unknown } | { readonly away: OperationalError }> => {
      if (legs++ === 0)
        return call().then(
          (value) => ({ value }),
          (error: unknown) => {
            own = { error };
            throw error;
          },
        );
      asked ??= awayAsKnown();
      const away = await asked;
      if (away === null) throw new Error('the daemon does not know that the store is away');
      return { away };
    };
    try {
      const answer = await hedge(leg, { afterMs: patienceMs, legs: legsMax, idempotent: true }, { clock, timeouts });
      if ('away' in answer) throw answer.away;
      return answer.value;
    } catch (error) {
      throw (own as { readonly error: unknown } | null)?.error ?? error;
    }
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
function readsOf(snapshot: Snapshot, error: OperationalError, needs: Needs): Partial<Store> {
  const todos = withJournal(snapshot.todos, needs);
  const byId = new Map(todos.map((it) => [it.todo.id, it]));
  const missing = (subject: string): OperationalError =>
    new OperationalError(error.code, {
      operation: 'looking for',
      subject,
      why: `it is not in the snapshot of ${momentText(snapshot.atMs)}, and the store is away: ${error.message}`,
    });
  return {
    async list({ limit, ...filter }) {
      const fitting = todos.filter(({ todo }) => fits(todo, filter));
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
function withJournal(seen: readonly SnapshotTodo[], needs: Needs): readonly SnapshotTodo[] {
  const { journal } = needs.world;
  const known = new Set(seen.map(({ todo }) => todo.id));
  const live = new Map(journal.live().map(({ todo }) => [todo.id, todo]));
  const unseen = [...live.values()].filter(({ id }) => !known.has(id)).map((todo): SnapshotTodo => ({ todo, runs: [] }));
  return [...unseen, ...seen]
    .map((it) =>
      journal
        .ofTodo(it.todo.id)
        .toSorted((a, b) => a.ref.fence - b.ref.fence)
        .reduce((now, entry) => withEntry(now, entry, needs), it),
    )
    .toSorted((a, b) => b.todo.number - a.todo.number);
}

function withEntry({ todo, runs }: SnapshotTodo, entry: Entry, needs: Needs): SnapshotTodo {
  const { runId, fence } = entry.ref;
  // The store has heard of what came after it, or said that another run has the todo.
  if (entry.superseded || fence < todo.fence || (fence === todo.fence && (isTerminal(todo.status) || todo.runId === null)))
    return { todo, runs };
  const run = runIn(entry, needs.world.host.id);
  return {
    todo: todoIn(todo, entry, needs),
    runs: runs.some(({ id }) => id === runId) ? runs.map((it) => (it.id === runId ? { ...it, ...run } : it)) : [...runs, run],
  };
}

function todoIn(todo: Todo, entry: Entry, { world, config }: Needs): Todo {
  const { ref, fact, ending, shown, reported } = entry;
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
    summary: reported?.summary ?? null,
    report: reported === null ? null : `${archivedFolder(entry, { world, config })}/report.html`,
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
