import type { LogFields } from '../world.ts';

export type HumanLine = { readonly atMs: number; readonly level: string; readonly event: string; readonly fields: LogFields };

/** The same with its date and the level in brackets: for lines that are kept. */
export function dateTimeLine({ atMs, level, event, fields }: HumanLine): string {
  return `${new Date(atMs).toISOString()} [${level.toUpperCase()}] ${wordsOf(event, fields)}\n`;
}

/** One line for a terminal. What others wrote may move no cursor and begin no line. */
export function humanLine({ atMs, level, event, fields }: HumanLine): string {
  return `${new Date(atMs).toISOString().slice(11, 23)} ${level.toUpperCase().padEnd(8)} ${wordsOf(event, fields)}\n`;
}

function wordsOf(event: string, fields: LogFields): string {
  let words = event;
  for (const name in fields) {
    const value = fields[name];
    if (value !== null && value !== undefined) words += ` ${name}=${textOf(value)}`;
  }
  return harmless(words);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value === 'object' && value !== null && 'message' in value) return JSON.stringify(value.message);
  return JSON.stringify(value) ?? String(value);
}

const harmless = (text: string): string =>
  text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
