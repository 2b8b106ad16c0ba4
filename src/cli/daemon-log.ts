import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { OperationalError } from '../core/errors.ts';
import { isObject } from '../core/shape.ts';
import type { Call, Colour } from './command.ts';
import type { LogOptions } from './commands/logs.ts';
import { exit } from './exit-codes.ts';
import { followFile, readFrom } from './follow.ts';
import { write } from './out.ts';
import { plain } from './text/plain.ts';
import { clockText } from './text/times.ts';

type Line = {
  readonly atMs: number;
  readonly level: Level;
  readonly room: Room;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
};
const rooms = ['completion', 'monitor', 'emergency'] as const;
type Room = (typeof rooms)[number];
const levels = ['debug', 'info', 'warn', 'error', 'critical'] as const;
type Level = (typeof levels)[number];
const levelColours: Readonly<Record<Level, Colour>> = { debug: 'grey', info: 'cyan', warn: 'yellow', error: 'red', critical: 'red' };

/** What the daemon wrote, all three logs in the order of time. */
export async function showLog(options: LogOptions, call: Call): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const { home } = opened.world;
  const named = options.todo === undefined ? null : await opened.world.store.find(options.todo);
  // Lines name a todo by its number; alarms by its id too.
  const refs = [options.todo, named?.number, named?.id].filter((it) => it !== undefined).map(String);
  const isOfTodo = ({ fields }: Line) =>
    options.todo === undefined || refs.includes(String(fields['todo'])) || refs.includes(String(fields['id']));
  const wanted = (line: Line) =>
    levels.indexOf(line.level) >= levels.indexOf(options.level) && line.atMs >= (options.since ?? 0) && isOfTodo(line);
  const ends = new Map<Room, number>();
  const lines = rooms.flatMap((room) => {
    const { end, found } = linesOf(room, home.logs, wanted, options);
    ends.set(room, end);
    return found;
  });
  const shown = withoutCopies(lines.sort((a, b) => a.atMs - b.atMs));
  const last = options.lines === 0 ? [] : shown.slice(-options.lines);
  if (!options.follow) call.out.json('logs', { folder: home.logs, lines: last.map(document) });
  const seen = new Set<string>();
  const print = (line: Line) => {
    // A critical line stands in its room's log and in emergency.log.
    const text = textOf(line, call);
    if (line.level === 'critical' && seen.has(text)) return;
    if (line.level === 'critical') seen.add(text);
    if (options.follow && call.json) write(1, `${JSON.stringify({ schemaVersion: 1, kind: 'log', line: document(line) })}\n`);
    else call.out.line(text);
  };
  for (const line of last) print(line);
  if (last.length === 0) call.out.note(nothingShown());
  function nothingShown(): string {
    if (!existsSync(home.logs)) return `No daemon has run in ${home.root} yet.`;
    return options.todo !== undefined && named === null
      ? `No lines fit: there is no todo ${options.todo}. See: todo list`
      : 'No lines fit.';
  }
  if (options.follow) {
    await Promise.all(
      rooms.map((room) => {
        const reader = lineReader(room);
        return followFile(
          join(home.logs, `${room}.log`),
          ends.get(room) ?? 0,
          (bytes) => reader(bytes).filter(wanted).forEach(print),
          () => false,
        );
      }),
    );
  }
  return exit.yes;
}

/** A critical line stands in its room's log and in emergency.log; it is one line. */
function withoutCopies(lines: readonly Line[]): Line[] {
  const critical = new Set<string>();
  return lines.filter(({ room: _, ...line }) => {
    if (line.level !== 'critical') return true;
    const text = JSON.stringify(line);
    return !critical.has(text) && critical.add(text);
  });
}

const document = ({ atMs, level, room, event, fields }: Line) => ({ atMs, level, room, event, ...fields });

/** Of a log and those that were put aside, the newest first, as far back as is asked for. `end`: where the one that is written now ends. */
function linesOf(
  room: Room,
  folder: string,
  wanted: (line: Line) => boolean,
  { since, lines }: LogOptions,
): { readonly found: readonly Line[]; readonly end: number } {
  const current = join(folder, `${room}.log`);
  const reader = lineReader(room);
  const found: Line[] = [];
  const end = readFrom(current, 0, (bytes) => found.push(...reader(bytes).filter(wanted)));
  for (const path of putAside(room, folder, since ?? 0)) {
    if (found.length >= lines) break;
    for (const line of lineReader(room)(Buffer.concat([contentOf(path), lineEnd]))) if (wanted(line)) found.push(line);
  }
  return { found, end };
}

const lineEnd = Buffer.from('\n');
/** A log of the largest size that may be configured, packed by somebody's logrotate. */
const unpackedBytesMax = 1024 * 1024 * 1024;

/** `completion.log.1`, `completion.log.2.gz`, `completion.log-20300131.gz`: what was written last comes first. One that nobody has written since is left out. */
function putAside(room: Room, folder: string, sinceMs: number): string[] {
  return namesIn(folder)
    .filter((name) => name.startsWith(`${room}.log.`) || name.startsWith(`${room}.log-`))
    .map((name) => join(folder, name))
    .flatMap((path) => {
      const writtenAtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
      return writtenAtMs === undefined || writtenAtMs < sinceMs ? [] : [{ path, writtenAtMs }];
    })
    .sort((a, b) => b.writtenAtMs - a.writtenAtMs)
    .map(({ path }) => path);
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** One that is put aside further while it is read has another name; what it holds was or will be read under that one. */
function contentOf(path: string): Buffer {
  try {
    const bytes = readFileSync(path);
    return path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: unpackedBytesMax }) : bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw new OperationalError('FILE_UNREADABLE', { operation: 'reading', subject: path, cause: error });
  }
}

function lineReader(room: Room): (bytes: Buffer) => Line[] {
  const decoder = new TextDecoder();
  let rest = '';
  return (bytes) => {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    return parts.flatMap((part) => parsed(part, room) ?? []);
  };
}

function parsed(text: string, room: Room): Line | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const { time, level, event, room: _room, ...fields } = value;
  return { atMs: Date.parse(String(time)), level: levelOf(level), room, event: String(event ?? ''), fields };
}

function levelOf(level: unknown): Level {
  const word = String(level).toLowerCase();
  return (levels as readonly string[]).includes(word) ? (word as Level) : 'info';
}

function textOf(line: Line, { out }: Call): string {
  const fields = Object.entries(line.fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${out.paint('dim', `${name}=`)}${valueText(value)}`);
  return `${out.paint('dim', clockText(line.atMs, Date.now()))} ${out.paint(levelColours[line.level], line.level.padEnd(8))} ${plain(line.event)}${fields.length > 0 ? `  ${fields.join(' ')}` : ''}`;
}

/** What has a blank is quoted: it ends where it ends. */
function valueText(value: unknown): string {
  const text = plain(typeof value === 'string' ? value : JSON.stringify(value));
  return typeof value === 'string' && /[\s"]/.test(text) ? JSON.stringify(text) : text;
}
