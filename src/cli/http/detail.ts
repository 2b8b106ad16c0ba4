import { stripVTControlCharacters } from 'node:util';
import { redactorFor } from '../../completion/redactor-for.ts';
import type { TodoDetail } from '../../core/dashboard.ts';
import { type Entry, hasEnded } from '../../core/entry.ts';
import { runFiles } from '../../core/run-folder.ts';
import { actionsFor } from '../../core/todo-actions.ts';
import { isTerminal } from '../../core/words.ts';
import type { World } from '../../world.ts';
import { storyOf } from '../commands/why.ts';
import { inSnapshot } from '../stale.ts';
import { shownStatus, withRuns } from '../todos.ts';
import { shownNote } from './parts.ts';
import { lineOf, patientStore, type StoreNeeds } from './todos.ts';

export type DetailNeeds = StoreNeeds & { readonly secrets: () => readonly string[] };

const outputBytesMax = 64 * 1024;
/** Read before what is shown, so that a secret that begins there is known whole. */
const contextBytes = 16 * 1024;
const notesMax = 200;

/** As `todo show` and `todo why` tell of it; from the snapshot while the store is away. */
export async function detailOf(ref: string, needs: DetailNeeds): Promise<TodoDetail | null> {
  const { world } = needs;
  const { store, stale } = patientStore(needs);
  const found = await store.find(ref);
  if (found === null) return null;
  const { todo, runs } = await withRuns(found, store);
  const opened = { world: { ...world, store }, stale };
  const events = await storyOf(todo, opened);
  const notes = await inSnapshot(opened, null, () => store.notesOf(todo.id));
  const live = liveEntry(todo.id, todo.runId, world);
  const away = stale();
  return {
    schemaVersion: 1,
    kind: 'todo-detail',
    todo: {
      ...lineOf({ ...todo, status: shownStatus(todo, world.journal) }),
      prompt: todo.prompt,
      cwd: todo.cwd,
      checks: todo.checks,
      report: todo.report,
      runs: runs.map(({ id, fence, agent, host, round, startedAtMs, endedAtMs, outcome, saidBy }) => ({
        ...{ id, fence, agent, host, round, startedAtMs, endedAtMs, outcome, saidBy },
      })),
    },
    // Clocks are set now and then: no time is negative.
    events: events.map((event) => ({ ...event, durationMs: event.durationMs === null ? null : Math.max(0, event.durationMs) })),
    output: live === null ? null : outputOf(live, needs),
    actions: isTerminal(todo.status) ? [] : actionsFor(todo, live),
    notes:
      notes === null
        ? null
        : notes
            .toReversed()
            .slice(0, notesMax)
            .map((note) => shownNote({ ...note, todoId: todo.id, number: todo.number })),
    ...(away !== null && { stale: true, asOf: new Date(away.asOfMs).toISOString(), storeError: away.why }),
  };
}

const liveEntry = (todoId: string, runId: string | null, { journal }: Pick<World, 'journal'>): Entry | null =>
  journal.ofTodo(todoId).find(({ ref, fact }) => ref.runId === runId && !hasEnded(fact)) ?? null;

function outputOf(entry: Entry, { world, secrets }: DetailNeeds): TodoDetail['output'] {
  const { output: path } = runFiles(world.home.runs, entry.ref.runId);
  const sizeBytes = world.files.stat(path)?.sizeBytes ?? 0;
  const fromByte = Math.max(0, sizeBytes - outputBytesMax - contextBytes);
  const bytes = world.files.readRange(path, fromByte, outputBytesMax + contextBytes) ?? new Uint8Array();
  return shownOutput(bytes, { isWhole: fromByte === 0, redact: redactorFor(entry, { world, secrets: secrets() }) });
}

/** Without what moves a cursor or cannot be seen, without secrets, and of that the end. */
export function shownOutput(
  bytes: Uint8Array,
  { isWhole, redact }: { readonly isWhole: boolean; readonly redact: (text: string) => string },
): NonNullable<TodoDetail['output']> {
  const text = redact(visible(bytes));
  // Of what was read from its middle the beginning is context alone.
  const context = isWhole ? 0 : visible(bytes.subarray(0, contextBytes)).length;
  const keptFrom = Math.max(context, text.length - outputBytesMax);
  return { text: text.slice(keptFrom), truncated: !isWhole || keptFrom > 0 };
}

const visible = (bytes: Uint8Array): string =>
  stripVTControlCharacters(new TextDecoder().decode(bytes))
    .replace(/\r+\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\p{Bidi_Control}]/gu, '');
