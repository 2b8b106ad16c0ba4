import { redactorFor } from '../completion/redactor-for.ts';
import type { Deadline } from '../core/deadlines.ts';
import { deadlinesOf } from '../core/deadlines.ts';
import type { EmergencyInfo, Entry, Signal } from '../core/entry.ts';
import { isCompletion } from '../core/entry.ts';
import type { SystemState } from '../core/evidence.ts';
import type { HealingDetail } from '../core/healing-event.ts';
import { inMs } from '../core/seconds.ts';
import { stamp } from '../core/signal.ts';
import type { Context } from './context.ts';
import { deliver } from './deliveries.ts';
import { noteEvent } from './notebook.ts';
import { say, stall } from './words.ts';

/** Acts on every timer of a run that is due. Absolute times from the journal: a restart neither loses nor resets one. */
export async function actOnDeadlines(context: Context, entry: Entry): Promise<void> {
  const nowMs = context.world.clock.nowMs();
  const due = deadlinesOf(entry, context.config).find((deadline) => deadline.atMs <= nowMs);
  // Who recovers it now looks at the same silence; the timer is due again at the next pass.
  if (due === undefined || context.turns.holder(entry.ref.todoId) !== null) return;
  const why = describe(due, context);
  if (due.which !== 'completion')
    return emergency(context, entry.ref.runId, { action: context.config.emergency.action, by: 'deadline', reason: why });
  context.world.log.critical('emergency', 'completion timer', {
    todo: entry.todo.number,
    run: entry.ref.runId,
    reason: why,
    lastSignAtMs: entry.lastSignAtMs,
    system: systemOf(context, entry),
  });
  if (entry.kind === 'external') return emergency(context, entry.ref.runId, { action: 'complete', by: 'deadline', reason: why });
  const action = context.config.behavior.completion_timeout_action;
  if (action !== 'warn') return emergency(context, entry.ref.runId, { action, by: 'deadline', reason: why });
  const warned = await context.ledger.update(entry.ref.runId, (now) => ({
    ...now,
    warnedAtMs: nowMs,
    timeline: stamp(now, { atMs: nowMs, fact: 'warned', reason: why }),
  }));
  await stall(context, warned, why);
}

function describe(deadline: Deadline, { config }: Context): string {
  const { behavior } = config;
  const basis = behavior.timeout_basis === 'silence' ? 'without a sign of progress' : 'since the start';
  switch (deadline.which) {
    case 'completion':
      return `no completion after ${behavior.completion_timeout} s ${basis}`;
    case 'emergency':
      return `nobody reported an end within ${behavior.emergency_timeout} s ${basis}`;
    case 'run-max':
      return `the run reached behavior.run_max (${behavior.run_max} s)`;
    case 'timeout':
      return 'the run reached its --timeout';
    default:
      return deadline.which satisfies never;
  }
}

/**
 * The emergency procedure: system state is logged, the todo's end is decided, its session is ended, and everything there is goes through
 * the same four layers. Never after a word was said that can be completed, except that it makes a session quiet.
 */
export async function emergency(context: Context, runId: string, what: Pick<EmergencyInfo, 'action' | 'by' | 'reason'>): Promise<void> {
  const { world, ledger } = context;
  const entry = ledger.get(runId);
  if (isCompletion(entry.fact) && (entry.fact !== 'signalled' || entry.turn === 'ended')) return;
  const nowMs = world.clock.nowMs();
  const system = systemOf(context, entry);
  const actions = actionsFor(what.action, entry);
  const info: EmergencyInfo = { ...what, atMs: nowMs, actions, system };
  // A word that stands is completed, whatever the action is called: there is nothing left to leave for a person.
  if (what.action === 'stall' && entry.signal === null) {
    await stall(context, entry, what.reason);
    await ledger.update(runId, (now) => ({
      ...now,
      shown: 'stalled',
      emergency: now.signal === null ? info : now.emergency,
      timeline: stamp(now, { atMs: nowMs, fact: 'emergency', reason: `stall: ${what.reason}` }),
    }));
  } else {
    const marked = await ledger.update(
      runId,
      (now) => ({
        ...now,
        emergency: now.signal === null ? info : now.emergency,
        turn: 'ended',
        timeline: stamp(now, { atMs: nowMs, fact: 'emergency', reason: `${what.action}: ${what.reason}` }),
      }),
      entry.signal === null,
    );
    if (marked.signal === null) await say(context, marked, emergencySignal(marked, what, nowMs));
  }
  const { todoId } = entry.ref;
  // The alert below is its message.
  noteEvent(context, {
    kind: 'healing',
    todoId,
    runId,
    what: `emergency ${what.action}`,
    detail: JSON.stringify(detailOf(what, entry, actions)),
  });
  await alert(
    context,
    ledger.has(runId) ? ledger.get(runId) : entry,
    `todo ${entry.todo.number} "${entry.todo.title}": ${what.reason}; action ${what.action}`,
  );
}

const detailOf = (what: Pick<EmergencyInfo, 'by' | 'reason'>, entry: Entry, actions: readonly string[]): HealingDetail => ({
  actor: what.by === 'person' ? 'person' : 'timer',
  reason: what.reason,
  before: `${entry.fact}, last sign of progress ${new Date(entry.lastSignAtMs).toISOString()}`,
  after: actions.at(-1) ?? '',
  outcome: 'done',
});

const emergencySignal = (entry: Entry, what: Pick<EmergencyInfo, 'by' | 'reason'>, atMs: number): Signal => ({
  says: null,
  saidBy: what.by,
  summary: null,
  reason: what.reason,
  atMs,
  round: entry.round,
  from: what.by === 'person' ? { kind: 'person', verb: 'emergency' } : { kind: 'deadline', which: 'emergency' },
  notBeforeMs: null,
});

function actionsFor(action: EmergencyInfo['action'], entry: Entry): readonly string[] {
  const session =
    entry.kind === 'external'
      ? 'left the foreign session alone and voided its token'
      : 'ended the session with TERM, then KILL, to its whole process tree';
  switch (action) {
    case 'complete':
      return [
        'logged the system state',
        session,
        'collected whatever output there was',
        entry.todo.checks.length > 0 ? 'ran the acceptance checks for the record' : 'ran no checks: the todo has none',
        'completed the todo with proof forced',
      ];
    case 'reset':
      return ['logged the system state', session, 'kept whatever output there was', 'opened the todo again'];
    case 'stall':
      return ['logged the system state', 'left the session running', 'marked the todo as stalled for a person'];
    default:
      return action satisfies never;
  }
}

/** It goes to log, journal and report, and command lines carry keys now and then. */
function systemOf({ world, steps }: Context, entry: Entry): SystemState {
  const system = world.processes.system(world.home.root, { name: 'TODO_RUN', value: entry.ref.runId });
  const redact = redactorFor(entry, steps);
  return { ...system, processes: system.processes.map((found) => ({ ...found, command: redact(found.command) })) };
}

/** CRITICAL in emergency.log, and a POST where monitoring.webhook_url is set. Never stops what it reports. */
export async function alert(context: Context, entry: Entry, message: string): Promise<void> {
  const { world, config } = context;
  const fields = { todo: entry.todo.number, id: entry.todo.id, run: entry.ref.runId, message, hint: `todo why ${entry.todo.number}` };
  world.log.critical('emergency', 'alert', fields);
  if (config.monitoring.webhook_url === null) return;
  const body = { schemaVersion: 1, kind: 'alert', severity: 'CRITICAL', atMs: world.clock.nowMs(), ...fields };
  deliver(context, { what: message, todoId: entry.ref.todoId, runId: entry.ref.runId, body });
}

/** For claims by hand: their lease lasts as long as their timers can. */
export const externalLeaseMs = ({ config }: Pick<Context, 'config'>): number =>
  2 * inMs(Math.max(config.behavior.emergency_timeout, config.behavior.run_max ?? 0));
