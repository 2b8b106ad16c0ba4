import { healingEventOf, healingText } from '../core/healing-event.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import type { Todo } from '../core/todo.ts';
import type { Call, Opened } from './command.ts';
import { discussionOf } from './discussion.ts';
import { exit } from './exit-codes.ts';
import { plain } from './text/plain.ts';
import { endText } from './text/status.ts';
import { table } from './text/table.ts';
import { clockText } from './text/times.ts';

/** One thing that happened to a todo. */
export type HistoryEvent = {
  readonly atMs: number;
  /** audit: it was changed · run, healing, retry: what was done about it · comment, attachment. */
  readonly kind: string;
  readonly what: string;
  /** Values before and after, where something changed. */
  readonly from: string | number | null;
  readonly to: string | number | null;
  /** Who or what did it; null where nobody noted it. */
  readonly by: string | null;
  readonly detail: string;
  readonly run: string | null;
};

/** Every change of a todo, oldest first: from the todo's row, its runs and their records, and the rows that each other change leaves. */
export async function historyOf(todo: Todo, { store }: Pick<Opened['world'], 'store'>): Promise<HistoryEvent[]> {
  const said = await discussionOf(todo.id, store);
  const notes = (await store.notesOf(todo.id)).map(fromNote);
  const events: HistoryEvent[] = [added(todo), ...notes];
  let before = todo.createdAtMs;
  for (const run of await store.runsOf(todo.id)) {
    const runs = { kind: 'run', run: run.id } as const;
    const by = run.kind === 'external' || run.kind === 'person' ? 'person' : `${run.agent} on ${run.host}`;
    events.push({ ...runs, atMs: run.startedAtMs, what: 'status', from: null, to: 'claimed', by, detail: `run #${run.fence}` });
    const stored = run.endedAtMs === null ? null : await store.readBack(run.id);
    if (stored === null) continue;
    const { record } = stored;
    // It ended by the host's clock, and what happened to it before by the store's.
    before = Math.max(record.endedAtMs, run.startedAtMs, ...notes.filter((note) => note.run === run.id).map(({ atMs }) => atMs));
    events.push({
      ...runs,
      atMs: before,
      what: 'status',
      from: null,
      to: endText(record.todoStatus, record.proof),
      by: record.saidBy,
      detail: `run #${run.fence} ${record.outcome}${record.reason === null ? '' : `: ${record.reason}`}`,
    });
  }
  for (const { atMs, author, text, runId } of said.comments)
    events.push({ atMs, kind: 'comment', what: 'comment', from: null, to: null, by: author, detail: text, run: runId });
  for (const { atMs, author, name, sizeBytes, sha256, runId } of said.attachments)
    events.push({
      ...{ atMs, kind: 'attachment', what: 'attached', from: null, to: name, by: author, run: runId },
      detail: `${sizeBytes} bytes, sha256 ${sha256}`,
    });
  return withStatusBefore(events.sort((a, b) => a.atMs - b.atMs || order(a) - order(b)));
}

/** Of what happened in one millisecond a claim comes before what became of it. */
const order = ({ kind, to }: HistoryEvent): number => (kind === 'run' ? (to === 'claimed' ? 0 : 2) : 1);

const added = (todo: Todo): HistoryEvent => ({
  ...{ atMs: todo.createdAtMs, kind: 'audit', what: 'added', from: null, to: 'open', by: 'person', run: null },
  detail: todo.after === null ? '' : `after ${todo.after}`,
});

export type HistoryNote = Awaited<ReturnType<Opened['world']['store']['notesOf']>>[number];

/** A change says from, to and who in its detail; what else was noted stands as it is. */
function fromNote({ atMs, kind, what, detail, runId }: HistoryNote): HistoryEvent {
  const change = kind === 'audit' ? changeOfTodo(detail) : null;
  const event = { atMs, kind, what, run: runId };
  if (kind === 'healing') {
    const healed = healingEventOf({ id: '', atMs, todoId: null, runId, what, detail });
    return { ...event, from: null, to: null, by: healed.actor, detail: healingText(healed) };
  }
  return change === null
    ? { ...event, from: null, to: null, by: null, detail }
    : { ...event, from: change.from, to: change.to, by: change.by, detail: change.reason ?? '' };
}

type Change = Pick<HistoryEvent, 'from' | 'to' | 'by'> & { readonly reason: string | null };

/** The row that a change of a todo leaves (store/notes.ts); null for any other note. */
export function changeOfTodo(detail: string): Change | null {
  if (!detail.startsWith('{"from":')) return null;
  const said = parsedJson(detail);
  return isObject(said) && 'to' in said ? (said as Change) : null;
}

/** Runs say what a todo became; what it was before is what the last change left. */
function withStatusBefore(events: readonly HistoryEvent[]): HistoryEvent[] {
  let status: string | number | null = null;
  return events.map((event) => {
    if (event.what !== 'status' && event.what !== 'added') return event;
    const from = event.kind === 'run' ? status : event.from;
    status = event.to;
    return { ...event, from };
  });
}

export async function showHistory(todo: Todo, { out }: Call, { world }: Opened): Promise<number> {
  const events = await historyOf(todo, world);
  out.json('history', { todo: todo.id, number: todo.number, events });
  const nowMs = world.clock.nowMs();
  out.line(out.paint('bold', `${todo.number}  ${plain(todo.title)}`));
  const rows = events.map((event) => [
    clockText(event.atMs, nowMs),
    plain(event.kind === 'retry' || event.kind === 'healing' ? `${event.kind}: ${event.what}` : event.what),
    fromTo(event),
    plain(event.by ?? ''),
    plain(event.detail),
  ]);
  const columns = [{ title: 'WHEN' }, { title: 'WHAT' }, { title: 'FROM → TO' }, { title: 'BY' }, { title: '', grows: 'fold' as const }];
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  return exit.yes;
}

function fromTo({ what, from, to }: HistoryEvent): string {
  if (to === null) return '';
  if (what === 'held') return to === 1 ? 'no → yes' : 'yes → no';
  return plain(from === null ? String(to) : `${from} → ${to}`);
}
