import pino from 'pino';
import type { Config } from '../core/config.ts';
import type { Log, LogFields, LogRoom } from '../world.ts';
import { cleanFields } from './log-fields.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { type HumanLine, humanLine } from './log-human.ts';

export type OpenLog = Log & {
  /** Lines that were lost because the disk took nothing for too long. */
  dropped(): number;
  /** All that was said is on disk when it returns. For the last moment: `exit` calls it by itself, `process.execve` tells nobody. */
  flush(): void;
  close(): Promise<void>;
};

export type LogOptions = {
  readonly folder: string;
  readonly settings: Config['logging'];
  /** Gets each line for a person, too: the terminal of a daemon in the foreground. */
  readonly mirror?: (line: string) => void;
  /** How a line is written for a person. */
  readonly line?: (line: HumanLine) => string;
};

const rooms = ['completion', 'monitor', 'emergency'] as const satisfies readonly LogRoom[];
const levels = { debug: 20, info: 30, warn: 40, error: 50, critical: 60 } as const;
export type LogLevel = keyof typeof levels;

/** `completion.log`, `monitor.log` and `emergency.log`, one JSON line an event: level, time (UTC), room, event, then its fields. */
export function openLog({ folder, settings, mirror, line = humanLine }: LogOptions): OpenLog {
  const sizeBytesMax = settings.max_size_mb * 1024 * 1024;
  const files = Object.fromEntries(
    rooms.map((room) => {
      const onLost = (lines: number): void => say('error', room, 'log lines were lost: the disk took none', { lines });
      return [room, openLogFile({ folder, name: `${room}.log`, sizeBytesMax, filesMax: settings.max_files, onLost })];
    }),
  ) as Record<LogRoom, LogFile>;
  const writers = Object.fromEntries(rooms.map((room) => [room, writerTo(files[room], settings.level)])) as Record<LogRoom, Writer>;

  const say = (level: LogLevel, room: LogRoom, event: string, fields: LogFields = {}): void => {
    if (levels[level] < levels[settings.level]) return;
    const cleaned = cleanFields(fields);
    writers[room][level]({ room, ...cleaned }, event);
    if (level === 'critical' && room !== 'emergency') writers.emergency.critical({ room, ...cleaned }, event);
    if (mirror) mirror(line({ atMs: Date.now(), level, event, fields: cleaned }));
  };
  return {
    debug: (room, event, fields) => say('debug', room, event, fields),
    info: (room, event, fields) => say('info', room, event, fields),
    warn: (room, event, fields) => say('warn', room, event, fields),
    error: (room, event, fields) => say('error', room, event, fields),
    critical: (room, event, fields) => say('critical', room, event, fields),
    rotate(name) {
      for (const room of rooms) if (name === `${room}.log`) files[room].rotate();
    },
    dropped: () => rooms.reduce((sum, room) => sum + files[room].dropped(), 0),
    flush: () => rooms.forEach((room) => void files[room].flush()),
    close: async () => void (await Promise.all(rooms.map((room) => files[room].close()))),
  };
}

type Writer = Readonly<Record<LogLevel, (fields: LogFields, event: string) => void>>;

function writerTo(file: LogFile, level: LogLevel): Writer {
  return pino<LogLevel, true>(
    {
      base: null,
      level,
      customLevels: levels,
      useOnlyCustomLevels: true,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label === 'critical' ? 'CRITICAL' : label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    file,
  );
}
