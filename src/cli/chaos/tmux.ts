import { homeId } from '../../platform/home.ts';
import { tmuxServer } from '../../platform/tmux-server.ts';
import type { Call } from '../command.ts';
import { heldWork, type Outcome, openStage, todosEach } from './stage.ts';

/** Null where there is one; else what is missing. */
export const whyNoTmux = (): string | null =>
  tmuxServer('todo-chaos').version() === null ? 'tmux not found (apt-get install tmux)' : null;

export async function tmuxKilled(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  const { journal, terminals } = stage.opened.world;
  const server = tmuxServer(`todo-${homeId(stage.folder)}`);
  stage.start('daemon', 'run');
  await stage.add(todosEach, heldWork('echo done'), 'tmux');
  try {
    await stage.running();
    const victims = stage.runs().map(({ ref }) => ref);
    const fromMs = performance.now();
    process.kill(Number(server.run(['display-message', '-p', '#{pid}'])), 'SIGKILL');
    stage.letGo();
    await stage.until('their end is heard', () => victims.every(({ runId }) => journal.get(runId)?.fact !== 'running'));
    const detectedMs = Math.round(performance.now() - fromMs);
    const isReplaced = (victim: (typeof victims)[number]): boolean =>
      journal.ofTodo(victim.todoId).some(({ ref, session }) => ref.runId !== victim.runId && session?.kind === 'tmux');
    await stage.until('new attempts in new windows', () => victims.every(isReplaced));
    const mendedMs = Math.round(performance.now() - fromMs);
    return { ...(await stage.toll()), detectedMs, mendedMs };
  } finally {
    for (const window of terminals.list() ?? []) terminals.end(window);
  }
}
