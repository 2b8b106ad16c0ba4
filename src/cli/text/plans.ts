import type { RecoveryPlan, RepairResult } from '../../core/control.ts';
import type { Out } from '../command.ts';
import { plain } from './plain.ts';

/** What would be done, why, what was seen and what could go wrong; or what came of it. */
export function planLines(plan: RecoveryPlan, result: RepairResult | undefined, { paint }: Pick<Out, 'paint'>): readonly string[] {
  const mark = result === undefined ? '·' : result.done ? paint('green', '✔') : paint('red', '✘');
  const came =
    result === undefined
      ? `    risk: ${plain(plan.risk)}${plan.automatic ? ' (the daemon does this by itself)' : ''}`
      : `    ${result.done ? 'done' : 'not done'}: ${plain(result.why)}`;
  return [
    `${mark} ${plan.action}  ${plain(plan.subject)}`,
    `    why:  ${plain(plan.why)}`,
    ...(result === undefined ? [paint('dim', `    seen: ${plain(plan.evidence.join('; '))}`)] : []),
    came,
  ];
}

export const notSeenText = (names: readonly string[]): string =>
  `Could not look at ${names.join(', ')}, so there may be more. See: todo health`;
