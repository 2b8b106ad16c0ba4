import { mkdirSync } from 'node:fs';
import type { Call } from '../command.ts';
import { readOnly } from './mounts.ts';
import { heldWork, type Outcome, openStage, todosEach } from './stage.ts';

/** Its word goes by the spool. An end that nobody could write down is a lost session, and that work is done again. */
const saysDone = heldWork('"$TODO_MARKER" done');

export async function foldersReadOnly(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  const { journal, home, store } = stage.opened.world;
  stage.start('daemon', 'run');
  await stage.add(todosEach, saysDone);
  await stage.until('all of them run', () => stage.runs().length === todosEach);
  const todoIds = stage.runs().map(({ ref }) => ref.todoId);
  mkdirSync(home.archive, { recursive: true, mode: 0o700 });
  using folders = new DisposableStack();
  for (const folder of [home.runs, home.archive]) folders.use(readOnly(folder));
  stage.letGo();
  const waiting = () => journal.live().filter(({ fact, lastError }) => fact === 'signalled' && lastError?.code === 'FILE_UNWRITABLE');
  const detectedMs = await stage.until('completions wait', () => waiting().length > 0);
  await stage.until('all of them wait', () => waiting().length === todosEach);
  folders.dispose();
  const fromMs = performance.now();
  const toll = await stage.toll();
  const mendedMs = Math.round(performance.now() - fromMs);
  const again = (await Promise.all(todoIds.map((id) => store.runsOf(id)))).filter((runs) => runs.length > 1).length;
  if (again > 0) throw new Error(`the work of ${again} todos that had said done was done again`);
  return { ...toll, detectedMs, mendedMs };
}
