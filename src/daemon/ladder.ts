import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { isOperational } from '../core/errors.ts';
import { type Cause, type Climb, climbed, ladders, nextRung, outcomeOf, type Rung } from '../core/ladder.ts';
import { lowered, type Priorities, restored } from '../core/priority.ts';
import { boundsOf, type Gauge, memoryShare } from '../core/resources.ts';
import { inMs } from '../core/seconds.ts';
import { parsedJson } from '../core/shape.ts';
import { megabytes } from '../healing/resources.ts';
import type { Context } from './context.ts';
import { gaugeOf, limitOf, measure, runOf, tagOf, watchedRuns } from './gauges.ts';
import { noteEvent } from './notebook.ts';
import { sweepTemporary } from './temporary.ts';

/** What was done and is to be looked at afterwards. Kept in the journal, since the restart is one of them. */
type Done = {
  /** Of its row: told twice is once. */
  readonly id: string;
  /** As gauges are named: `cpu`, `agent-cpu RUN`. */
  readonly key: string;
  readonly rung: Rung;
  readonly atMs: number;
  readonly before: number | null;
  readonly told: Readonly<Record<string, unknown>>;
};

type GivingWay = { readonly runId: string; readonly for: readonly string[]; readonly before: Priorities };

export type Acting = {
  readonly climbs: Map<string, Climb>;
  /** Runs that give way, and for which troubles. In the journal, since whoever comes after a crash takes it back as well. */
  givingWay: readonly GivingWay[];
  /** Runs that keep their priority though they are in trouble, and why. */
  readonly keepingIt: Map<string, string>;
  /** Troubles for which there are fewer agents, or none new. */
  readonly throttled: Set<string>;
  readonly paused: Set<string>;
  done: readonly Done[];
  /** Whether what an earlier process did was taken up. */
  isRead: boolean;
};

export const newActing = (): Acting => ({
  climbs: new Map(),
  givingWay: [],
  keepingIt: new Map(),
  throttled: new Set(),
  paused: new Set(),
  done: [],
  isRead: false,
});

const doneNote = 'resource:done';
const givingWayNote = 'resource:giving-way';
const profilesMax = 5;
/** Above this share of its memory there is no time for a cooldown. */
const urgentShare = 0.97;

/** What is critical, one step each: what was done before is looked at first, and what is over is given back. */
export async function actOnTrouble(context: Context): Promise<void> {
  const { watch, config, world } = context;
  takeUp(context);
  await verify(context);
  giveBack(context);
  await takePrioritiesBack(context);
  if (!config.resource.actions) return;
  const nowMs = world.clock.monotonicMs();
  const cooldownMs = inMs(config.resource.cooldown);
  for (const [key, gauge] of watch.gauges) {
    if (!isTrouble(key, gauge)) continue;
    const climb = watch.acting.climbs.get(key) ?? null;
    const urgent = key === 'memory' && (gauge.value ?? 0) >= urgentShare;
    const rung = nextRung(gaugeOf(key) as Cause, climb, { nowMs, cooldownMs, urgent });
    if (rung !== null) await step(context, key, rung, gauge);
  }
}

/** A disk that fills up is swept before it is full; all else is acted on when it is critical. */
const isTrouble = (key: string, { level }: Gauge): boolean =>
  gaugeOf(key) in ladders && (level === 'critical' || (key === 'machine-disk' && level === 'warning'));

async function step(context: Context, key: string, rung: Rung, gauge: Gauge): Promise<void> {
  const { watch, world } = context;
  const cause = gaugeOf(key) as Cause;
  const run = runOf(key);
  const before = gauge.value;
  world.log.warn('monitor', 'resource action', { cause, run, action: rung, value: before });
  const done = (told: Done['told'], after?: number): Promise<void> => {
    const it: Done = { id: world.random.uuidv7(), key, rung, atMs: world.clock.nowMs(), before, told };
    if (after === undefined) return keep(context, [...watch.acting.done, it]);
    tell(context, it, after, !isCritical(context, key, after));
    return Promise.resolve();
  };
  let retryAfterMs = 0;
  switch (rung) {
    case 'profile':
      await done({ profile: await profile(context) });
      break;
    case 'trim':
      await done(...trim(context, key));
      break;
    case 'close-idle':
      await done({ closed: await closeIdle(context) });
      break;
    case 'sweep':
      await done({ removed: sweepTemporary(context) });
      break;
    case 'give-way':
    case 'throttle':
      await done({
        ...(await giveWay(context, key)),
        slots: rung === 'throttle' ? throttle(context, key).total : context.config.slots.total,
      });
      break;
    case 'pause':
      watch.acting.paused.add(key);
      await done({ intake: 'paused' });
      break;
    case 'restart':
      retryAfterMs = await askForRestart(context, key, done);
      break;
    default:
      rung satisfies never;
  }
  watch.acting.climbs.set(key, climbed(cause, watch.acting.climbs.get(key) ?? null, world.clock.monotonicMs(), retryAfterMs));
}

function isCritical({ config }: Context, key: string, value: number): boolean {
  const { critical, slack } = boundsOf(gaugeOf(key), config);
  return critical !== null && value >= critical.value - slack;
}

/** Where the time goes, for whoever looks later. */
async function profile({ world, config, stop }: Context): Promise<string> {
  const folder = join(world.home.logs, 'profiles');
  world.files.makeFolder(folder);
  const name = `cpu-${new Date(world.clock.nowMs()).toISOString().replaceAll(':', '-')}.cpuprofile`;
  await world.resources.profile(join(folder, name), inMs(config.resource.profile_time), stop);
  const old = world.files.list(folder).filter((it) => it.endsWith('.cpuprofile'));
  for (const it of old.slice(0, Math.max(0, old.length - profilesMax))) world.files.unlink(join(folder, it));
  return join(folder, name);
}

/** Measured again at once: what a collection did not free is held by somebody. */
function trim(context: Context, key: string): [Done['told'], number] {
  const { world, watch } = context;
  const rssBefore = watch.last!.self.rssBytes;
  world.resources.giveBack();
  const self = world.resources.self();
  const machine = world.resources.machine(world.home.root);
  const after = key === 'memory' ? memoryShare(self, limitOf(context, machine).bytes) : machine.memoryUsedBytes / machine.memoryTotalBytes;
  const atMs = world.clock.monotonicMs();
  measure(context, key, { value: after, fromMs: atMs, atMs });
  return [{ rssMbBefore: megabytes(rssBefore), rssMb: megabytes(self.rssBytes), heapMb: megabytes(self.heapUsedBytes) }, after];
}

async function closeIdle({ world }: Context): Promise<string> {
  try {
    return (await world.store.care?.reset()) ?? 'nothing: this store has no connections';
  } catch (error) {
    if (!isOperational(error)) throw error;
    return `it did not work: ${error.message}`;
  }
}

/** Only by what can be taken back: a priority that stayed low would punish a run, for as long as it lives, for minutes that are over. */
async function giveWay(context: Context, key: string): Promise<Done['told']> {
  const { world, watch } = context;
  const run = runOf(key);
  let gaveWay = 0;
  for (const entry of watchedRuns(context).filter(({ ref }) => run === null || ref.runId === run)) {
    const { runId } = entry.ref;
    const now = world.resources.priorities(tagOf(entry));
    if ('why' in now) {
      watch.acting.keepingIt.set(runId, now.why);
      continue;
    }
    const known = watch.acting.givingWay.find((it) => it.runId === runId);
    const it: GivingWay = { runId, for: [...new Set([...(known?.for ?? []), key])], before: known?.before ?? now };
    await keepGivingWay(context, [...watch.acting.givingWay.filter((other) => other !== known), it]);
    gaveWay += await world.resources.setPriorities(tagOf(entry), lowered(now));
  }
  const [keeps] = watch.acting.keepingIt.values();
  return { gaveWay, ...(keeps !== undefined && { keptTheirPriority: keeps }) };
}

/** Of runs whose troubles are all over. Not measured yet is not over. */
async function takePrioritiesBack(context: Context): Promise<void> {
  const { watch, world } = context;
  const { acting, gauges } = watch;
  const isOver = (key: string): boolean => gauges.get(key)?.level === 'ok' && gauges.get(key)?.value !== null;
  const live = new Map(watchedRuns(context).map((entry) => [entry.ref.runId, entry]));
  for (const runId of acting.keepingIt.keys()) if (!live.has(runId)) acting.keepingIt.delete(runId);
  for (const it of acting.givingWay) {
    const entry = live.get(it.runId);
    if (entry !== undefined && !it.for.every(isOver)) continue;
    if (entry !== undefined) {
      const now = world.resources.priorities(tagOf(entry), it.before.by);
      if ('why' in now) continue;
      const wanted = restored(it.before, now);
      const gaveBack = await world.resources.setPriorities(tagOf(entry), wanted);
      // What could not be changed now is looked at again with the next look.
      if (gaveBack < Object.keys(wanted.of).length) continue;
      const fields = { actor: 'daemon', reason: `${it.for.map(gaugeOf).join(' and ')} is well again`, outcome: 'done', gaveBack };
      world.log.info('monitor', 'resource action taken back', { cause: gaugeOf(it.for[0]!), run: it.runId, gaveBack });
      const ids = { runId: it.runId, todoId: entry.todo.id };
      noteEvent(context, { kind: 'healing', what: 'resource_give-way_over', ...ids, detail: JSON.stringify(fields) });
    }
    await keepGivingWay(
      context,
      acting.givingWay.filter((other) => other.runId !== it.runId),
    );
  }
}

async function keepGivingWay({ watch, world }: Context, runs: readonly GivingWay[]): Promise<void> {
  watch.acting.givingWay = runs;
  await world.journal.setNote(givingWayNote, JSON.stringify(runs));
}

function throttle(context: Context, key: string): Config['slots'] {
  context.watch.acting.throttled.add(key);
  return slotsNow(context);
}

/** Answers how long to wait until it may be asked for again. */
async function askForRestart(context: Context, key: string, done: (told: Done['told']) => Promise<void>): Promise<number> {
  const { restarting, world, watch } = context;
  const why = `${gaugeOf(key)} stayed critical after ${ladders[gaugeOf(key) as Cause].slice(0, -1).join(', ')}`;
  const answer = restarting.ask({ by: 'ladder', why });
  if (answer.accepted) {
    await done({ why });
    return inMs(context.config.resource.cooldown);
  }
  // Whoever is told once need not be told each time it is refused.
  if (watch.acting.climbs.get(key)?.rungs !== ladders[gaugeOf(key) as Cause].length)
    world.log.critical('monitor', 'restart needed and refused', { cause: gaugeOf(key), reason: why, refused: answer.why });
  return answer.retryAfterMs;
}

/** For how many agents there is room now. */
export function slotsNow({ watch, config }: Pick<Context, 'watch' | 'config'>): Config['slots'] {
  const { total, agent, project } = config.slots;
  const halved = (count: number): number => (count === 0 ? 0 : Math.max(1, Math.floor(count / 2)));
  return watch.acting.throttled.size === 0 ? config.slots : { total: halved(total), agent: halved(agent), project };
}

export const actingWords = ({ throttled, paused }: Acting): readonly string[] => [
  ...(throttled.size > 0 ? ['fewer agents at once until it is over'] : []),
  ...(paused.size > 0 ? ['no new todo is taken until it is over'] : []),
];

/** What is well again needs nothing any more. How far it came is kept for a cooldown, so that what comes and goes does not begin anew each time. */
function giveBack(context: Context): void {
  const { watch, world, config } = context;
  const { acting, gauges } = watch;
  for (const [key, climb] of acting.climbs) {
    const gauge = gauges.get(key);
    if (gauge !== undefined && gauge.level !== 'ok') continue;
    const held = [acting.throttled.delete(key), acting.paused.delete(key)];
    if (held.includes(true)) {
      world.log.info('monitor', 'resource action taken back', { cause: gaugeOf(key), run: runOf(key) });
      context.state.claimDueMs = 0;
      context.wakeup.ring();
    }
    if (world.clock.monotonicMs() - climb.actedAtMs >= inMs(config.resource.cooldown)) acting.climbs.delete(key);
  }
}

/** What was done is told with what came of it, once there is a new value. */
async function verify(context: Context): Promise<void> {
  const { watch, tasks } = context;
  if (watch.acting.done.length === 0 || tasks.busy('restart:validate')) return;
  const left = watch.acting.done.filter((it) => {
    const gauge = watch.gauges.get(it.key);
    // Its run is over, and so is the trouble.
    if (gauge === undefined && runOf(it.key) !== null) {
      tell(context, it, null, true);
      return false;
    }
    if (gauge === undefined || gauge.value === null) return true;
    tell(context, it, gauge.value, gauge.level === 'ok' || gauge.level === 'warning');
    return false;
  });
  if (left.length !== watch.acting.done.length) await keep(context, left);
}

function tell(context: Context, { id, key, rung, atMs, before, told }: Done, after: number | null, isOver: boolean): void {
  const runId = runOf(key);
  const outcome = outcomeOf(before, after, isOver);
  const reason = `${gaugeOf(key)} stood at ${short(before)}: ${rung}`;
  const fields = {
    actor: 'daemon',
    reason,
    cause: gaugeOf(key),
    action: rung,
    before: short(before),
    after: short(after),
    outcome,
    atMs,
    ...told,
  };
  const todoId = runId !== null && context.ledger.has(runId) ? context.ledger.get(runId).todo.id : null;
  context.world.log.info('monitor', 'resource action looked at', { ...fields, run: runId });
  noteEvent(context, { id, kind: 'healing', what: `resource_${rung}`, runId, todoId, detail: JSON.stringify(fields) });
}

const short = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1000);

async function keep({ watch, world }: Context, done: readonly Done[]): Promise<void> {
  watch.acting.done = done;
  await world.journal.setNote(doneNote, JSON.stringify(done));
}

/** What an earlier process did: a restart is looked at by the one that came after it. */
function takeUp({ watch, world }: Context): void {
  if (watch.acting.isRead) return;
  watch.acting.isRead = true;
  const kept = parsedJson(world.journal.getNote(doneNote) ?? '');
  if (Array.isArray(kept)) watch.acting.done = [...(kept as Done[]), ...watch.acting.done];
  const givingWay = parsedJson(world.journal.getNote(givingWayNote) ?? '');
  if (Array.isArray(givingWay)) watch.acting.givingWay = givingWay as GivingWay[];
}
