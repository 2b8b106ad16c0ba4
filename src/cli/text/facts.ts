import type { Out } from '../command.ts';
import { fold, pad } from './plain.ts';

const labelColumns = 10;

/** `label     value` lines; a null value is left out, long ones are folded under themselves. Paint stays with short values, since folding counts columns. */
export function facts(
  pairs: readonly (readonly [label: string, value: string | null])[],
  { paint, columns }: Pick<Out, 'paint' | 'columns'>,
): string[] {
  const room = Math.max(20, columns - labelColumns - 2);
  return pairs.flatMap(([label, value]) => {
    if (value === null || value === '') return [];
    const lines = value.split('\n').flatMap((line) => (line.includes('\x1b') ? [line] : fold(line, room)));
    return lines.map((line, index) => `${index === 0 ? paint('dim', pad(label, labelColumns)) : ' '.repeat(labelColumns)}  ${line}`);
  });
}
