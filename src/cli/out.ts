import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Colour, Out, Paint } from './command.ts';

/** What a reader that has gone away means: nobody is listening, so there is nothing left to say. */
const readerGone = 'EPIPE';

export function makeOut(options: { readonly json: boolean; readonly env: Readonly<Record<string, string | undefined>> }): Out {
  const { json, env } = options;
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  // Asked only where the answer matters: loading node:tty is a good part of a short call.
  const stdoutIsTerminal = !json && isatty(1);
  const stderrIsTerminal = !json && isatty(2);
  const spins = stderrIsTerminal && !json && !plain;
  let said = false;
  return {
    json(kind, fields) {
      if (!json) return;
      if (said) throw new Error(`a second JSON document (${kind}) in one call`);
      said = true;
      write(1, `${JSON.stringify({ schemaVersion: 1, kind, ...fields })}\n`);
    },
    line: (text = '') => json || write(1, `${text}\n`),
    note: (text) => json || write(2, `${text}\n`),
    paint: stdoutIsTerminal && !plain && !json ? paint : (_colour, text) => text,
    get columns() {
      return stdoutIsTerminal ? (process.stdout.columns ?? 80) : 80;
    },
    isTerminal: stdoutIsTerminal && !json,
    spins,
    async spin(step) {
      if (!spins) return silentSpinner;
      const { makeSpinner } = await import('./spinner.ts');
      return makeSpinner(step);
    },
  };
}

/** Writes all of it before it returns, so that leaving at once loses nothing. */
export function write(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === readerGone) process.exit(process.exitCode ?? 0);
      if (code !== 'EAGAIN') throw error;
      // The reader is slower than we are and its pipe does not block: give it a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

const codes: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
  grey: [90, 39],
  bold: [1, 22],
  dim: [2, 22],
};

export const paint: Paint = (colour, text) => {
  const [on, off] = codes[colour];
  return `\x1b[${on}m${text}\x1b[${off}m`;
};

const silentSpinner = { step() {}, end() {}, [Symbol.dispose]() {} };
