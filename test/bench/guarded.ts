// What the resilience kernel costs beside its peers: the ratios of resilience.ts, as part of the table.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { figure } from './figures.ts';
import { root } from './home.ts';
import type { Ratio } from './resilience.ts';

/** A process of its own: what ran before in this one would be in the measure. */
export async function guarded(): Promise<void> {
  const args = [join(root, 'test/bench/resilience.ts'), '--quick', '--json'];
  const ratios: readonly Ratio[] = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  for (const { what, ratio, aim } of ratios)
    figure(what, `${ratio.toFixed(3)} ×`, aim === null ? 'reported' : `≤ ${aim} ×`, aim === null ? null : ratio <= aim);
}
