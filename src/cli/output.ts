import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import { runFiles } from '../core/run-folder.ts';
import type { Todo } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import type { Call, Opened } from './command.ts';
import type { LogOptions } from './commands/logs.ts';
import { exit } from './exit-codes.ts';
import { followFile, readFrom } from './follow.ts';
import { write } from './out.ts';
import { findTodo } from './todos.ts';

/** What the agent printed: of the run that lives, else of the last one, from its folder or its archive. */
export async function showOutput(ref: string, options: LogOptions, call: Call): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const todo = await findTodo(opened.world.store, ref, 'looking up the output of');
  const path = await outputOf(todo, opened);
  if (path === null) {
    throw new OperationalError('REFUSED', {
      operation: 'looking for the output of',
      subject: `todo ${todo.number}`,
      why: todo.runId === null && todo.report === null ? 'it has not run yet' : 'it is not on this host',
      hint: `See: todo show ${todo.number}`,
    });
  }
  const output = await openOutput(path);
  const { from, text } = lastLines(output, options.lines);
  if (call.json) call.out.json('logs', { todo: todo.id, number: todo.number, path, output: text() });
  else await print(output, from, options.follow === true, todo, call, opened);
  return exit.yes;
}

async function outputOf(todo: Todo, { world }: Opened): Promise<string | null> {
  const runId = todo.runId ?? (await world.store.runsOf(todo.id)).toSorted((a, b) => a.fence - b.fence).at(-1)?.id;
  const live = runId === undefined ? null : runFiles(world.home.runs, runId).output;
  const archived = todo.report === null ? [] : ['output.txt', 'output.txt.gz'].map((name) => join(dirname(todo.report ?? ''), name));
  return [live, ...archived].find((path) => path !== null && existsSync(path)) ?? null;
}

type Output = {
  readonly path: string;
  readonly sizeBytes: number;
  readonly packed: boolean;
  read(fromByte: number, take: (bytes: Buffer) => void): void;
};

/** A large one is compressed in the archive, and at its end. */
async function openOutput(path: string): Promise<Output> {
  if (!path.endsWith('.gz'))
    return { path, sizeBytes: statSync(path).size, packed: false, read: (fromByte, take) => void readFrom(path, fromByte, take) };
  const { gunzipSync } = await import('node:zlib');
  const whole = gunzipSync(readFileSync(path));
  return { path, sizeBytes: whole.length, packed: true, read: (fromByte, take) => take(whole.subarray(fromByte)) };
}

/** Of a long log the end is what matters. */
const shownBytesMax = 8 * 1024 * 1024;

function lastLines(output: Output, lines: number): { from: number; text: () => string } {
  const floor = Math.max(0, output.sizeBytes - shownBytesMax);
  const chunks: Buffer[] = [];
  output.read(floor, (bytes) => chunks.push(bytes));
  const bytes = Buffer.concat(chunks);
  let at = bytes.length;
  if (at > 0 && bytes[at - 1] === newline) at -= 1;
  for (let left = lines; left > 0 && at > 0; left -= 1) at = bytes.lastIndexOf(newline, at - 1);
  const start = lines === 0 ? bytes.length : at < 0 ? 0 : at === 0 ? 0 : at + 1;
  return { from: floor + start, text: () => bytes.subarray(start).toString('utf8') };
}

const newline = 10;

async function print(output: Output, from: number, follow: boolean, todo: Todo, { out }: Call, { world }: Opened): Promise<void> {
  const decoder = new TextDecoder();
  const show = (bytes: Buffer) => {
    const text = decoder.decode(bytes, { stream: true });
    write(1, out.isTerminal ? harmless(text) : text);
  };
  if (!follow || output.packed) {
    output.read(from, show);
    return;
  }
  // Over when the run's journal entry says so; where another host runs it, when the file's todo has ended in the store.
  let ended = isTerminal(todo.status);
  const watchStore = async () => {
    while (!ended) {
      const now = await world.store.find(todo.id);
      ended = now === null || now.runId !== todo.runId;
      await world.clock.sleep(500);
    }
  };
  await Promise.all([watchStore(), followFile(output.path, from, show, () => ended)]);
}

/** Colours may reach the terminal; what moves the cursor, sets titles or asks the terminal something may not. */
const harmless = (text: string): string =>
  text.replace(
    /\x1b\[[0-9;:]*m|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/gs,
    (match) => (/^\x1b\[[0-9;:]*m$/.test(match) ? match : ''),
  );
