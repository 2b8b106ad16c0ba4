import { dirname } from 'node:path';
import type { Config } from '../core/config.ts';
import type { Component, DaemonStatus, Finding, Health, ServerStatus, Watched } from '../core/control.ts';
import { deadlinesOf } from '../core/deadlines.ts';
import type { Entry } from '../core/entry.ts';
import { hasEnded } from '../core/entry.ts';
import type { ErrorCode } from '../core/errors.ts';
import { errorTable, isOperational } from '../core/errors.ts';
import type { KeptPlace, KeptState } from '../core/kept.ts';
import { inMs } from '../core/seconds.ts';
import type { HealthStatus } from '../core/words.ts';
import { ago, span } from './ago.ts';
import type { Look, Seen, Sight } from './findings.ts';
import {
  couldNot,
  deadLetters,
  hangingRuns,
  largeLogs,
  lookAtStore,
  nameOf,
  orphanedSessions,
  staleMarkers,
  storeConsistency,
  stuckQueue,
  together,
  waitingCompletions,
} from './findings.ts';

/** A daemon whose process is there and that does not answer: it is stopped or stuck, not absent. */
export type SilentDaemon = { readonly silent: string };

export type DaemonLook = DaemonStatus | SilentDaemon | null;

export type HealthNeeds = {
  readonly world: Sight;
  readonly config: Config;
  /** Null: no daemon lives. A promise is waited for beside the looks. */
  readonly daemon: DaemonLook | Promise<DaemonLook>;
  /** Null: the journal could not be read. */
  readonly liveEntries: readonly Entry[] | null;
  /** What the reading of the configuration had to say. */
  readonly configWarnings?: readonly string[];
  /** For the whole look; a person waits for less than a second, the daemon's sweep may take longer. */
  readonly withinMs?: number;
};

/** The whole look takes less than a second; the rest is the start of the program that asks. */
const lookWithinMs = 500;
/** Below this an agent's output may not fit; below the other one the journal may not either. */
const diskLowBytes = 512 * 1024 * 1024;
const diskFullBytes = 32 * 1024 * 1024;
/** A pass may take this long on a busy machine without being missed. */
const passSlackMs = 5_000;
/** A deadline is acted on within one pass. */
const deadlineSlackMs = 30_000;

/**
 * Looks at everything and changes nothing. Whatever does not answer in time is unknown, never fine.
 * The whole is as its worst component: unhealthy, then unknown, then degraded.
 */
export async function lookAtHealth(needs: HealthNeeds): Promise<Health> {
  const { seen, components } = await lookAtAll(needs);
  return { status: worst(components), components, findings: seen.map(({ about: _, ...finding }) => finding) };
}

/** The same with all that a plan must know. */
export async function lookAtAll(
  needs: HealthNeeds,
): Promise<{ readonly seen: readonly Seen[]; readonly components: readonly Component[] }> {
  const { world, config } = needs;
  const nowMs = world.clock.nowMs();
  const entries = (needs.liveEntries ?? []).filter((entry) => !hasEnded(entry.fact));
  const stop = new AbortController();
  const withinMs = needs.withinMs ?? lookWithinMs;
  const late = world.clock
    .sleep(withinMs, stop.signal)
    .then((): Answer<never> => ({ unknown: `no answer within ${withinMs} ms`, code: null }));
  try {
    const look = async (what: string, ask: () => Look | Promise<Look>): Promise<Look> =>
      lookOf(await answer(what, late, async () => ask()));
    const blind: Look | null = needs.liveEntries === null ? { seen: [], unknown: 'the journal could not be read' } : null;
    // What needs no store is seen while the store may still be silent.
    const near = Promise.all([
      blind ?? look('the markers', () => staleMarkers(world, entries)),
      look('the logs', () => largeLogs(world, config)),
      look('the disk', () => lowDisk(world)),
    ]);
    const hanging = hangingRuns(entries, nowMs);
    const waiting = waitingCompletions(entries, nowMs);
    const storeAsked = answer('the store', late, () => lookAtStore(world.store));
    // Over a connection of its own: it answers also where the store is held up.
    const heldAsked = answer('what holds up the store', late, async () => (await world.store.care?.obstacles())?.found ?? []);
    const asked = async (what: string, ask: (it: StoreSeen) => Look | Promise<Look>): Promise<Look> => {
      const store = await storeAsked;
      return 'unknown' in store ? { seen: [], unknown: 'the store could not be asked' } : look(what, () => ask(store.value));
    };
    const far = Promise.all([
      blind ?? asked('the sessions', () => orphanedSessions(world, config, entries)),
      blind ?? asked('the claims', (it) => storeConsistency(world, config, entries, it)),
      asked('the dead letters', (it) => deadLetters(it.dead)),
      asked('the queue', (it) => stuckQueue(world, config, it, it.waiting)),
    ]);
    const [daemon, store, held, [markers, logs, disk], [orphans, consistency, dead, stuck]] = await Promise.all([
      needs.daemon,
      storeAsked,
      heldAsked,
      near,
      far,
    ]);
    // Without a daemon nothing is meant to move; its own component says so.
    const queue = daemon === null ? { ...stuck, seen: [] } : stuck;
    const watched = daemon !== null && !('silent' in daemon) ? (daemon.watched ?? null) : null;
    const components: readonly Component[] = [
      daemonComponent({ ...needs, daemon }, entries, store, nowMs),
      storeComponent(world, daemon, store, 'unknown' in held ? [] : held.value, nowMs),
      journalComponent(blind, entries, nowMs),
      diskComponent(disk, nowMs),
      component('spool', markers, nowMs, 'no marker waits'),
      component('queue', queue, nowMs, queueWords(config, store)),
      runsComponent(config, together([hanging, orphans, consistency, waiting, dead]), entries, nowMs),
      timersComponent(needs, entries, nowMs),
      component('logs', logs, nowMs, `none over ${config.logging.max_size_mb} MB`),
      configurationComponent(needs.configWarnings ?? [], daemon === null || 'silent' in daemon ? null : daemon, nowMs),
      ...serverComponent(daemon === null || 'silent' in daemon ? null : (daemon.server ?? null)),
      ...programComponent(daemon === null || 'silent' in daemon ? null : daemon),
      ...watchedComponents(watched, nowMs),
    ].map((it) => withAdvice(sinceAsKnown(it, watched)));
    return { seen: together([hanging, orphans, markers, consistency, logs, queue, waiting, dead, disk]).seen, components };
  } finally {
    stop.abort();
  }
}

/** Looks that a daemon misses until what it measured says nothing any more. */
const staleLooks = 3;

/** What only the daemon can see of itself, as it last did. */
function watchedComponents(watched: Watched | null, nowMs: number): readonly Component[] {
  if (watched === null) return [];
  if (nowMs - watched.atMs <= watched.everyMs * staleLooks + passSlackMs) return watched.components;
  const reason = `not looked at since ${ago(watched.atMs, nowMs)}`;
  return watched.components.map((it) => ({ ...it, status: 'unknown', reason, sinceMs: watched.atMs }));
}

/** A look knows how things are; who looked before knows since when. */
function sinceAsKnown(it: Component, watched: Watched | null): Component {
  const known = watched?.since[it.name];
  return known?.status === it.status ? { ...it, sinceMs: Math.min(it.sinceMs, known.sinceMs) } : it;
}

/** What a person can do about each that is not well, unless it says more itself. */
const advice: Readonly<Record<string, string>> = {
  daemon: 'See: todo daemon status, logs/monitor.log; start or restart it: todo daemon start, todo daemon restart',
  store: 'See: todo store check. Completions wait in the journal and go on by themselves',
  journal: 'Check rights and free space of todo.db, then: todo daemon restart',
  disk: 'See what takes it (todo doctor names the command) and free some; it goes on by itself',
  spool: 'See what waits: todo recover',
  queue: 'See: todo list, todo host list, and whether agents can be started: todo test',
  runs: 'See what could be mended: todo recover; one of them: todo why ID',
  timers: 'A daemon acts on them: todo daemon start',
  program: 'Install Signoff again, then: todo daemon restart',
  configuration: 'Mend hooks/config.json; it is taken up by itself. See: todo doctor',
  logs: 'The next sweep rotates them; at once: todo recover --apply',
};

const withAdvice = (it: Component): Component => ({
  ...it,
  evidence: it.evidence ?? {},
  whatToDo: it.status === 'healthy' ? null : (it.whatToDo ?? advice[it.name] ?? null),
});

type StoreSeen = Awaited<ReturnType<typeof lookAtStore>>;
type Answer<T> = { readonly value: T } | { readonly unknown: string; readonly code: ErrorCode | null };

/** The answer, or why there is none in time. What comes later is nobody's. */
async function answer<T>(what: string, late: Promise<Answer<never>>, ask: () => Promise<T>): Promise<Answer<T>> {
  const asked = ask().then(
    (value): Answer<T> => ({ value }),
    (error): Answer<T> => ({ unknown: couldNot(what, error), code: isOperational(error) ? error.code : null }),
  );
  return Promise.race([asked, late]);
}

const lookOf = (it: Answer<Look>): Look => ('unknown' in it ? { seen: [], unknown: it.unknown } : it.value);

/** Worst first. */
const order: readonly HealthStatus[] = ['unhealthy', 'unknown', 'degraded', 'healthy'];
export const worst = (components: readonly Pick<Component, 'status'>[]): HealthStatus =>
  order.find((status) => components.some((it) => it.status === status)) ?? 'unknown';

/** Findings make it degraded; what could not be looked at makes it unknown. */
function component(name: string, { seen, unknown }: Look, nowMs: number, fine: string): Component {
  if (unknown !== null) return { name, status: 'unknown', reason: [unknown, ...seen.map((it) => it.reason)].join('; '), sinceMs: nowMs };
  if (seen.length > 0) return { name, status: 'degraded', reason: reasonsOf(seen), sinceMs: Math.min(...seen.map((it) => it.sinceMs)) };
  return { name, status: 'healthy', reason: fine, sinceMs: nowMs };
}

/** Reasons shown in one component; all stand in `findings`. */
const reasonsMax = 3;
function reasonsOf(seen: readonly Finding[]): string {
  const shown = seen.slice(0, reasonsMax).map((it) => it.reason);
  return [...shown, ...(seen.length > reasonsMax ? [`and ${seen.length - reasonsMax} more`] : [])].join('; ');
}

function daemonComponent(
  { daemon, config, liveEntries, world }: Omit<HealthNeeds, 'daemon'> & { readonly daemon: DaemonLook },
  entries: readonly Entry[],
  store: Answer<StoreSeen>,
  nowMs: number,
): Component {
  const name = 'daemon';
  if (daemon === null) return absentDaemon(world, entries, liveEntries, store, nowMs);
  if ('silent' in daemon) return { name, status: 'unhealthy', reason: daemon.silent, sinceMs: nowMs };
  return livingDaemon(daemon, config, nowMs);
}

/** What a daemon says of itself. */
export function livingDaemon(daemon: DaemonStatus, config: Config, nowMs: number): Component {
  const name = 'daemon';
  const missed = missedPass(daemon, config, nowMs) ?? missedSweep(daemon, config, nowMs);
  if (missed !== null) return { name, status: 'unhealthy', ...missed };
  if (daemon.draining)
    return { name, status: 'degraded', reason: 'it drains: it finishes what runs and takes nothing new', sinceMs: daemon.startedAtMs };
  return {
    name,
    status: 'healthy',
    reason: `pid ${daemon.pid}, ${daemon.live.length} live, last pass ${ago(daemon.lastPassAtMs, nowMs)}`,
    sinceMs: daemon.startedAtMs,
  };
}

type Missed = { readonly reason: string; readonly sinceMs: number } | null;

/** A heartbeat that proves progress: a whole pass of the loop, a whole sweep. Two missed are red (I-09). */
export const missedPass = ({ pid, lastPassAtMs }: DaemonStatus, { monitoring }: Config, nowMs: number): Missed =>
  missedBeat({ pid, what: 'a whole pass', atMs: lastPassAtMs, everyMs: inMs(monitoring.rescan) + passSlackMs }, nowMs);

const missedSweep = ({ pid, lastSweepAtMs, startedAtMs }: DaemonStatus, { behavior }: Config, nowMs: number): Missed =>
  missedBeat(
    { pid, what: 'a whole sweep', atMs: lastSweepAtMs ?? startedAtMs, everyMs: inMs(behavior.health_check_interval) + passSlackMs },
    nowMs,
  );

type Beat = { readonly pid: number; readonly what: string; readonly atMs: number; readonly everyMs: number };

function missedBeat({ pid, what, atMs, everyMs }: Beat, nowMs: number): Missed {
  if (nowMs - atMs <= 2 * everyMs) return null;
  return { reason: `pid ${pid} lives, but its last sign of ${what} was ${ago(atMs, nowMs)}: it is stuck`, sinceMs: atMs };
}

/** Without a daemon nothing is wrong as long as nothing waits for one. */
function absentDaemon(
  world: Sight,
  entries: readonly Entry[],
  journal: readonly Entry[] | null,
  store: Answer<StoreSeen>,
  nowMs: number,
): Component {
  const name = 'daemon';
  const orphaned = entries.filter((entry) => world.processes.alive(entry.owner) === 'no');
  const start = 'Start one with: todo daemon start';
  if (orphaned.length > 0) {
    return {
      name,
      status: 'degraded',
      reason: `no daemon, and ${orphaned.length} unfinished in the journal (${nameOf((orphaned[0] as Entry).todo)}). ${start}`,
      sinceMs: nowMs,
    };
  }
  if ('unknown' in store)
    return { name, status: 'unknown', reason: 'no daemon; whether todos wait for one could not be seen', sinceMs: nowMs };
  if (journal === null)
    return { name, status: 'unknown', reason: 'no daemon; whether runs wait for one could not be seen', sinceMs: nowMs };
  const waiting = store.value.waiting.filter((todo) => !todo.held);
  if (waiting.length === 0) return { name, status: 'healthy', reason: 'no daemon, and no todo waits for one', sinceMs: nowMs };
  const sinceMs = Math.min(...waiting.map((todo) => todo.updatedAtMs));
  return {
    name,
    status: 'degraded',
    reason: `no daemon, and ${waiting.length} ${waiting.length === 1 ? 'todo waits' : 'todos wait'}. ${start}`,
    sinceMs,
  };
}

/** It answered and will not work for us: that is known, and no later look will find otherwise by itself. */
const refusals: readonly (ErrorCode | null)[] = ['STORE_ACCESS', 'STORE_SCHEMA', 'STORE_FULL', 'STORE_READ_ONLY', 'STORE_REFUSED'];

function storeComponent(
  world: Sight,
  daemon: DaemonLook,
  store: Answer<StoreSeen>,
  held: readonly { readonly text: string; readonly heldMs: number }[],
  nowMs: number,
): Component {
  const name = 'store';
  const live = daemon !== null && !('silent' in daemon) ? daemon.store : null;
  const trouble = live?.trouble ?? null;
  // What we see now, else what the daemon saw: it knows its own connections and suspects nobody of them.
  const holders = trouble !== null && trouble.obstacles.length > 0 ? trouble.obstacles : held.map(({ text }) => text);
  const did = trouble !== null && trouble.did.length > 0 ? [`done about it: ${trouble.did.join(', ')}`] : [];
  const slow = trouble === null ? [] : [`slow since ${ago(trouble.sinceMs, nowMs)}`];
  const words = [...slow, ...holders.slice(0, reasonsMax), ...did];
  if ('unknown' in store) {
    const known = live !== null && live.reachable !== 'yes' ? live.sinceMs : nowMs;
    return {
      name,
      status: refusals.includes(store.code) ? 'unhealthy' : 'unknown',
      reason: [store.unknown, ...words].join('; '),
      sinceMs: known,
      // Who was refused must be let in; who is away is waited for.
      ...(store.code !== null && refusals.includes(store.code) ? { whatToDo: errorTable[store.code].hint } : {}),
    };
  }
  if (words.length === 0) return { name, status: 'healthy', reason: `${world.store.driver} answers`, sinceMs: nowMs };
  const sinceMs = trouble?.sinceMs ?? nowMs - Math.max(...held.map(({ heldMs }) => heldMs));
  return { name, status: 'degraded', reason: [`${world.store.driver} answers`, ...words].join('; '), sinceMs };
}

function journalComponent(blind: Look | null, entries: readonly Entry[], nowMs: number): Component {
  return component('journal', blind ?? { seen: [], unknown: null }, nowMs, `${entries.length} live in it`);
}

function lowDisk(world: Pick<Sight, 'files' | 'home' | 'clock'>): Look {
  const freeBytes = world.files.freeBytes(nearestFolder(world, world.home.root));
  if (freeBytes >= diskLowBytes) return { seen: [], unknown: null };
  const reason = `only ${Math.floor(freeBytes / 1024 / 1024)} MB free`;
  const ids = { subject: world.home.root, todoId: null, runId: null };
  return { seen: [{ check: 'disk', ...ids, reason, sinceMs: world.clock.nowMs(), about: { kind: 'disk', freeBytes } }], unknown: null };
}

function diskComponent(look: Look, nowMs: number): Component {
  const it = component('disk', look, nowMs, `more than ${diskLowBytes / 1024 / 1024} MB free`);
  return look.seen.some(({ about }) => about.kind === 'disk' && about.freeBytes < diskFullBytes) ? { ...it, status: 'unhealthy' } : it;
}

/** A home that is not made yet will be on the disk of its parent. */
function nearestFolder(world: Pick<Sight, 'files'>, path: string): string {
  return path === dirname(path) || world.files.stat(path) !== null ? path : nearestFolder(world, dirname(path));
}

function queueWords(config: Config, store: Answer<StoreSeen>): string {
  const waiting = 'unknown' in store ? 0 : store.value.waiting.length;
  const running = 'unknown' in store ? 0 : store.value.rows.length;
  const off = config.behavior.auto_continue ? '' : '; behavior.auto_continue is false, so none starts by itself';
  return `${waiting} waiting, ${running} in progress${off}`;
}

/** A long run that still gives signs of life is listed and no reason to worry. */
function runsComponent(config: Config, look: Look, entries: readonly Entry[], nowMs: number): Component {
  const quietMs = inMs(config.behavior.completion_timeout);
  const worrying = look.seen.filter(({ about }) => about.kind !== 'silent-run' || nowMs - about.entry.lastSignAtMs > quietMs);
  const long = look.seen.length - worrying.length;
  return component(
    'runs',
    { ...look, seen: worrying },
    nowMs,
    `${entries.length} live${long > 0 ? `, ${long} for more than an hour` : ''}`,
  );
}

/** The timers are times in the journal; one that passed long ago says that nobody looks at them. */
function timersComponent({ config, liveEntries }: HealthNeeds, entries: readonly Entry[], nowMs: number): Component {
  const name = 'timers';
  if (!config.behavior.enable_emergency_handlers) {
    return {
      name,
      status: 'degraded',
      reason: 'behavior.enable_emergency_handlers is false: no timer ends a run that hangs',
      sinceMs: nowMs,
    };
  }
  if (liveEntries === null) return { name, status: 'unknown', reason: 'the journal could not be read', sinceMs: nowMs };
  const next = entries
    .flatMap((entry) =>
      deadlinesOf(entry, config)
        .slice(0, 1)
        .map((it) => ({ ...it, entry })),
    )
    .sort((a, b) => a.atMs - b.atMs)[0];
  if (next === undefined) return { name, status: 'healthy', reason: 'none runs', sinceMs: nowMs };
  const about = `the ${next.which} timer of ${nameOf(next.entry.todo)}`;
  if (nowMs - next.atMs > deadlineSlackMs)
    return { name, status: 'unhealthy', reason: `${about} ran out ${ago(next.atMs, nowMs)} and nobody acted`, sinceMs: next.atMs };
  return { name, status: 'healthy', reason: `next: ${about} in ${span(Math.max(0, next.atMs - nowMs))}`, sinceMs: nowMs };
}

/** A file that is wrong is not used: the daemon works on with what it had. */
function configurationComponent(warnings: readonly string[], daemon: DaemonStatus | null, nowMs: number): Component {
  const name = 'configuration';
  const { refused = null, needsRestart = [] } = daemon?.configuration ?? {};
  if (refused !== null)
    return { name, status: 'degraded', reason: `the file is refused, what was read before stays in use: ${refused}`, sinceMs: nowMs };
  const waits =
    needsRestart.length === 0 ? [] : [`${needsRestart.join(', ')} ${needsRestart.length === 1 ? 'waits' : 'wait'} for a restart`];
  return { name, status: 'healthy', reason: ['valid', ...warnings, ...waits].join('; '), sinceMs: nowMs };
}

/** Only where a daemon serves HTTP, or wants to. */
export function serverComponent(server: ServerStatus | null): Component[] {
  if (server === null) return [];
  const { url, problem, sinceMs, sessions } = server;
  return [
    { name: 'server', status: problem === null ? 'healthy' : 'degraded', reason: problem ?? `serves HTTP at ${url}`, sinceMs },
    ...(sessions === undefined ? [] : [sessionsComponent(sessions)]),
  ];
}

const placeNames: Readonly<Record<KeptPlace, string>> = { redis: 'Redis', sqlite: 'SQLite', memory: 'memory' };

/** Who is logged in stays so wherever it is kept; but what is in memory alone does not outlive the process. */
export function sessionsComponent({ in: place, wanted, problem, sinceMs }: KeptState): Component {
  const name = 'sessions';
  if (problem === null) return { name, status: 'healthy', reason: `kept in ${placeNames[place]}`, sinceMs };
  return {
    name,
    status: 'degraded',
    reason: `kept in ${placeNames[place]} instead of ${placeNames[wanted]}: ${problem}`,
    sinceMs,
    whatToDo:
      wanted === 'redis'
        ? 'Start Redis, or take server.redis_url away; it is used again by itself'
        : 'Look at sessions.db beside todo.db: free space, rights',
  };
}

/** Only where it is not what is installed. */
export function programComponent(daemon: Pick<DaemonStatus, 'program' | 'startedAtMs'> | null): Component[] {
  if (daemon?.program?.kind !== 'last-good') return [];
  const reason = `the daemon runs the last good copy: ${daemon.program.why}`;
  return [{ name: 'program', status: 'degraded', reason, sinceMs: daemon.startedAtMs }];
}
