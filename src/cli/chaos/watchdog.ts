import type { Call } from '../command.ts';
import { type Outcome, openStage, shortWork, todosEach, watched } from './stage.ts';

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
  const after = await stage.healthy();
  const mendedMs = Math.round(performance.now() - fromMs);
  if (after !== daemon || stage.watchdog()?.child?.process.pid !== daemon)
    throw new Error('the new watchdog did not take the daemon over as it is');
  return { ...(await stage.toll()), detectedMs, mendedMs };
}
