import { endOne } from '../../platform/end-processes.ts';
import type { Call } from '../command.ts';
import { type Outcome, openStage, type Stage, shortWork, todosEach, watched } from './stage.ts';

const drainMs = 15_000;

export async function watchdogKilled(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  const first = stage.start(...watched);
  const daemon = await stage.healthy();
  await stage.add(todosEach, shortWork);
  await stage.running();
  const fromMs = performance.now();
  first.kill('SIGKILL');
  await stage.until('the daemon has missed it', () => ![undefined, first.pid].includes(stage.watchdog()?.watchdog.pid));
  const detectedMs = Math.round(performance.now() - fromMs);
  try {
    const after = await stage.healthy();
    const mendedMs = Math.round(performance.now() - fromMs);
    if (after !== daemon || stage.watchdog()?.child?.process.pid !== daemon)
      throw new Error('the new watchdog did not take the daemon over as it is');
    return { ...(await stage.toll()), detectedMs, mendedMs };
  } finally {
    await endSecond(stage);
  }
}

/** It is the child of nobody here; with it its daemon ends. */
async function endSecond(stage: Stage): Promise<void> {
  const second = stage.watchdog()?.watchdog;
  if (second !== undefined) await endOne(second, drainMs);
}
