import { withEnvironment } from '../../platform/proc.ts';
import type { Call } from '../command.ts';
import { openMemoryCage } from './memory-cage.ts';
import { heldWork, type Outcome, openStage, shortWork, todosEach, watched } from './stage.ts';

const megabyte = 1024 * 1024;
/** `tail` keeps what it will print: 32 MB. */
const greedyWork = heldWork('head -c 64m /dev/zero | tail -c 32m >/dev/null && echo done');

export async function agentOutOfMemory(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  await using cage = openMemoryCage(8 * megabyte);
  stage.start('daemon', 'run');
  await stage.add(todosEach, greedyWork);
  const { journal } = stage.opened.world;
  await stage.running();
  const [victim] = stage.runs();
  if (victim === undefined) throw new Error('no agent runs');
  // What one of them starts while it is taken is found at the next look; once nobody new is found, all that comes is in it.
  await stage.until('all of it is in the cage', () => {
    const agent = withEnvironment('TODO_RUN', victim.ref.runId);
    return agent.length > 0 && agent.filter(({ pid }) => cage.take(pid)).length === 0;
  });
  stage.letGo();
  const fromMs = performance.now();
  await stage.until('the kernel ends it', () => cage.kills() > 0);
  await stage.until('its end is heard', () => journal.get(victim.ref.runId)?.fact !== 'running');
  const detectedMs = Math.round(performance.now() - fromMs);
  await stage.until('a new attempt', () => journal.ofTodo(victim.ref.todoId).some(({ ref }) => ref.runId !== victim.ref.runId));
  const mendedMs = Math.round(performance.now() - fromMs);
  const toll = await stage.toll();
  const first = (await stage.opened.world.store.runsOf(victim.ref.todoId)).find(({ id }) => id === victim.ref.runId);
  if (first?.outcome !== 'lost') throw new Error(`the run that the kernel ended counts as ${first?.outcome}`);
  return { ...toll, detectedMs, mendedMs };
}

export async function daemonOutOfMemory(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  await using cage = openMemoryCage(megabyte / 16);
  stage.start(...watched);
  const before = await stage.healthy();
  await stage.add(todosEach, shortWork);
  await stage.running();
  const fromMs = performance.now();
  cage.take(before);
  await stage.until('the kernel ends it', () => cage.kills() > 0);
  const detectedMs = Math.round(performance.now() - fromMs);
  await stage.until('another daemon answers', async () => ![undefined, before].includes((await stage.status())?.pid));
  const mendedMs = Math.round(performance.now() - fromMs);
  return { ...(await stage.toll()), detectedMs, mendedMs };
}
