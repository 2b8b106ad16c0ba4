// How figures are told: each as soon as it is there, and all as one table at the end.
import { parseArgs } from 'node:util';

/** `--quick`: fewer rounds. `--todos`, `--runs`: other sizes than those of the table. */
export const { values: asked } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean' },
    write: { type: 'boolean' },
    todos: { type: 'string' },
    runs: { type: 'string' },
  },
});
export const pairs = asked.quick ? 9 : 21;
export const rounds = asked.quick ? 1 : 3;
/** That come at once. */
export const markers = 500;

export type Figure = { readonly what: string; readonly measured: string; readonly aim: string; readonly met: boolean | null };
export const figures: Figure[] = [];

export function figure(what: string, measured: string, aim = 'reported', met: boolean | null = null): void {
  figures.push({ what, measured, aim, met });
  process.stderr.write(`${met === false ? '✖' : '✔'} ${what}: ${measured} (${aim})\n`);
}

/** Empty where nothing was measured. */
export function table(): string {
  if (figures.length === 0) return '';
  const rows = figures.map(({ what, measured, aim, met }) => `| ${what} | ${measured} | ${aim}${met === false ? ', **missed**' : ''} |`);
  return ['| what | measured | aim |', '|---|---|---|', ...rows].join('\n');
}

export const median = (seen: readonly number[]): number => [...seen].sort((a, b) => a - b)[Math.floor(seen.length / 2)] ?? Number.NaN;

/** A, B, A, B …: the machine's moods hit both. */
export function beside(a: () => number, b: () => number): { readonly a: number; readonly b: number; readonly ratio: number } {
  a();
  b();
  const seen = Array.from({ length: pairs }, () => ({ a: a(), b: b() }));
  return { a: median(seen.map((it) => it.a)), b: median(seen.map((it) => it.b)), ratio: median(seen.map((it) => it.a / it.b)) };
}
