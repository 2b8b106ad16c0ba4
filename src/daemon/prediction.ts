import { fitPrediction, isBadOutcome, type PastSilence, percent, predict } from '../core/prediction.ts';
import type { World } from '../world.ts';
import type { Context } from './context.ts';
import { noteHealing } from './healing-events.ts';
import { isPredictable, modelIn, modelKey, signsOf } from './prediction-signs.ts';
import { chore } from './store-chores.ts';

const toldPrefix = 'prediction.told:';
/** The history changes slowly. */
const fitEveryMs = 600_000;
const runsMax = 2000;
const silencesMax = 200;
const silencesSinceMs = 7 * 86_400_000;
/** A few at a time: the loop has other things to do. */
const readAtOnce = 10;
const lookEveryMs = 30_000;
/** Told from here on, once a run. */
const tellFrom = 0.8;

/** Learns from what has ended on this machine, now and then and beside the loop; acts on nothing unless it is allowed to. */
export function keepPrediction(context: Context): void {
  chore(context, 'learn from ended runs', fitEveryMs, () => learn(context));
  if (context.config.behavior.act_on_prediction) chore(context, 'look what is likely', lookEveryMs, () => tellLikely(context));
}

async function learn({ world }: Context): Promise<void> {
  const runs = await world.store.pastRuns(world.host.id, runsMax);
  const silences = await silencesOf(world);
  const model = fitPrediction(runs, silences, world.clock.nowMs());
  await world.journal.setNote(modelKey, JSON.stringify(model));
  world.log.debug('monitor', 'learned from ended runs', { kind: model.kind, runs: model.runs, bad: model.bad });
}

async function silencesOf({ journal, clock }: Pick<World, 'journal' | 'clock'>): Promise<readonly PastSilence[]> {
  const found: PastSilence[] = [];
  const ids = journal.closed(clock.nowMs() - silencesSinceMs).slice(-silencesMax);
  for (const [index, id] of ids.entries()) {
    if (index % readAtOnce === readAtOnce - 1) await clock.sleep(0);
    const entry = journal.get(id);
    const outcome = entry?.ending?.outcome;
    if (entry === null || outcome === undefined || entry.silentMaxMs === undefined) continue;
    if (outcome === 'done' || isBadOutcome(outcome)) found.push({ bad: outcome !== 'done', silentMs: entry.silentMaxMs });
  }
  return found;
}

/** The least that could be done: a person hears of it while there is something to save. Once a run, whatever restarts. */
async function tellLikely(context: Context): Promise<void> {
  const { world, ledger } = context;
  const model = modelIn(world.journal);
  for (const entry of ledger.all().filter(isPredictable)) {
    const found = predict(model, signsOf(entry, world.clock.nowMs()));
    const { runId, todoId } = entry.ref;
    if (found.kind === 'none' || found.probability < tellFrom || world.journal.getNote(`${toldPrefix}${runId}`) !== null) continue;
    await world.journal.setNote(`${toldPrefix}${runId}`, String(world.clock.nowMs()));
    const reason = found.reasons.join('; ');
    const said = `todo ${entry.todo.number} is likely to hang or fail: ${percent(found.probability)}, where ${percent(found.baseRate)} of all do`;
    world.log.warn('monitor', 'likely to hang or fail', { todo: entry.todo.number, run: runId, probability: found.probability, reason });
    const detail = { actor: 'daemon', reason, before: said, after: 'a person was told; nothing else was done', outcome: 'done' } as const;
    noteHealing(context, { what: 'prediction.told', todoId, runId, detail });
  }
  const live = new Set(ledger.all().map(({ ref }) => `${toldPrefix}${ref.runId}`));
  const over = world.journal.notes(toldPrefix).filter(({ key }) => !live.has(key));
  if (over.length > 0) await world.journal.dropNotes(over.map(({ key }) => key));
}
