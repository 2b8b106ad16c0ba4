import { appendFileSync, closeSync, existsSync, openSync, readdirSync, readSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';

/** One log that grows to a size, is put aside, and begins anew. */
export type LogFile = {
  write(line: string): void;
  /** Lines that found no room on disk or in memory. */
  dropped(): number;
  /** Writes at once and synchronously what is not on disk yet. For the last moment only. */
  flush(): void;
  /** Puts the file aside now, whatever its size. */
  rotate(): void;
  close(): Promise<void>;
};

export type LogFileOptions = {
  readonly folder: string;
  readonly name: string;
  readonly sizeBytesMax: number;
  /** With the one that is written now; at least that and one more. */
  readonly filesMax: number;
  /** Lines were lost, and the disk takes lines again: how many since it was last said. */
  readonly onLost?: (lines: number) => void;
};

/** What waits while the disk takes nothing: minutes of a busy daemon. */
const waitingBytesMax = 8 * 1024 * 1024;
/** One write: large enough for 50,000 lines a second, small beside a log. */
const chunkBytesMax = 64 * 1024;
const againAfterMs = 1_000;

/** `torn`: its beginning is on disk already. */
type Line = { readonly bytes: Buffer; readonly torn?: true };
const joined = (lines: readonly Line[]): Buffer => Buffer.concat(lines.map(({ bytes }) => bytes));

/**
 * rotating-file-stream does the files; this side keeps each line until it is known to be on disk, gives the stream one chunk at a time, and
 * gives it a new start when its file was renamed or removed, when another process made it too large, or when the disk refused.
 */
export function openLogFile({ folder, name, sizeBytesMax, filesMax, onLost }: LogFileOptions): LogFile {
  const path = join(folder, name);
  const rotated = Math.max(1, filesMax - 1);
  const chunkMax = Math.min(chunkBytesMax, Math.max(1, Math.floor(sizeBytesMax / 4)));
  let waiting: Line[] = [];
  let waitingBytes = 0;
  let inFlight: Line[] = [];
  let dropped = 0;
  let droppedTold = 0;
  let stream: RotatingFileStream | null = null;
  let inode: number | null = null;
  /** Of the file before the write that is under way; null where that is not known. */
  let sizeBefore: number | null = null;
  /** After the disk has refused. */
  let resting: NodeJS.Timeout | null = null;
  let asideWanted = false;
  let idle: (() => void)[] = [];
  removeBeyond(folder, name, rotated);

  const open = (): RotatingFileStream => {
    const made = createStream(name, { path: folder, size: `${Math.max(1, Math.floor(sizeBytesMax))}B`, rotate: rotated, mode: 0o600 });
    made.on('open', () => {
      if (stream !== made) return;
      const there = statSync(path, { throwIfNoEntry: false });
      inode = there?.ino ?? null;
      sizeBefore ??= there?.size ?? null;
    });
    // What is in flight was written to the file that is put aside now.
    made.on('rotation', () => {
      if (stream === made) sizeBefore = Number.POSITIVE_INFINITY;
    });
    made.on('error', () => {
      if (stream !== made) return;
      stream = null;
      waiting = [...inFlight, ...waiting];
      inFlight = [];
      restAWhile();
      settle();
    });
    return made;
  };

  /** A renamed or removed file is left to who renamed it. */
  const current = (): RotatingFileStream => {
    const there = inode === null ? null : statSync(path, { throwIfNoEntry: false });
    if (stream !== null && there !== null && (there === undefined || there.ino !== inode || there.size >= sizeBytesMax)) {
      stream.end();
      stream = null;
    }
    if (stream === null) {
      inode = null;
      stream = open();
    }
    sizeBefore = inode === null || !there ? null : there.size;
    return stream;
  };

  const pump = (): void => {
    if (inFlight.length > 0 || waiting.length === 0 || resting !== null) {
      settle();
      return;
    }
    if (asideWanted) putAside();
    let bytes = 0;
    let count = 0;
    for (const line of waiting) {
      if (count > 0 && bytes + line.bytes.length > chunkMax) break;
      bytes += line.bytes.length;
      count++;
    }
    inFlight = waiting.splice(0, count);
    const chunk = joined(inFlight);
    const into = current();
    const mine = inFlight;
    into.write(chunk, (error) => {
      // An error is told as an event too, which puts the lines back.
      if (error || inFlight !== mine) return;
      waitingBytes -= bytes;
      inFlight = [];
      putBackRest(chunk);
      tellLost();
      pump();
    });
  };

  /** A disk that fills up takes a part of a write and says so to nobody. */
  const putBackRest = (chunk: Buffer): void => {
    const there = statSync(path, { throwIfNoEntry: false });
    if (sizeBefore === null || there === undefined || there.ino !== inode || there.size < sizeBefore) return;
    const rest = chunk.subarray(there.size - sizeBefore);
    if (rest.length === 0) return;
    waiting.unshift({ bytes: rest, torn: true });
    waitingBytes += rest.length;
    restAWhile();
  };

  /** Once it is over: while the disk refuses, another line would only be the next one lost. */
  const tellLost = (): void => {
    if (dropped === droppedTold || resting !== null) return;
    const lines = dropped - droppedTold;
    droppedTold = dropped;
    onLost?.(lines);
  };

  const restAWhile = (): void => {
    if (resting !== null) clearTimeout(resting);
    resting = setTimeout(() => {
      resting = null;
      pump();
    }, againAfterMs).unref();
  };
  const settle = (): void => {
    if (inFlight.length > 0 || (waiting.length > 0 && resting === null)) return;
    for (const resolve of idle) resolve();
    idle = [];
  };

  const flush = (): void => {
    const doubtful = joined(inFlight);
    const lines = inFlight.length + waiting.length;
    if (lines === 0) return;
    try {
      const missing = Buffer.concat([doubtful.length > 0 && !wasWritten(doubtful) ? doubtful : Buffer.alloc(0), joined(waiting)]);
      if (missing.length > 0) appendFileSync(path, missing, { mode: 0o600 });
    } catch {
      dropped += lines;
    }
    waiting = [];
    inFlight = [];
    waitingBytes = 0;
  };

  /** Whether the write under way has come to the disk; if not, it does not do so any more. */
  const wasWritten = (chunk: Buffer): boolean => {
    const fd = stream?.['file']?.fd;
    if (fd !== undefined && fd >= 0) divert(fd);
    stream = null;
    return endsWith(path, chunk) || endsWith(`${path}.1`, chunk);
  };

  const putAside = (): void => {
    asideWanted = false;
    try {
      // The next write finds its file gone and begins a new one.
      for (let number = rotated; number > 0; number--) renameIfThere(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
    } catch {
      // It goes on where it is; rotation by size comes at the next write.
    }
  };

  const onExit = (): void => flush();
  process.on('exit', onExit);

  return {
    write(text) {
      const bytes = Buffer.from(text);
      waiting.push({ bytes });
      waitingBytes += bytes.length;
      while (waitingBytes > waitingBytesMax && waiting.length > 1) {
        const [oldest] = waiting.splice(waiting[0]?.torn ? 1 : 0, 1);
        waitingBytes -= oldest?.bytes.length ?? 0;
        dropped++;
      }
      pump();
    },
    dropped: () => dropped,
    flush,
    rotate() {
      asideWanted = true;
      if (inFlight.length === 0) putAside();
    },
    async close() {
      await new Promise<void>((resolve) => {
        idle.push(resolve);
        pump();
      });
      flush();
      process.off('exit', onExit);
      if (resting !== null) clearTimeout(resting);
      const last = stream;
      stream = null;
      if (last !== null) await new Promise<void>((resolve) => last.end(resolve));
    },
  };
}

function renameIfThere(from: string, to: string): void {
  if (existsSync(from)) renameSync(from, to);
}

/**
 * A write that a thread of Node has not begun yet goes to nowhere, by giving its descriptor to /dev/null: at the end of a process
 * nobody will hear of it, and the line that we write in its place must not be there twice. One that has begun takes microseconds.
 */
function divert(fd: number): void {
  closeSync(fd);
  const taken: number[] = [];
  for (let tries = 0; tries < 1000; tries++) {
    const nowhere = openSync('/dev/null', 'w');
    if (nowhere === fd) break;
    taken.push(nowhere);
  }
  for (const other of taken) closeSync(other);
  Atomics.wait(sleeper, 0, 0, 2);
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function endsWith(path: string, wanted: Buffer): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return false;
  }
  try {
    const sizeBytes = statSync(path).size;
    const tail = Buffer.alloc(wanted.length);
    return sizeBytes >= tail.length && readSync(fd, tail, 0, tail.length, sizeBytes - tail.length) === tail.length && tail.equals(wanted);
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

/** Those of a time when more were kept. */
function removeBeyond(folder: string, name: string, rotated: number): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const found of names) {
    const number = found.startsWith(`${name}.`) ? Number(found.slice(name.length + 1)) : Number.NaN;
    if (Number.isInteger(number) && number > rotated) unlinkSync(join(folder, found));
  }
}
