import type { StoreTrouble } from '../core/control.ts';
import { isOperational, messageOf } from '../core/errors.ts';
import type { RestartAnswer } from '../core/restart.ts';
import { inMs } from '../core/seconds.ts';
import { type Care, type CareStep, careNext } from '../core/store-care.ts';
import type { Obstacles, QueryFigures, StoreCare } from '../world.ts';
import type { Context } from './context.ts';
import { noteHealing } from './healing-events.ts';
import { noteEvent } from './notebook.ts';

/** More often than this the loop's passes would see nothing new. */
const lookEveryMs = 250;
/** An operation that has been held up for so long is trouble, before it ends. Only far away is none: no step of ours brings a server nearer. */
const longMs = 1000;
/** Who waits gives up now and then, and comes again: between the two nothing is seen. */
const looksMax = 3;
const lookAgainMs = 300;

type Kept = {
  care: Care;
  sinceMs: number;
  dueMs: number;
  /** Operations that were held up, at the last look. */
  heldUp: number;
  obstacles: Obstacles | null;
  did: string[];
};
const keptOf = new WeakMap<Context, Kept>();

/** What is known of a store that is slow, for status and health. Null: it is well. */
export function troubleOf(context: Context): StoreTrouble | null {
  const kept = keptOf.get(context);
  if (kept === undefined || kept.care.state === 'well') return null;
  return {
    sinceMs: kept.sinceMs,
    obstacles: kept.obstacles?.found.map(({ text }) => text) ?? [],
    blind: kept.obstacles?.blind ?? null,
    did: [...kept.did],
  };
}

/** A store that is slow is looked into at once; while it stays so its connections are opened anew, then its statistics renewed, then the daemon restarts where its limits allow. */
export function careForStore(context: Context): void {
  const { world, config, tasks, scope, state } = context;
  const { care } = world.store;
  if (care === undefined || scope.kind !== 'daemon') return;
  const nowMs = world.clock.monotonicMs();
  const { queries } = world.store.figures();
  if (queries === undefined) return;
  const kept = keptOf.get(context) ?? { care: { state: 'well' }, sinceMs: 0, dueMs: 0, heldUp: 0, obstacles: null, did: [] };
  keptOf.set(context, kept);
  if (nowMs < kept.dueMs) return;
  kept.dueMs = nowMs + lookEveryMs;
  const found = isTrouble(queries, kept.heldUp);
  kept.heldUp = queries.heldUp;
  // A look or a step takes its time: what was held up before it is over says nothing of what is held up after it.
  const isBusy = tasks.busy('care');
  if (isBusy && !found) return;
  const isAway = state.store.reachable === 'no';
  const trouble = isBusy || (isAway && !found) ? 'past' : found ? 'now' : 'none';
  const move = careNext(kept.care, { nowMs, trouble, graceMs: Math.max(1000, inMs(config.behavior.database_timeout) / 3) });
  kept.care = move.care;
  if (move.begins) begin(context, kept, care, queries);
  if (move.step !== null) act(context, kept, care, move.step);
  if (move.ends) end(context, kept);
}

const isTrouble = ({ heldUp, heldUpForMs }: QueryFigures, before: number): boolean => heldUp > before || heldUpForMs >= longMs;

function begin(context: Context, kept: Kept, care: StoreCare, queries: QueryFigures): void {
  Object.assign(kept, { sinceMs: context.world.clock.nowMs(), obstacles: null, did: [] } satisfies Partial<Kept>);
  const reason = queries.lastSlow ?? 'an operation has been waiting for more than a second';
  beside(context, async () => {
    await look(context, kept, care);
    context.world.log.warn('monitor', 'the store is slow', { reason, ...toldOf(kept) });
    keep(context, 'store-slow', { reason, ...toldOf(kept) });
  });
}

function act(context: Context, kept: Kept, care: StoreCare, step: CareStep): void {
  const { log } = context.world;
  beside(context, async () => {
    // Before it changes anything, so that the row tells what was there.
    await look(context, kept, care);
    if (step === 'restart') {
      advise(context, kept);
      return;
    }
    const result = await said(() => care[step]());
    kept.did.push(result);
    log.warn('monitor', step === 'reset' ? 'store connections opened anew' : 'store statistics renewed', { result, ...toldOf(kept) });
    keep(context, step === 'reset' ? 'store-reset' : 'store-optimize', { result, ...toldOf(kept) });
  });
}

/** The last of the chain: the daemon begins anew, with connections and memory of its own, where its limits allow; a person hears of it either way. */
function advise(context: Context, kept: Kept): void {
  const answer = askForRestart(context, 'the store stays slow after its connections were opened anew');
  const whatToDo = 'end what holds it, or restart the database; todo store check';
  const result = answer.accepted ? 'this daemon restarts' : `not done: ${answer.why}`;
  kept.did.push(`restart: ${result}`);
  context.world.log.critical('monitor', 'restart advised: the store stays slow', { result, ...toldOf(kept), whatToDo });
  keep(context, answer.accepted ? 'store-restart' : 'store-restart-advised', { result, ...toldOf(kept) });
}

function askForRestart({ scope, restarting }: Context, why: string): RestartAnswer {
  if (scope.kind !== 'daemon') return { accepted: false, why: 'a worker for one todo ends with it', retryAfterMs: 0 };
  return restarting.ask({ by: 'ladder', why });
}

function end(context: Context, kept: Kept): void {
  const { world } = context;
  const slowMs = world.clock.nowMs() - kept.sinceMs;
  world.log.info('monitor', 'the store is quick again', { slowMs, did: kept.did });
  keep(context, 'store-quick-again', { slowMs });
  kept.obstacles = null;
}

async function look({ world, stop }: Context, kept: Kept, care: StoreCare): Promise<void> {
  try {
    for (let looks = 1; ; looks++) {
      kept.obstacles = await care.obstacles();
      if (kept.obstacles.found.length > 0 || looks === looksMax) return;
      await world.clock.sleep(lookAgainMs, stop);
    }
  } catch (error) {
    if (!isOperational(error)) throw error;
    // Could not look is an answer of its own: nothing is known, not "nothing holds it".
    kept.obstacles = { found: kept.obstacles?.found ?? [], blind: error.message };
    world.log.debug('monitor', 'could not look what holds up the store', { reason: error.message });
  }
}

const toldOf = ({ obstacles }: Kept) => ({ heldBy: obstacles?.found.map(({ text }) => text) ?? [], blind: obstacles?.blind ?? null });

const didNot = 'it did not work';

async function said(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (!isOperational(error)) throw error;
    return `${didNot}: ${error.message}`;
  }
}

/** What was done goes to people, too; what was only seen is a row. */
function keep(
  context: Context,
  what: string,
  detail: { readonly result?: string; readonly heldBy?: readonly string[]; readonly reason?: string; readonly slowMs?: number },
): void {
  const { result, heldBy = [] } = detail;
  if (result === undefined) {
    noteEvent(context, { kind: 'healing', what, detail: JSON.stringify({ actor: 'daemon', ...detail }) });
    return;
  }
  const outcome = result.startsWith(didNot) ? 'failed' : 'done';
  const before = heldBy.length === 0 ? 'slow; nobody was seen to hold it' : heldBy.join('; ');
  noteHealing(context, { what, detail: { actor: 'daemon', reason: 'the store stays slow', before, after: result, outcome } });
}

function beside(context: Context, work: () => Promise<void>): void {
  context.tasks.start('care', work, (error) => context.world.log.warn('monitor', 'care of the store failed', { reason: messageOf(error) }));
}
