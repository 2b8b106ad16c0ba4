import { basename, dirname, join } from 'node:path';
import type { Config } from '../core/config.ts';
import type { Finding } from '../core/control.ts';
import type { Entry } from '../core/entry.ts';
import { facts, hasEnded, isCompletion } from '../core/entry.ts';
import { isOperational, messageOf } from '../core/errors.ts';
import { autoAgent } from '../core/runners.ts';
import { inMs } from '../core/seconds.ts';
import type { Run, RunRef, Todo } from '../core/todo.ts';
import { isInProgress } from '../core/words.ts';
import type { World } from '../world.ts';
import { ago, span } from './ago.ts';

/** All that a look may touch: nothing in here writes. */
export type Sight = {
  readonly clock: Pick<World['clock'], 'nowMs' | 'sleep'>;
  readonly files: Pick<World['files'], 'stat' | 'list' | 'freeBytes'>;
  readonly terminals: Pick<World['terminals'], 'available' | 'list'>;
  readonly processes: Pick<World['processes'], 'alive' | 'ofHome'>;
  readonly journal: Pick<World['journal'], 'get' | 'live'>;
  readonly store: Pick<World['store'], 'driver' | 'ping' | 'nowMs' | 'inProgress' | 'list' | 'find' | 'getRun' | 'care'>;
  readonly home: World['home'];
  readonly host: Pick<World['host'], 'id' | 'uid'>;
};

/** What a plan must know of a finding beyond what a person reads. */
export type About =
  | { readonly kind: 'silent-run'; readonly entry: Entry }
  /** over: its run has certainly ended · foreign: nothing here knows its name, so it may belong to another home. */
  | { readonly kind: 'orphan-folder'; readonly owner: 'over' | 'foreign' }
  | { readonly kind: 'orphan-window' }
  /** Processes of a run that nobody has any more. */
  | { readonly kind: 'orphan-process'; readonly pids: readonly number[] }
  | { readonly kind: 'marker'; readonly legacy: boolean }
  | { readonly kind: 'lost-claim'; readonly ref: RunRef; readonly resets: number; readonly leaseExpired: boolean; readonly sure: boolean }
  | { readonly kind: 'log'; readonly name: string }
  | { readonly kind: 'disk'; readonly freeBytes: number }
  /** A person should know; there is nothing that a program could mend. */
  | { readonly kind: 'told' };

export type Seen = Finding & { readonly about: About };

/** Three answers: nothing, something, or why it could not look. What was seen before it could not is kept. */
export type Look = { readonly seen: readonly Seen[]; readonly unknown: string | null };

export const minuteMs = 60_000;
/** Longest that a run may take before it is worth a look (C-21). */
export const hangingAfterMs = 60 * minuteMs;
/** What nobody touched for this long is nobody's (C-22). */
export const orphanAfterMs = 30 * minuteMs;
/** A scan takes markers within seconds; one that waits this long was overlooked (C-23). */
export const staleMarkerAfterMs = 5 * minuteMs;
/** A claim is written to the store a moment before it stands in the journal. */
const claimSettlesMs = minuteMs;
/** A todo that could start is taken within one pass; a minute leaves room for a busy machine (I-21). */
export const queueStuckAfterMs = minuteMs;
/** Folders looked at in one go: a look must stay under a second. */
const foldersMax = 100;
const todosMax = 200;

/** C-21: started more than an hour ago. A suspicion, never a verdict: the timers decide (C-27, C-28). */
export function hangingRuns(entries: readonly Entry[], nowMs: number): Look {
  const seen = entries
    .filter((entry) => entry.kind !== 'person' && isBeforeCollected(entry) && nowMs - entry.startedAtMs > hangingAfterMs)
    .map((entry): Seen => {
      const reason = `${nameOf(entry.todo)} started ${ago(entry.startedAtMs, nowMs)}, last sign of progress ${ago(entry.lastSignAtMs, nowMs)}`;
      return {
        check: 'hanging',
        subject: nameOf(entry.todo),
        ...idsOf(entry),
        reason,
        sinceMs: entry.startedAtMs,
        about: { kind: 'silent-run', entry },
      };
    });
  return { seen, unknown: null };
}

/** C-22: folders and windows that nobody owns. Looked at only where the answer is certain. */
export async function orphanedSessions(world: Sight, config: Config, entries: readonly Entry[]): Promise<Look> {
  const parts = await Promise.all([
    // First what could still write into a folder.
    looked('the processes of ended runs', () => orphanedProcesses(world)),
    looked('the tmux windows', async () => orphanedWindows(world)),
    looked('the run folders', () => orphanedRunFolders(world, config, entries)),
    looked('the session folders', () => orphanedSessionFolders(world, entries)),
  ]);
  return together(parts);
}

async function orphanedRunFolders(world: Sight, config: Config, entries: readonly Entry[]): Promise<Seen[]> {
  const { runs } = world.home;
  const live = new Set(entries.map((entry) => entry.ref.runId));
  const old = world.files
    .list(runs)
    .filter((name) => !live.has(name))
    .map((name) => ({ name, path: join(runs, name), touchedAtMs: touchedAtMs(world, join(runs, name)) }))
    .filter((folder) => folder.touchedAtMs !== null && world.clock.nowMs() - folder.touchedAtMs > orphanAfterMs)
    .slice(0, foldersMax);
  const found = await Promise.all(
    old.map(async ({ name, path, touchedAtMs }) => {
      const run = await fateOfRun(world, name);
      // With auto_archive off ended runs stay where they are, by choice.
      const left = run.fate === 'gone' || (run.fate === 'over' && config.behavior.auto_archive);
      return left
        ? orphanFolder(path, `the folder of ${run.why}`, touchedAtMs ?? 0, world.clock.nowMs(), 'over', { todoId: run.todoId, runId: name })
        : null;
    }),
  );
  return found.filter((it) => it !== null);
}

type Fate = { readonly fate: 'alive' | 'kept' | 'over' | 'gone'; readonly why: string; readonly todoId: string | null };

async function fateOfRun(world: Sight, runId: string): Promise<Fate> {
  const entry = world.journal.get(runId);
  if (entry !== null) {
    // A dead letter is kept whole: a person may requeue it.
    const fate = entry.fact === 'closed' ? 'over' : entry.fact === 'dead-lettered' ? 'kept' : 'alive';
    return { fate, why: `a run of ${nameOf(entry.todo)} that is closed`, todoId: entry.todo.id };
  }
  const run = await world.store.getRun(runId);
  if (run === null) return { fate: 'gone', why: 'a run that neither journal nor store knows', todoId: null };
  if (run.endedAtMs === null) return { fate: 'alive', why: '', todoId: run.todoId };
  const todo = await world.store.find(run.todoId);
  return {
    fate: todo?.status === 'dead-lettered' ? 'kept' : 'over',
    why: `a run that ended as ${run.outcome ?? 'nothing known'}`,
    todoId: run.todoId,
  };
}

async function orphanedSessionFolders(world: Sight, entries: readonly Entry[]): Promise<Seen[]> {
  const prefix = world.home.legacy.sessionPrefix;
  if (prefix === null) return [];
  const [folder, start] = [dirname(prefix), basename(prefix)];
  const live = new Set(entries.flatMap(({ ref, todo }) => [ref.runId, ref.todoId, String(todo.number)]));
  const old = world.files
    .list(folder)
    .filter((name) => name.startsWith(start) && !live.has(name.slice(start.length)))
    .map((name) => ({ id: name.slice(start.length), path: join(folder, name) }))
    // Of another user: not ours to judge. A link is not followed, so it is no folder.
    .filter(({ path }) => world.files.stat(path)?.kind === 'folder' && world.files.stat(path)?.uid === world.host.uid)
    .map((it) => ({ ...it, touchedAtMs: touchedAtMs(world, it.path) ?? world.clock.nowMs() }))
    .filter((it) => world.clock.nowMs() - it.touchedAtMs > orphanAfterMs)
    .slice(0, foldersMax);
  const found = await Promise.all(
    old.map(async ({ id, path, touchedAtMs }) => {
      const todo = id === '' ? null : await findIfAny(world, id);
      if (todo !== null && (isInProgress(todo.status) || todo.status === 'dead-lettered')) return null;
      const why =
        todo === null ? 'a session folder that no todo here is named by' : `the session folder of ${nameOf(todo)}, which is ${todo.status}`;
      return orphanFolder(path, why, touchedAtMs, world.clock.nowMs(), todo === null ? 'foreign' : 'over', {
        todoId: todo?.id ?? null,
        runId: null,
      });
    }),
  );
  return found.filter((it) => it !== null);
}

async function findIfAny(world: Sight, id: string): Promise<Todo | null> {
  try {
    return await world.store.find(id);
  } catch (error) {
    if (isOperational(error) && error.code === 'AMBIGUOUS') return null;
    throw error;
  }
}

const orphanFolder = (
  path: string,
  what: string,
  sinceMs: number,
  nowMs: number,
  owner: 'over' | 'foreign',
  ids: Pick<Finding, 'todoId' | 'runId'>,
): Seen => ({
  check: 'orphaned-session',
  subject: path,
  ...ids,
  reason: `${what}; last touched ${ago(sinceMs, nowMs)}`,
  sinceMs,
  about: { kind: 'orphan-folder', owner },
});

/** The newest time of a folder and what lies directly in it; null when it is gone. */
function touchedAtMs(world: Sight, folder: string): number | null {
  const own = world.files.stat(folder);
  if (own?.kind !== 'folder') return null;
  const inside = world.files.list(folder).slice(0, foldersMax);
  return Math.max(own.mtimeMs, ...inside.map((name) => world.files.stat(join(folder, name))?.mtimeMs ?? 0));
}

/**
 * The journal is read after the windows were listed: it names a run before its window is opened, so what it does not name then is nobody's.
 * A window carries the end of its run's id, which tells even where the journal knows the run by its process only.
 */
function orphanedWindows(world: Sight): Seen[] {
  const available = world.terminals.available();
  if (available === 'no') return [];
  const targets = available === 'yes' ? world.terminals.list() : null;
  if (targets === null) throw new CouldNotLook('tmux did not answer');
  const live = world.journal.live().filter((entry) => !hasEnded(entry.fact));
  const isOwned = (target: string) =>
    live.some(({ ref, session }) => target.includes(ref.runId.slice(-8)) || (session?.kind === 'tmux' && session.target === target));
  return targets
    .filter((target) => !isOwned(target))
    .map((target): Seen => {
      const reason = `tmux window ${target} has no live run`;
      return {
        check: 'orphaned-session',
        subject: target,
        todoId: null,
        runId: null,
        reason,
        sinceMs: world.clock.nowMs(),
        about: { kind: 'orphan-window' },
      };
    });
}

/** W-33: what a run started and its end, or the death of its daemon, did not take along. Only where journal and store are certain about the run. */
async function orphanedProcesses(world: Sight): Promise<Seen[]> {
  const byRun = Map.groupBy(world.processes.ofHome(world.home.root), ({ runId }) => runId);
  const found = await Promise.all(
    [...byRun].slice(0, foldersMax).map(async ([runId, left]): Promise<Seen | null> => {
      const run = await fateOfRun(world, runId);
      const endedAtMs = world.journal.get(runId)?.timeline.at(-1)?.atMs ?? 0;
      // A run that has just ended is still taking its processes along.
      if (run.fate === 'alive' || world.clock.nowMs() - endedAtMs < claimSettlesMs) return null;
      const pids = left.map(({ process }) => process.pid);
      return {
        check: 'orphaned-session',
        subject: `run ${runId}`,
        todoId: run.todoId,
        runId,
        reason: `${pids.length} ${pids.length === 1 ? 'process' : 'processes'} (pid ${pids.slice(0, 5).join(', ')}) of ${run.why}`,
        sinceMs: endedAtMs || world.clock.nowMs(),
        about: { kind: 'orphan-process', pids },
      };
    }),
  );
  return found.filter((it) => it !== null);
}

/** C-23: markers that wait. They are processed, never thrown away. */
export function staleMarkers(world: Pick<Sight, 'clock' | 'files' | 'home' | 'journal'>, entries: readonly Entry[]): Look {
  const nowMs = world.clock.nowMs();
  const { spool, legacy } = world.home;
  const live = new Set(entries.map((entry) => entry.ref.runId));
  const legacyTaken = entries.some((entry) => entry.signal?.from.kind === 'legacy');
  const old = (path: string) => {
    const stat = world.files.stat(path);
    return stat !== null && nowMs - stat.mtimeMs > staleMarkerAfterMs ? stat.mtimeMs : null;
  };
  const waiting = (folder: string, what: (long: string) => string) =>
    world.files.list(folder).flatMap((name): Seen[] => {
      const path = join(folder, name);
      const runId = name.split('.')[0] ?? '';
      const sinceMs = old(path);
      // What was taken stays until its completion is confirmed, and a dead letter is kept whole.
      const kept = folder === spool.cur && (live.has(runId) || world.journal.get(runId)?.fact === 'dead-lettered');
      if (sinceMs === null || kept) return [];
      return [
        {
          check: 'stale-marker',
          subject: path,
          todoId: world.journal.get(runId)?.ref.todoId ?? null,
          runId,
          reason: what(span(nowMs - sinceMs)),
          sinceMs,
          about: { kind: 'marker', legacy: false },
        },
      ];
    });
  const legacySinceMs = legacy.marker === null || legacyTaken ? null : old(legacy.marker);
  const seen = [
    ...waiting(spool.new, (long) => `a marker has waited for ${long}`),
    ...waiting(spool.cur, (long) => `a marker was taken ${long} ago and no live run remembers it`),
  ];
  if (legacy.marker !== null && legacySinceMs !== null) {
    const reason = `it has waited for ${span(nowMs - legacySinceMs)} and fits no live run of this home; it may belong to another one`;
    seen.push({
      check: 'stale-marker',
      subject: legacy.marker,
      todoId: null,
      runId: null,
      reason,
      sinceMs: legacySinceMs,
      about: { kind: 'marker', legacy: true },
    });
  }
  return { seen, unknown: null };
}

export type InProgress = { readonly rows: readonly { readonly todo: Todo; readonly run: Run | null }[]; readonly nowMs: number };

/** C-24: the store says that somebody works on it. Is that so? Only a store that answered is asked. */
export function storeConsistency(
  world: Pick<Sight, 'journal' | 'host'>,
  config: Config,
  entries: readonly Entry[],
  store: InProgress,
): Look {
  const live = new Set(entries.map((entry) => entry.ref.runId));
  const seen = store.rows.flatMap(({ todo, run }): Seen[] => {
    const base = { check: 'store-consistency', subject: nameOf(todo), todoId: todo.id, runId: run?.id ?? null } as const;
    if (run === null)
      return [
        { ...base, reason: `${nameOf(todo)} is ${todo.status}, and no run has it`, sinceMs: todo.updatedAtMs, about: { kind: 'told' } },
      ];
    if (live.has(run.id)) return [];
    const ours = run.host === world.host.id;
    const leaseExpired = run.leaseUntilMs < store.nowMs;
    // Another host tells only by its lease; ours is known at once, after the moment between claim and journal.
    const lost = ours ? store.nowMs - run.startedAtMs > claimSettlesMs : store.nowMs - run.leaseUntilMs > 2 * inMs(config.behavior.lease);
    if (!lost) return [];
    const remembered = ours ? world.journal.get(run.id) : null;
    const why =
      remembered !== null
        ? `the journal says that its run is ${remembered.fact}`
        : ours
          ? 'nobody here works on it'
          : 'the host that had it stopped renewing';
    const lease = leaseExpired ? `its lease ended ${ago(run.leaseUntilMs, store.nowMs)}` : 'its lease still holds';
    const ref = { todoId: todo.id, runId: run.id, fence: run.fence };
    const about: About = { kind: 'lost-claim', ref, resets: todo.resets, leaseExpired, sure: remembered === null };
    return [
      {
        ...base,
        reason: `${nameOf(todo)} is ${todo.status}, but ${why}; ${lease}`,
        sinceMs: leaseExpired ? run.leaseUntilMs : run.startedAtMs,
        about,
      },
    ];
  });
  return { seen, unknown: null };
}

/** C-25: logs over their size. */
export function largeLogs(world: Pick<Sight, 'clock' | 'files' | 'home'>, config: Config): Look {
  const limitBytes = config.logging.max_size_mb * 1024 * 1024;
  const seen = logNames(world).flatMap((name): Seen[] => {
    const path = join(world.home.logs, name);
    const sizeBytes = world.files.stat(path)?.sizeBytes ?? 0;
    if (sizeBytes <= limitBytes) return [];
    const reason = `${name} has ${megabytes(sizeBytes)} MB, more than logging.max_size_mb (${config.logging.max_size_mb})`;
    const ids = { subject: path, todoId: null, runId: null };
    return [{ check: 'log-size', ...ids, reason, sinceMs: world.clock.nowMs(), about: { kind: 'log', name } }];
  });
  return { seen, unknown: null };
}

/** The logs that are written to; rotated ones are done growing. */
const logNames = (world: Pick<Sight, 'files' | 'home'>): readonly string[] =>
  world.files.list(world.home.logs).filter((name) => /^[a-z]+\.log$/.test(name));

/** I-21: work is there, slots are there, and nothing moves. */
export async function stuckQueue(
  world: Pick<Sight, 'clock' | 'store' | 'host'>,
  config: Config,
  store: InProgress,
  waiting: readonly Todo[],
): Promise<Look> {
  const { slots, behavior } = config;
  if (!behavior.auto_continue) return { seen: [], unknown: null };
  const here = store.rows.filter(({ run }) => run !== null && run.host === world.host.id && (run.kind === 'child' || run.kind === 'tmux'));
  const free = (todo: Todo) =>
    here.length < slots.total &&
    // Of `auto` nobody here can say which runner it would be.
    here.filter((it) => todo.agent === autoAgent || it.run?.agent === todo.agent).length < slots.agent &&
    here.filter((it) => it.todo.project === todo.project).length < slots.project;
  const due = (todo: Todo) => !todo.held && (todo.notBeforeMs ?? 0) <= store.nowMs && free(todo);
  const sinceOf = (todo: Todo) => Math.max(todo.updatedAtMs, todo.notBeforeMs ?? 0);
  const oldest = waiting
    .filter((todo) => due(todo) && store.nowMs - sinceOf(todo) > queueStuckAfterMs)
    .sort((a, b) => sinceOf(a) - sinceOf(b));
  for (const todo of oldest.slice(0, foldersMax)) {
    if (!(await mayFollow(world, todo))) continue;
    const reason = `queue not moving though work and slots are there: ${nameOf(todo)} could have started ${ago(sinceOf(todo), store.nowMs)}`;
    return {
      seen: [
        { check: 'queue', subject: nameOf(todo), todoId: todo.id, runId: null, reason, sinceMs: sinceOf(todo), about: { kind: 'told' } },
      ],
      unknown: null,
    };
  }
  return { seen: [], unknown: null };
}

/** What it comes after was completed by somebody's proof; a forced one lets nobody start. */
async function mayFollow(world: Pick<Sight, 'store'>, todo: Todo): Promise<boolean> {
  if (todo.after === null) return true;
  const before = await world.store.find(todo.after);
  return before?.status === 'completed' && before.proof !== 'forced';
}

/** C-45: completions that wait for the store (or a disk) to come back. */
export function waitingCompletions(entries: readonly Entry[], nowMs: number): Look {
  const seen = entries.flatMap((entry): Seen[] => {
    const { lastError, attempt } = entry;
    if (!isCompletion(entry.fact) || lastError === null) return [];
    // Refused by an open breaker, it waits before its first try.
    if (attempt <= 1 && lastError.errorClass !== 'refused') return [];
    const firstAtMs = firstFailureAtMs(entry) ?? lastError.atMs;
    const next =
      entry.nextAttemptAtMs > nowMs ? `tried again in ${Math.ceil((entry.nextAttemptAtMs - nowMs) / 1000)} s` : 'tried again now';
    const reason = `the completion of ${nameOf(entry.todo)} has stood at ${entry.fact} for ${span(nowMs - firstAtMs)} (${lastError.code}); nothing is lost, ${next}`;
    return [
      { check: 'completion-waiting', subject: nameOf(entry.todo), ...idsOf(entry), reason, sinceMs: firstAtMs, about: { kind: 'told' } },
    ];
  });
  return { seen, unknown: null };
}

/** When the tries that still fail began: the first after the last fact. */
function firstFailureAtMs({ timeline }: Entry): number | null {
  const lastFact = timeline.findLastIndex((line) => (facts as readonly string[]).includes(line.fact));
  return timeline.slice(lastFact + 1).find((line) => line.fact === 'failed-attempt')?.atMs ?? null;
}

/** Completions given up: kept whole, waiting for a person. */
export function deadLetters(todos: readonly Todo[]): Look {
  const seen = todos.map((todo): Seen => {
    const reason = `${nameOf(todo)} is dead-lettered${todo.reason ? `: ${todo.reason}` : ''}; all is kept. See: todo why ${todo.number}`;
    return {
      check: 'dead-letter',
      subject: nameOf(todo),
      todoId: todo.id,
      runId: todo.runId,
      reason,
      sinceMs: todo.updatedAtMs,
      about: { kind: 'told' },
    };
  });
  return { seen, unknown: null };
}

/** What the looks need of the store, asked once. */
export async function lookAtStore(
  store: Sight['store'],
): Promise<InProgress & { readonly waiting: readonly Todo[]; readonly dead: readonly Todo[] }> {
  await store.ping();
  const [rows, nowMs, waiting, dead] = await Promise.all([
    store.inProgress(),
    store.nowMs(),
    store.list({ statuses: ['open', 'parked'], limit: todosMax }),
    store.list({ statuses: ['dead-lettered'], limit: todosMax }),
  ]);
  return { rows, nowMs, waiting: waiting.todos, dead: dead.todos };
}

export class CouldNotLook extends Error {}

/** One part of a look: when it fails, the others still count. */
async function looked(what: string, look: () => Promise<readonly Seen[]>): Promise<Look> {
  try {
    return { seen: await look(), unknown: null };
  } catch (error) {
    return { seen: [], unknown: couldNot(what, error) };
  }
}

/** An error that has a code, or a look that got no answer, is "unknown". Anything else is a defect. */
export function couldNot(what: string, error: unknown): string {
  if (!isOperational(error) && !(error instanceof CouldNotLook)) throw error;
  return `could not look at ${what}: ${messageOf(error)}`;
}

export const together = (looks: readonly Look[]): Look => ({
  seen: looks.flatMap((look) => look.seen),
  unknown: [...new Set(looks.flatMap((look) => look.unknown ?? []))].join('; ') || null,
});

const isBeforeCollected = ({ fact }: Entry): boolean => facts.indexOf(fact) < facts.indexOf('collected');
const idsOf = ({ ref }: Entry): Pick<Finding, 'todoId' | 'runId'> => ({ todoId: ref.todoId, runId: ref.runId });
export const nameOf = ({ number, title }: Pick<Todo, 'number' | 'title'>): string =>
  `todo ${number} (${title.length > 60 ? `${title.slice(0, 59)}…` : title})`;
const megabytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);
