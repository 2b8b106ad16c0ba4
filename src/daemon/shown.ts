import type { ShownIntake } from '../core/control.ts';
import { OperationalError } from '../core/errors.ts';
import { missedPass } from '../healing/health.ts';
import type { Reason, Shown } from '../observe/shown.ts';
import { shownBounds } from './bounds.ts';
import { shownBreakers } from './breaker-events.ts';
import type { Context } from './context.ts';
import { healthNow } from './health-now.ts';
import { families } from './metrics.ts';
import { schedulerStandsStill } from './progress.ts';
import { statusOf } from './requests.ts';
import { overallOf, shownRunners } from './runners.ts';

/** What is seen by who stands outside it. */
type SeenOutside = Pick<
  Shown,
  | 'look'
  | 'healed'
  | 'healingConfig'
  | 'overview'
  | 'lookAnew'
  | 'todos'
  | 'todo'
  | 'linkReport'
  | 'linkedReport'
  | 'statusPage'
  | 'actions'
  | 'families'
  | 'dashboardFile'
>;

/** What a daemon shows of itself. */
export function shownBy(context: Context, { families: outside, ...more }: SeenOutside): Shown {
  const { owner, version, world, config } = context;
  return {
    version,
    pid: owner.pid,
    stuck: () => missedPass(statusOf(context), config, world.clock.nowMs())?.reason ?? schedulerStandsStill(context),
    starting: () => starting(context),
    notReady: () => notReady(context),
    health: () => healthNow(context),
    runners: () => ({ overall: overallOf(context), agents: shownRunners(context) }),
    status: () => ({
      daemon: statusOf(context),
      breakers: shownBreakers(context),
      bounds: shownBounds(context.bounds),
      health: healthNow(context),
    }),
    ...more,
    async counts() {
      // Nobody waits to learn what is known.
      if (context.state.store.reachable === 'no') throw storeAway(context.state.store.error);
      return (await world.store.byStatus()) as Readonly<Record<string, number>>;
    },
    history: (asked) => world.store.metrics(world.host.id, asked),
    families: () => [...families(context, healthNow(context), version), ...outside()],
    async changed(withinMs) {
      await world.clock.sleep(gatherMs);
      await context.changes.until(once(), world.clock.nowMs() + withinMs - gatherMs, context.stop);
    },
  };
}

const storeAway = (why: string | null): OperationalError =>
  new OperationalError('STORE_UNREACHABLE', { operation: 'counting', subject: 'todos', why: why ?? 'it does not answer' });

/** Changes come in flocks. */
const gatherMs = 250;

/** The first question is asked before anything happened. */
function once(): () => boolean {
  let asked = 0;
  return () => asked++ > 0;
}

const starting = ({ state, startedAtMs }: Context): string | null =>
  state.lastPassAtMs > startedAtMs ? null : 'it takes up what an earlier daemon left';

function notReady(context: Context): Reason[] {
  const { state, startedAtMs, restarting } = context;
  const { intake } = restarting;
  const start = starting(context);
  const away: Reason = { dependency: 'store', reason: state.store.error ?? 'the store does not answer', sinceMs: state.store.sinceMs };
  const runners = shownBreakers(context).filter(({ name, state: of }) => name === 'runner' && of !== 'closed');
  return [
    ...(start === null ? [] : [{ dependency: 'daemon', reason: start, sinceMs: startedAtMs }]),
    ...(intake.kind === 'open' ? [] : [intakeReason(intake)]),
    ...(state.draining ? [{ dependency: 'daemon', reason: 'it drains: it finishes what runs and takes nothing new', sinceMs: null }] : []),
    ...(state.drained ? [{ dependency: 'host', reason: 'a person keeps this host from taking todos', sinceMs: null }] : []),
    ...(state.store.reachable === 'no' ? [away] : []),
    ...(state.store.reachable === 'unknown' ? [{ ...away, reason: 'the store was not asked yet' }] : []),
    ...runners.map(({ state: of, why, sinceMs }) => ({ dependency: 'runner', reason: `its breaker is ${of}: ${why}`, sinceMs })),
    ...healthNow(context)
      .components.filter(({ name, status }) => status === 'unhealthy' && name !== 'store')
      .map(({ name, reason, sinceMs }) => ({ dependency: name, reason, sinceMs })),
  ];
}

const intakeReason = (intake: ShownIntake): Reason =>
  intake.kind === 'held'
    ? { dependency: 'daemon', reason: `it takes nothing new: ${intake.why}`, sinceMs: intake.sinceMs }
    : { dependency: 'daemon', reason: 'it looks whether all is there after a restart', sinceMs: null };
