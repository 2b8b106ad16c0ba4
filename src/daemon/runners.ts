import { isNamed } from '../agents/adapters.ts';
import { settingsOf } from '../core/config.ts';
import type { Component, ControlReply, ShownRunner } from '../core/control.ts';
import type { Entry, Signal } from '../core/entry.ts';
import { messageOf } from '../core/errors.ts';
import { type Choice, type Cooling, chainOf, choiceText, fallbackRunner, fallbackUntilMs, lessonOf, nobodyText } from '../core/runners.ts';
import { inMs } from '../core/seconds.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import type { Todo } from '../core/todo.ts';
import { limitsInARow } from '../core/usage-limit.ts';
import type { HealthStatus } from '../core/words.ts';
import { lookAtRunner, type RunnerFound, runnersComponent } from '../healing/runners.ts';
import { noPermit, type Permit } from '../resilience/breaker.ts';
import { firstFit, type Unfit } from '../resilience/fallback.ts';
import type { AutoRunners } from '../world.ts';
import type { Context } from './context.ts';
import { deliver } from './deliveries.ts';
import { chore } from './store-chores.ts';

/** The session that a todo asks for; any: the runner's own. */
export type Wanted = 'any' | 'child' | 'tmux';

/** What the daemon knows of those who can work on todos of agent `auto`. */
export type RunnerMemory = {
  /** When they are looked at next, by the monotonic clock. */
  dueMs: number;
  /** By agent; one that is missing was not looked at yet. */
  readonly found: Map<string, RunnerFound>;
  /** What runs taught, by agent; also what is over, until a run went well. */
  readonly cooling: Map<string, Cooling>;
  /** Places as probes of half-open breakers, by run. */
  readonly permits: Map<string, Permit>;
  /** Todos that the fallback has put off, until the time that it said. */
  readonly putOff: Map<string, { readonly untilMs: number; readonly wanted: Wanted }>;
  tmux: 'yes' | 'no' | 'unknown';
  /** What an earlier process learned was taken up. */
  isRead: boolean;
};

export const newRunners = (): RunnerMemory => ({
  dueMs: 0,
  found: new Map(),
  cooling: new Map(),
  permits: new Map(),
  putOff: new Map(),
  tmux: 'unknown',
  isRead: false,
});

export type RunnerNeeds = Pick<Context, 'world' | 'config' | 'adapters' | 'outside' | 'runners'>;

const coolingPrefix = 'runner:';
const putOffPrefix = 'put-off:';

/** What an earlier process learned; nothing of it matters before there are runners. */
export function readRunners({ world, config, runners }: Pick<RunnerNeeds, 'world' | 'config' | 'runners'>): void {
  if (runners.isRead || config.runners.length === 0) return;
  runners.isRead = true;
  for (const { key, value } of world.journal.notes(coolingPrefix)) {
    const kept = parsedJson(value);
    if (isObject(kept) && typeof kept['untilMs'] === 'number') runners.cooling.set(key.slice(coolingPrefix.length), kept as Cooling);
  }
  for (const { key, value } of world.journal.notes(putOffPrefix)) {
    const kept = parsedJson(value) as { untilMs: number; wanted: Wanted } | null;
    if (kept !== null) runners.putOff.set(key.slice(putOffPrefix.length), kept);
  }
}

/**
 * Who is asked to work on the next run. Nobody is asked here and nothing is waited for: the last looks, what runs taught and the breakers say it, in
 * the order of the configuration. One that may only be slow comes after all that are well; the fallback is always there.
 */
export function bestRunner(needs: RunnerNeeds, wanted: Wanted): Choice {
  const { world, config, outside } = needs;
  const chain = chainOf(config.runners);
  const nowMs = world.clock.nowMs();
  const pick = (also: 'unknown' | 'nobody') =>
    firstFit(
      chain.map((name) => ({ name, breaker: outside.runner(name), unfit: (it: Wanted) => unfitOf(name, it, also, needs) })),
      wanted,
      world.clock.monotonicMs(),
    );
  const well = pick('nobody');
  const { chosen, tried } = well.chosen === null ? pick('unknown') : well;
  return {
    agent: chosen?.name ?? fallbackRunner,
    first: chain[0] ?? null,
    degraded: chosen === null,
    passedOver: tried.map(({ provider, because, why, retryAfterMs }) => ({
      agent: provider,
      why: why ?? (because === 'open' ? 'its breaker is open after runs that it lost' : because),
      untilMs: retryAfterMs === null ? null : Math.round(nowMs + retryAfterMs),
    })),
  };
}

function unfitOf(agent: string, wanted: Wanted, also: 'unknown' | 'nobody', needs: RunnerNeeds): Unfit | null {
  const { world, config, adapters, outside, runners } = needs;
  const found = runners.found.get(agent);
  if (found === undefined) return { because: 'unhealthy', why: 'it was not looked at yet', retryAfterMs: null };
  if (found.status === 'unhealthy' || (found.status === 'unknown' && also === 'nobody'))
    return { because: 'unhealthy', why: found.reason, retryAfterMs: null };
  const cooling = coolingNow(agent, needs);
  if (cooling !== null) return { because: 'cooling', why: coolingText(cooling), retryAfterMs: cooling.untilMs - world.clock.nowMs() };
  const session = wanted === 'any' ? (settingsOf(config, agent).session ?? adapters.get(agent)?.defaultSession ?? 'child') : wanted;
  if (session === 'tmux' && (runners.tmux === 'no' || outside.refuses('runner.tmux')))
    return { because: 'unsupported', why: 'its session is in tmux, which cannot be used now', retryAfterMs: null };
  return null;
}

function coolingNow(agent: string, { runners, world }: Pick<RunnerNeeds, 'runners' | 'world'>): Cooling | null {
  const cooling = runners.cooling.get(agent);
  return cooling !== undefined && cooling.untilMs > world.clock.nowMs() ? cooling : null;
}

const coolingText = ({ why, untilMs }: Cooling): string => `${why} (until ${new Date(untilMs).toISOString()})`;

/** Whether each runner was looked at since this process began. */
const isKnown = ({ config, runners }: Pick<RunnerNeeds, 'config' | 'runners'>): boolean =>
  chainOf(config.runners).every((agent) => runners.found.has(agent));

export type Choices = Readonly<Record<Wanted, Choice>>;

/** Null: not all of them were looked at yet, so nobody can say which is the best. */
export const choicesNow = (needs: RunnerNeeds): Choices | null =>
  isKnown(needs) ? { any: bestRunner(needs, 'any'), child: bestRunner(needs, 'child'), tmux: bestRunner(needs, 'tmux') } : null;

/** Where others share the store, one of them may have a runner that is well; it looks every two seconds. */
const othersWithinMs = 10_000;

export const autoRunners = ({ any, child, tmux }: Choices, { world }: Pick<RunnerNeeds, 'world'>): AutoRunners => ({
  any: any.agent,
  child: child.agent,
  tmux: tmux.agent,
  fallbackAfterMs: world.store.driver === 'mysql' ? othersWithinMs : 0,
});

/** A run was given to one of them: said, with what was against those before it; and where its breaker was about to close, this run is the probe. */
export function noteChoice({ world, outside, runners }: Context, entry: Entry, choice: Choice, tookMs: number): void {
  const { agent, degraded, first, passedOver } = choice;
  const fields = {
    todo: entry.todo.number,
    run: entry.ref.runId,
    agent,
    degraded,
    why: choiceText(choice),
    tookMs: Math.round(tookMs * 1000) / 1000,
  };
  if (agent === first && passedOver.length === 0) world.log.info('completion', 'runner chosen', fields);
  else world.log.warn('completion', 'runner chosen, not the first choice', fields);
  if (!degraded) runners.permits.set(entry.ref.runId, outside.runner(agent).admit(world.clock.monotonicMs()));
}

/** Every resource.probe_interval, beside everything else: whoever chooses finds it done. */
export function watchRunners(context: Context): void {
  const { runners, world, config, tasks, state } = context;
  const nowMs = world.clock.monotonicMs();
  if (config.runners.length === 0 || state.draining || tasks.busy('runners') || nowMs < runners.dueMs) return;
  tasks.start(
    'runners',
    () => lookAtRunners(context, 'due'),
    (error) => world.log.warn('monitor', 'runners could not be looked at', { reason: messageOf(error) }),
  );
}

export const runnersDueMs = ({ config, runners, tasks, state }: Context): number =>
  config.runners.length === 0 || state.draining || tasks.busy('runners') ? Number.POSITIVE_INFINITY : runners.dueMs;

/** `due`: the chain, and only those whose answer is old are really asked. `all`: every agent that is known here, now. */
export async function lookAtRunners(needs: RunnerNeeds & Partial<Pick<Context, 'state' | 'wakeup'>>, which: 'due' | 'all'): Promise<void> {
  const { world, config, runners } = needs;
  runners.dueMs = world.clock.monotonicMs() + inMs(config.resource.probe_interval);
  runners.tmux = world.terminals.available();
  const agents = which === 'all' ? agentsOf(needs) : chainOf(config.runners);
  await Promise.all(
    agents.map(async (agent) => {
      const before = runners.found.get(agent) ?? null;
      const againMs = which === 'all' ? 0 : inMs(settingsOf(config, agent).probe_interval);
      const found = await lookAtRunner(agent, before, againMs, needs);
      runners.found.set(agent, found);
      const isNews = found.status !== before?.status && (before !== null || found.status !== 'healthy');
      if (!isNews || !chainOf(config.runners).includes(agent)) return;
      const fields = { agent, was: before?.status ?? null, status: found.status, reason: found.reason };
      if (found.status === 'healthy') world.log.info('monitor', 'runner is well again', fields);
      else world.log.warn('monitor', 'runner is not used', fields);
    }),
  );
  if (needs.state !== undefined) needs.state.claimDueMs = 0;
  needs.wakeup?.ring();
}

/**
 * The first word of a run is also one about its runner. Where that ended a run of agent `auto` by no fault of the todo, the next runner goes on at once;
 * where there is none, it waits as it would anyway.
 */
export function learnFrom(context: Context, entry: Entry, word: Signal): Signal {
  const { world, config, outside, runners } = context;
  const { agent } = entry.todo;
  const permit = runners.permits.get(entry.ref.runId);
  runners.permits.delete(entry.ref.runId);
  if (!chainOf(config.runners).includes(agent)) return word;
  const nowMs = world.clock.nowMs();
  const { wait, wait_max } = config.resource;
  const lesson = lessonOf(word, entry.exit, { nowMs, limitWaitMs: inMs(wait), limitMaxMs: inMs(wait_max) });
  if (lesson.kind === 'nothing') return word;
  if (lesson.kind === 'well') forgetCooling(context, agent);
  else if (lesson.kind === 'cools') cool(context, entry, lesson.cooling);
  const isFailure = lesson.kind === 'lost' || (lesson.kind === 'cools' && lesson.failed);
  const outcome = isFailure ? 'failure' : lesson.kind === 'well' ? 'success' : 'ignored';
  const monotonicMs = world.clock.monotonicMs();
  const breaker = outside.runner(agent);
  const held = permit ?? breaker.admit(monotonicMs);
  if (held !== noPermit) breaker.settle(held, outcome, 0, monotonicMs);
  return entry.choice === undefined || (word.limit === undefined && word.fault === undefined) ? word : handedOn(context, entry, word);
}

/** No attempt is used up: the todo had none. */
function handedOn(context: Context, entry: Entry, word: Signal): Signal {
  // It has met so many in a row that a person is to look at it.
  if (word.limit !== undefined && word.says === 'blocked' && context.config.resource.usage_limits === 'park') return word;
  const next = bestRunner(context, entry.todo.session ?? 'any');
  const reason = `${entry.todo.agent}: ${word.reason ?? 'it refuses work'}`;
  if (!next.degraded) return { ...word, says: 'released', reason: `${reason}; ${next.agent} goes on`, notBeforeMs: null };
  // The fallback would only say the same. What waits for a limit to end is taken back as well, once anybody is well.
  if (word.fault !== undefined) return { ...word, ...putOffWord(context, entry, next) };
  if (word.says !== 'parked' || word.notBeforeMs === null) return word;
  const notBeforeMs = Math.max(word.notBeforeMs, coolingNow(entry.todo.agent, context)?.untilMs ?? 0);
  putOff(context, entry, notBeforeMs);
  return { ...word, notBeforeMs };
}

/** A person mends keys, and hears of it once; the rest passes. */
function cool(context: Context, entry: Entry, cooling: Cooling): void {
  const { world, runners } = context;
  const { agent, number } = entry.todo;
  const before = runners.cooling.get(agent);
  runners.cooling.set(agent, cooling);
  keep(context, `${coolingPrefix}${agent}`, JSON.stringify(cooling));
  const fields = { agent, todo: number, run: entry.ref.runId, reason: cooling.why, until: new Date(cooling.untilMs).toISOString() };
  world.log.warn('monitor', 'runner cools down', fields);
  if (cooling.kind !== 'auth' || before?.kind === 'auth' || context.config.monitoring.webhook_url === null) return;
  const message = `agent ${agent}: ${cooling.why}; a person must mend that. Todos of agent auto go on with the next runner`;
  const body = { schemaVersion: 1, kind: 'runner', severity: 'CRITICAL', atMs: world.clock.nowMs(), message, ...fields };
  deliver(context, { what: message, todoId: entry.ref.todoId, runId: entry.ref.runId, body });
}

/** What is over is kept until a run went well: only then may a person hear of it again. */
function forgetCooling(context: Context, agent: string): void {
  const { runners } = context;
  if (!runners.cooling.has(agent) || coolingNow(agent, context) !== null) return;
  runners.cooling.delete(agent);
  drop(context, [`${coolingPrefix}${agent}`]);
}

/** The word of a run that nobody worked on: it waits, so often in a row, and is never finished by that. */
export function putOffWord(
  context: Context,
  entry: Entry,
  choice: Choice,
): { readonly says: 'parked' | 'blocked'; readonly reason: string; readonly notBeforeMs: number | null } {
  const { world, config } = context;
  const { todoId, runId } = entry.ref;
  const before = limitsInARow(world.journal.ofTodo(todoId).filter(({ ref }) => ref.runId !== runId));
  const reason = `degraded: ${nobodyText(choice)}`;
  if (before >= config.resource.limits_max)
    return { says: 'blocked', reason: `${reason}; ${before + 1} times in a row (resource.limits_max)`, notBeforeMs: null };
  const untilMs = fallbackUntilMs(choice, before, world.clock.nowMs());
  putOff(context, entry, untilMs);
  return { says: 'parked', reason, notBeforeMs: untilMs };
}

function putOff(context: Context, { ref, todo }: Entry, untilMs: number): void {
  const kept = { untilMs, wanted: todo.session ?? 'any' } as const;
  context.runners.putOff.set(ref.todoId, kept);
  keep(context, `${putOffPrefix}${ref.todoId}`, JSON.stringify(kept));
}

const takeBackEveryMs = 1000;

/** What was put off because nobody was well need not wait for its time once somebody is. */
export function takeBackPutOff(context: Context): void {
  const { runners, world } = context;
  if (runners.putOff.size === 0) return;
  const nowMs = world.clock.nowMs();
  const over = [...runners.putOff].filter(([, { untilMs }]) => untilMs <= nowMs).map(([todoId]) => todoId);
  forgetPutOff(context, over);
  const ready = [...runners.putOff].filter(([, { wanted }]) => isKnown(context) && !bestRunner(context, wanted).degraded);
  if (ready.length === 0) return;
  chore(context, 'take back what was put off', takeBackEveryMs, async () => {
    for (const [todoId, { untilMs }] of ready) {
      const todo = await world.store.find(todoId);
      // Its run may still be finishing; a person may have said otherwise meanwhile.
      if (todo !== null && todo.runId !== null) continue;
      if (todo?.status === 'parked' && todo.notBeforeMs === untilMs)
        await world.store.change(todoId, ['parked'], { status: 'open', notBeforeMs: null, reason: 'a runner is well again', by: 'daemon' });
      forgetPutOff(context, [todoId]);
      context.state.claimDueMs = 0;
    }
    context.wakeup.ring();
  });
}

function forgetPutOff(context: Context, todoIds: readonly string[]): void {
  const known = todoIds.filter((todoId) => context.runners.putOff.delete(todoId));
  if (known.length > 0)
    drop(
      context,
      known.map((todoId) => `${putOffPrefix}${todoId}`),
    );
}

function keep({ tasks, world }: Context, key: string, value: string): void {
  tasks.start(
    `keep:${key}`,
    () => world.journal.setNote(key, value),
    (error) => world.log.warn('monitor', 'what was learned of a runner could not be kept', { key, reason: messageOf(error) }),
  );
}

function drop({ tasks, world }: Context, keys: readonly string[]): void {
  tasks.start(
    `drop:${keys.join()}`,
    () => world.journal.dropNotes(keys),
    (error) => world.log.warn('monitor', 'what was learned of a runner could not be dropped', { reason: messageOf(error) }),
  );
}

/** Those of the chain, first choice first, then all others. */
const agentsOf = ({ config, adapters }: Pick<RunnerNeeds, 'config' | 'adapters'>): readonly string[] => [
  ...new Set([...chainOf(config.runners), ...adapters.keys()].filter(isNamed)),
];

/** All of the chain as it is now, first choice first; the fallback last. */
export const shownRunners = (needs: RunnerNeeds): readonly ShownRunner[] => [
  ...chainOf(needs.config.runners).map((agent) => shownRunner(agent, needs)),
  shownFallback(needs),
];

/** It needs nothing, so nothing can be wrong with it. */
const shownFallback = ({ world }: Pick<RunnerNeeds, 'world'>): ShownRunner => ({
  agent: fallbackRunner,
  status: 'healthy',
  reason: 'always there; it puts todos off',
  sinceMs: world.clock.nowMs(),
  whatToDo: null,
});

function shownRunner(agent: string, needs: RunnerNeeds): ShownRunner {
  const { world, outside, runners } = needs;
  const nowMs = world.clock.nowMs();
  const found = runners.found.get(agent);
  if (found === undefined) return { agent, status: 'unknown', reason: 'not looked at yet', sinceMs: nowMs, whatToDo: null };
  const { status, reason, sinceMs, whatToDo } = found;
  const cooling = coolingNow(agent, needs);
  if (status === 'healthy' && cooling !== null) {
    const { reason: why, ...advice } = { reason: coolingText(cooling), whatToDo: coolingAdvice(agent, cooling) };
    return { agent, status: 'degraded', reason: why, sinceMs: cooling.sinceMs, ...advice };
  }
  const breaker = chainOf(needs.config.runners).includes(agent) ? outside.runner(agent) : null;
  const monotonicMs = world.clock.monotonicMs();
  if (status !== 'healthy' || breaker === null || !breaker.refuses(monotonicMs)) return { agent, status, reason, sinceMs, whatToDo };
  const look = breaker.look(monotonicMs);
  const again = `Its last runs were lost: todo list. Use it again at once: todo breaker reset agent.${agent}`;
  const openSinceMs = Math.round(nowMs - look.inStateForMs);
  return { agent, status: 'degraded', reason: `its breaker is ${look.state}: ${look.why}`, sinceMs: openSinceMs, whatToDo: again };
}

/** As the chain is: whole while the first choice is well, degraded while another one or only the fallback is left. */
export function overallOf(needs: RunnerNeeds): HealthStatus {
  const chain = chainOf(needs.config.runners);
  if (chain.length > 0 && !isKnown(needs)) return 'unknown';
  const { agent, first } = bestRunner(needs, 'any');
  return agent === first || first === null ? 'healthy' : 'degraded';
}

/** By command: asked now, if that is wanted. */
export async function agentsReply(
  context: RunnerNeeds,
  { probe }: { readonly probe: boolean },
): Promise<Extract<ControlReply, { kind: 'agents' }>> {
  if (probe) await lookAtRunners(context, 'all');
  const agents = agentsOf(context).filter((agent) => context.runners.found.has(agent));
  const shown = [...agents.map((agent) => shownRunner(agent, context)), shownFallback(context)];
  return { ok: true, kind: 'agents', overall: overallOf(context), agents: shown };
}

const coolingAdvice = (agent: string, { kind }: Cooling): string | null =>
  kind === 'auth' ? `Mend the key or the login of ${agent}; it is tried again then` : null;

/** Null where todos name their agents. */
export const runnersHealth = (needs: RunnerNeeds): Component | null =>
  isKnown(needs) ? runnersComponent(shownRunners(needs), bestRunner(needs, 'any').agent, needs.world.clock.nowMs()) : null;

/** The todo's own session, or that of the one that was chosen; the fallback needs no terminal. */
export const sessionOf = (
  { config, adapters }: Pick<RunnerNeeds, 'config' | 'adapters'>,
  { agent, session }: Pick<Todo, 'agent' | 'session'>,
): 'child' | 'tmux' =>
  agent === fallbackRunner ? 'child' : (session ?? settingsOf(config, agent).session ?? adapters.get(agent)?.defaultSession ?? 'child');
