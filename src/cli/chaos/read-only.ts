import { mkdirSync } from 'node:fs';
import type { Call } from '../command.ts';
import { readOnly } from './mounts.ts';
import { heldWork, type Outcome, openStage, todosEach } from './stage.ts';

/** Some say it by the spool; the others only end, and how they ended is written beside their log. */
const saysDone = heldWork('"$TODO_MARKER" done');
const endsOnly = heldWork('true');

/** Of a run that is silent for a quarter of its time it is asked whether it has ended and cannot say so. */
const config = { behavior: { quiet_after: 0.1, term_grace: 1, lease: 30, completion_timeout: 20 } };

export async function foldersReadOnly(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call, { config });
  const { journal, home, store } = stage.opened.world;
  stage.start('daemon', 'run');
  await stage.add(todosEach, saysDone);
  await stage.add(todosEach, endsOnly);
  await stage.until('all of them run', () => stage.runs().length === 2 * todosEach);
  const todos = stage.runs().map(({ todo }) => todo);
  mkdirSync(home.archive, { recursive: true, mode: 0o700 });
  using folders = new DisposableStack();
  for (const folder of [home.runs, home.archive]) folders.use(readOnly(folder));
  stage.letGo();
  const waiting = () => journal.live().filter(({ fact, lastError }) => fact === 'signalled' && lastError?.code === 'FILE_UNWRITABLE');
  const detectedMs = await stage.until('completions wait', () => waiting().length > 0);
  await stage.until('all of them wait, those that only ended too', () => waiting().length === todos.length);
  folders.dispose();
  const fromMs = performance.now();
  const toll = await stage.toll();
  const mendedMs = Math.round(performance.now() - fromMs);
  const again = (await Promise.all(todos.map(({ id }) => store.runsOf(id)))).filter((runs) => runs.length > 1).length;
  if (again > 0) throw new Error(`the work of ${again} todos that had ended or said done was done again`);
  return { ...toll, detectedMs, mendedMs };
}
