import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isObject } from '../core/shape.ts';
import type { Call, Colour } from './command.ts';
import type { LogOptions } from './commands/logs.ts';
import { exit } from './exit-codes.ts';
import { followFile, readFrom } from './follow.ts';
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
  const refs: readonly unknown[] = [options.todo, named?.number, named?.id];
  const isOfTodo = ({ fields }: Line) => options.todo === undefined || refs.includes(fields['todo']) || refs.includes(fields['id']);
  const wanted = (line: Line) =>
    levels.indexOf(line.level) >= levels.indexOf(options.level) && line.atMs >= (options.since ?? 0) && isOfTodo(line);
  const ends = new Map<Room, number>();
  const lines = rooms.flatMap((room) => {
    const reader = lineReader(room);
    const path = join(home.logs, `${room}.log`);
    const found: Line[] = [];
    ends.set(
      room,
      readFrom(path, 0, (bytes) => found.push(...reader(bytes))),
    );
    return found;
  });
  const shown = lines.filter(wanted).sort((a, b) => a.atMs - b.atMs);
  const last = options.lines === 0 ? [] : shown.slice(-options.lines);
  call.out.json('logs', {
    folder: home.logs,
    lines: last.map(({ atMs, level, room, event, fields }) => ({ atMs, level, room, event, ...fields })),
  });
  const seen = new Set<string>();
  const print = (line: Line) => {
    // A critical line stands in its room's log and in emergency.log.
    const text = textOf(line, call);
    if (line.level !== 'critical') return call.out.line(text);
    if (!seen.has(text)) call.out.line(text);
    seen.add(text);
  };
  for (const line of last) print(line);
  if (last.length === 0) call.out.note(existsSync(home.logs) ? 'No lines fit.' : `No daemon has run in ${home.root} yet.`);
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
  const fields = Object.entries(line.fields).map(
    ([name, value]) => `${out.paint('dim', `${name}=`)}${plain(typeof value === 'string' ? value : JSON.stringify(value))}`,
  );
  return `${out.paint('dim', clockText(line.atMs, Date.now()))} ${out.paint(levelColours[line.level], line.level.padEnd(8))} ${plain(line.event)}${fields.length > 0 ? `  ${fields.join(' ')}` : ''}`;
}
