import type { WhyEvent } from '../../core/dashboard.ts';
import { healingEventOf, healingText } from '../../core/healing-event.ts';
import { isObject } from '../../core/shape.ts';
import type { Todo } from '../../core/todo.ts';
import { isTerminal } from '../../core/words.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { changeOfTodo, type HistoryNote } from '../history.ts';
import { riskOf, riskText } from '../risks.ts';
import { scheduledJson, scheduledOf, scheduledText } from '../schedule.ts';
import { inSnapshot, staleJson, staleLine } from '../stale.ts';
import { plain } from '../text/plain.ts';
import { statusText } from '../text/status.ts';
import { type Cell, table } from '../text/table.ts';
import { clockText, momentText, tookText } from '../text/times.ts';
import { findTodo, refOf, shownStatus } from '../todos.ts';

export const command: CommandModule = {
  async run(call) {
    const ref = refOf(call, 'why');
    await using opened = await call.open({ readOnly: true, snapshot: true });
    const todo = await findTodo(opened.world.store, ref, 'looking up');
    const status = shownStatus(todo, opened.world.journal);
    const events = await storyOf(todo, opened);
    const scheduled = isTerminal(status) ? null : scheduledOf(todo.id, opened.world.journal);
    const risk = isTerminal(status) ? null : riskOf(opened, todo.id);
    const fields = { todo: todo.id, number: todo.number, status, proof: todo.proof, reason: todo.reason };
    call.out.json('why', { ...fields, scheduled: scheduledJson(scheduled, status), prediction: risk, events, ...staleJson(opened) });
    const stale = opened.stale();
    if (stale !== null) call.out.line(staleLine(stale));
    tell(todo, status, events, call);
    if (risk !== null) for (const line of riskText(risk)) call.out.line(plain(line));
    if (scheduled !== null) call.out.line(`\nIt ${scheduledText(scheduled, Date.now())} (${momentText(scheduled.atMs)}).`);
    return exit.yes;
  },
};

/** From the journal while it remembers the run, else from the evidence that was recorded with it. */
export async function storyOf(todo: Todo, { world, stale }: Pick<Opened, 'world' | 'stale'>): Promise<WhyEvent[]> {
  const entries = world.journal.ofTodo(todo.id);
  const runs = await world.store.runsOf(todo.id);
  const remembered = new Set(entries.map(({ ref }) => ref.runId));
  const events: WhyEvent[] = [
    { atMs: todo.createdAtMs, fact: 'added', layer: null, attempt: 0, durationMs: null, reason: null, run: null },
  ];
  for (const entry of entries) events.push(...entry.timeline.map((line) => ({ ...line, run: entry.ref.runId })));
  const elsewhere = runs.filter(({ id }) => !remembered.has(id));
  for (const run of elsewhere)
    events.push(
      ...((await inSnapshot({ stale }, null, () => fromEvidence(run.id, world.store))) ?? [onlyInStore(run.startedAtMs, run.id)]),
    );
  for (const note of (await inSnapshot({ stale }, null, () => world.store.notesOf(todo.id))) ?? []) {
    if (note.kind === 'retry') continue;
    const event = { atMs: note.atMs, layer: null, attempt: 0, durationMs: null, run: null };
    const change = note.kind === 'audit' ? changeIn(note) : null;
    const reason = note.kind === 'healing' ? healingText(healingEventOf({ id: '', todoId: todo.id, ...note })) : note.detail;
    if (change === null) events.push({ ...event, fact: note.what, reason: reason || null });
    // What a run did stands in its own story.
    else if (note.runId === null) events.push({ ...event, ...change });
  }
  return events.sort((a, b) => a.atMs - b.atMs);
}

/** What a snapshot has not. */
const onlyInStore = (atMs: number, run: string): WhyEvent => ({
  atMs,
  fact: 'unknown',
  layer: null,
  attempt: 0,
  durationMs: null,
  reason: 'the story of this run is in the store, which is away',
  run,
});

async function fromEvidence(runId: string, store: Opened['world']['store']): Promise<WhyEvent[]> {
  const stored = await store.readBack(runId);
  if (stored === null) return [];
  let evidence: unknown;
  try {
    evidence = JSON.parse(stored.record.evidence);
  } catch {
    // Stored only in part: the whole is in the archive, and the run's row still says how it ended.
    return [
      { atMs: stored.record.endedAtMs, fact: 'recorded', layer: 3, attempt: 1, durationMs: null, reason: stored.record.reason, run: runId },
    ];
  }
  const timeline = isObject(evidence) && Array.isArray(evidence['timeline']) ? (evidence['timeline'] as Omit<WhyEvent, 'run'>[]) : [];
  return timeline.map((line) => ({ ...line, run: runId }));
}

/** What somebody did to a todo that no run was working on. */
function changeIn({ what, detail }: HistoryNote): { fact: string; reason: string } | null {
  const change = changeOfTodo(detail);
  if (change === null) return null;
  const fact = what === 'held' ? (change.to === 1 ? 'held' : 'unheld') : String(change.to);
  return {
    fact,
    reason: `${change.from === null || what === 'held' ? '' : `was ${change.from}, `}by ${change.by ?? 'somebody'}${change.reason ? `: ${change.reason}` : ''}`,
  };
}

const layerNames = { 1: 'collect', 2: 'report', 3: 'record', 4: 'confirm' } as const;

function tell(todo: Todo, status: ReturnType<typeof shownStatus>, events: readonly WhyEvent[], { out }: Call): void {
  const { paint } = out;
  const nowMs = Date.now();
  out.line(`${paint('bold', `${todo.number}  ${plain(todo.title)}`)}`);
  out.line(`${statusText(status, todo.proof, paint)}${todo.proof ? `, ${todo.proof}` : ''}${todo.reason ? `: ${plain(todo.reason)}` : ''}`);
  out.line();
  const severalRuns = new Set(events.map(({ run }) => run).filter((run) => run !== null)).size > 1;
  const rows = events.map((event): Cell[] => [
    { text: clockText(event.atMs, nowMs), colour: 'dim' },
    ...(severalRuns ? [event.run === null ? '' : event.run.slice(-4)] : []),
    event.layer === null ? '' : { text: `${event.layer} ${layerNames[event.layer]}`, colour: 'cyan' },
    bad.has(event.fact) ? { text: event.fact, colour: 'yellow' } : event.fact,
    event.durationMs === null ? '' : { text: tookText(event.durationMs), colour: 'dim' },
    `${event.attempt > 1 ? `attempt ${event.attempt}: ` : ''}${event.reason === null ? '' : plain(event.reason)}`,
  ]);
  const columns = [
    { title: 'WHEN' },
    ...(severalRuns ? [{ title: 'RUN' }] : []),
    { title: 'LAYER' },
    { title: 'FACT' },
    { title: 'TOOK', align: 'right' as const },
    { title: 'WHY', grows: 'fold' as const },
  ];
  for (const line of table(columns, rows, out.columns, paint)) out.line(line);
}

const bad = new Set(['disproved', 'failed-attempt', 'dead-lettered', 'emergency', 'stalled', 'sent-back', 'warned', 'late-signal']);
