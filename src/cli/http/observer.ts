import type { constants } from 'node:os';
import type { DaemonStatus, Health, ServerStatus, ShownBreaker } from '../../core/control.ts';
import { isOperational } from '../../core/errors.ts';
import type { KeptState } from '../../core/kept.ts';
import { healthStatuses } from '../../core/words.ts';
import { sessionsComponent, worst } from '../../healing/health.ts';
import { buildInfo, healthFamilies } from '../../observe/health-families.ts';
import { sessionFamilies } from '../../observe/session-families.ts';
import type { Shown, ShownHealth } from '../../observe/shown.ts';
import type { Log, World } from '../../world.ts';
import type { Call, Opened } from '../command.ts';
import { daemonStatus, liveInJournal } from '../commands/status.ts';
import { version } from '../configured-home.ts';
import { exit } from '../exit-codes.ts';
import { lookFrom, looking } from '../health-look.ts';
import { secretsOf } from '../secrets.ts';
import { dashboardFile } from './dashboard-file.ts';
import { type DetailNeeds, detailOf } from './detail.ts';
import { healingConfigOf } from './healing-config.ts';
import { type AtHand, overviews } from './overview.ts';
import { lookAt, lookBehind } from './parts.ts';
import { processFamilies } from './process-families.ts';
import { reports } from './reports.ts';
import { httpPaths, keepServing } from './service.ts';
import { statusPage } from './status-page.ts';
import { todosOf } from './todos.ts';

const lookEveryMs = 15_000;

type Seen = {
  readonly health: Health;
  readonly atMs: number;
  /** Null: none runs here, or it says nothing. */
  readonly daemon: DaemonStatus | null;
  readonly live: DaemonStatus['live'];
  readonly breakers: readonly ShownBreaker[];
};

/**
 * Shows a home without being its daemon, from store and journal alone: reads, and changes nothing but its own secret and address. Serves at server.port,
 * else at any free one, until TERM or INT. Each look opens the home anew, because it may be made, moved to another store or changed meanwhile.
 */
export async function serveHome(call: Call): Promise<number> {
  await using opened = await call.open();
  const { world, config } = opened;
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const name of osSignals) process.on(name, end);
  let seen: Seen = await look(call, world);
  let server: ServerStatus | null = null;
  const defect = Promise.withResolvers<never>();
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await world.clock.sleep(lookEveryMs, stop.signal);
      if (!stop.signal.aborted) seen = await look(call, world);
    }
  })();
  const serving = keepServing(
    {
      world: { ...world, log: toPerson(call) },
      server: config.server,
      port: config.server.port ?? 0,
      address: httpPaths(world.home).observer,
      shown: shownOf(call, opened, {
        now: () => seen,
        sessions: () => server?.sessions,
        onDefect: defect.reject,
      }),
      served() {},
      onDefect: defect.reject,
      onStatus(status) {
        const { url } = status;
        if (url !== null && url !== server?.url && call.json)
          call.out.json('server', { url, pid: process.pid, token: httpPaths(world.home).token });
        server = status;
      },
    },
    stop.signal,
  );
  try {
    await Promise.race([Promise.all([serving, loop]), defect.promise]);
  } finally {
    end();
    for (const name of osSignals) process.off(name, end);
    await serving;
  }
  return exit.yes;
}

const osSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const satisfies readonly (keyof typeof constants.signals)[];

const look = (call: Call, { clock }: Pick<World, 'clock'>): Promise<Seen> =>
  looking(call.open, async (opened) => {
    const [health, daemon, reply] = await Promise.all([
      lookFrom(opened),
      daemonStatus(opened),
      opened.ask({ op: 'breaker', action: 'list', name: null, why: '' }, breakersWithinMs).catch(whereOperational),
    ]);
    const breakers = reply?.ok && reply.kind === 'breakers' ? reply.breakers : [];
    return { health, daemon, live: daemon?.live ?? liveOrNone(opened), breakers, atMs: clock.nowMs() };
  });

const breakersWithinMs = 2_000;

function whereOperational(error: unknown): null {
  // Health says that the daemon does not answer.
  if (!isOperational(error)) throw error;
  return null;
}

function liveOrNone(opened: Opened): DaemonStatus['live'] {
  try {
    return liveInJournal(opened);
  } catch (error) {
    // Health says what is wrong with the journal.
    if (!isOperational(error)) throw error;
    return [];
  }
}

/** What was asked of the store and of files is older here: each look opens the home anew. */
const looks = { gapMs: 5_000, everyMs: 5_000 } as const;

type Around = { readonly now: () => Seen; readonly sessions: () => KeptState | undefined; readonly onDefect: (error: unknown) => void };

function shownOf(call: Call, { world }: Opened, { now, sessions, onDefect }: Around): Shown {
  const { clock } = world;
  const health = (): ShownHealth => {
    const kept = sessions();
    const components = [...now().health.components, ...(kept === undefined ? [] : [sessionsComponent(kept)])];
    return { ...now().health, status: worst(components), components, lookedAtMs: now().atMs };
  };
  const asking = <T>(work: (needs: DetailNeeds) => Promise<T>): Promise<T> => looking(call.open, (opened) => work(needsOf(opened, now)));
  const parts = lookBehind({ ...looks, clock, onDefect, use: (look) => looking(call.open, look) });
  const put = overviews(clock.nowMs());
  const overview = () => put(atHandOf(world, now(), health()), parts(0));
  const links = reports((work) => asking(work), world);
  return {
    version,
    pid: process.pid,
    stuck: () => null,
    starting: () => null,
    notReady: () =>
      now().daemon === null
        ? [{ dependency: 'daemon', reason: 'no daemon of this home answers; nothing takes todos', sinceMs: null }]
        : health()
            .components.filter(({ status }) => status === 'unhealthy')
            .map(({ name, reason, sinceMs }) => ({ dependency: name, reason, sinceMs })),
    health,
    runners: () => runnersIn(health()),
    status: () => ({ daemon: now().daemon, live: now().live, health: health() }),
    overview,
    lookAnew: parts.anew,
    counts: () => looking(call.open, async ({ world: it }) => (await it.store.byStatus()) as Readonly<Record<string, number>>),
    todos: (asked) => asking((needs) => todosOf(needs)(asked)),
    todo: (ref) => asking((needs) => detailOf(ref, needs)),
    ...links,
    look: (name) => looking(call.open, (opened) => lookAt(name, opened)),
    healed: (limit) => looking(call.open, ({ world: it }) => it.store.healingEvents({ todoId: null, limit })),
    healingConfig: () => looking(call.open, async ({ config, world: it }) => healingConfigOf(config, [], it.digest)),
    statusPage: () => statusPage(overview(), world.digest),
    history: (asked) => looking(call.open, ({ world: it }) => it.store.metrics(it.host.id, asked)),
    families: () => [...healthFamilies(health()), buildInfo(version), ...sessionFamilies(sessions()), ...processFamilies()],
    dashboardFile,
    changed: (withinMs) => clock.sleep(withinMs),
    actions: null,
  };
}

function needsOf(opened: Opened, now: () => Seen): DetailNeeds {
  const { world, config, ask } = opened;
  const store = now().health.components.find(({ name }) => name === 'store');
  return { world, config, ask, away: () => (store?.status === 'unknown' ? store.reason : null), secrets: () => secretsOf(opened) };
}

function atHandOf({ clock, host }: Pick<World, 'clock' | 'host'>, { daemon, live, breakers }: Seen, health: ShownHealth): AtHand {
  return {
    ...{ atMs: clock.nowMs(), version, host: host.id, acts: false, live, breakers },
    daemon: daemon === null ? null : daemonPart(daemon),
    health: { status: health.status, components: health.components, lookedAtMs: health.lookedAtMs },
  };
}

const daemonPart = ({ pid, startedAtMs, draining, lastPassAtMs, store }: DaemonStatus): AtHand['daemon'] => ({
  ...{ pid, startedAtMs, draining, lastPassAtMs, store },
});

/** As the daemon last found them; without one nobody looks. */
function runnersIn({ components }: ShownHealth): ReturnType<Shown['runners']> {
  const chain = components.find(({ name }) => name === 'runners');
  if (chain === undefined) return { overall: 'unknown', agents: [] };
  const agents = Object.entries(chain.evidence ?? {}).map(([agent, status]) => ({
    agent,
    status: healthStatuses.find((it) => it === status) ?? 'unknown',
    reason: chain.reason,
  }));
  return { overall: chain.status, agents };
}

/** It keeps no log of its own: what matters is said on stderr. */
function toPerson({ out }: Call): Log {
  const say = (_room: unknown, event: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    out.note([event, ...Object.entries(fields).map(([name, value]) => `${name}=${value}`)].join(' '));
  return { debug() {}, info: say, warn: say, error: say, critical: say, rotate() {} };
}
