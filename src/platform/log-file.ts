import { appendFileSync, closeSync, existsSync, openSync, readdirSync, readSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';

/** One log that grows to a size, is put aside, and begins anew. */
export type LogFile = {
  write(line: string): void;
  /** Lines that found no room on disk or in memory. */
  dropped(): number;
  /** Writes at once and synchronously what is not on disk yet; for the last moment. */
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
};

/** What waits while the disk takes nothing: minutes of a busy daemon. */
const waitingBytesMax = 8 * 1024 * 1024;
/** One write: large enough for 50,000 lines a second, small beside a log. */
const chunkBytesMax = 64 * 1024;
const againAfterMs = 1_000;

type Line = { readonly text: string; readonly bytes: number };

/**
 * rotating-file-stream does the files; this side keeps each line until it is known to be on disk, gives the stream one chunk at a time, and
 * gives it a new start when its file was renamed or removed, when another process made it too large, or when the disk refused.
 */
export function openLogFile({ folder, name, sizeBytesMax, filesMax }: LogFileOptions): LogFile {
  const path = join(folder, name);
  const rotated = Math.max(1, filesMax - 1);
  const chunkMax = Math.min(chunkBytesMax, Math.max(1, Math.floor(sizeBytesMax / 4)));
  let waiting: Line[] = [];
  let waitingBytes = 0;
  let inFlight: Line[] = [];
  let dropped = 0;
  let stream: RotatingFileStream | null = null;
  let inode: number | null = null;
  /** Of the file before the write that is under way; null where it was just opened. */
  let sizeBytes: number | null = null;
  let refusedAtMs: number | null = null;
  let idle: (() => void)[] = [];
  removeBeyond(folder, name, rotated);

  const open = (): RotatingFileStream => {
    const made = createStream(name, { path: folder, size: `${Math.max(1, Math.floor(sizeBytesMax))}B`, rotate: rotated, mode: 0o600 });
    made.on('open', () => {
      inode = statSync(path, { throwIfNoEntry: false })?.ino ?? null;
    });
    made.on('error', () => {
      if (stream !== made) return;
      stream = null;
      refusedAtMs = performance.now();
      waiting = [...inFlight, ...waiting];
      inFlight = [];
      setTimeout(pump, againAfterMs).unref();
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
    sizeBytes = inode === null || !there ? null : there.size;
    return stream;
  };

  const pump = (): void => {
    if (inFlight.length > 0 || waiting.length === 0 || isResting()) {
      settle();
      return;
    }
    refusedAtMs = null;
    let bytes = 0;
    let count = 0;
    for (const line of waiting) {
      if (count > 0 && bytes + line.bytes > chunkMax) break;
      bytes += line.bytes;
      count++;
    }
    inFlight = waiting.splice(0, count);
    const chunk = inFlight.map(({ text }) => text).join('');
    const into = current();
    const sizeBefore = sizeBytes;
    const mine = inFlight;
    into.write(chunk, (error) => {
      // An error is told as an event too, which puts the lines back.
      if (error || inFlight !== mine) return;
      waitingBytes -= bytes;
      inFlight = [];
      putBackRest(chunk, sizeBefore);
      pump();
    });
  };

  /** A disk that fills up takes a part of a write and says so to nobody. */
  const putBackRest = (chunk: string, sizeBefore: number | null): void => {
    const there = sizeBefore === null ? undefined : statSync(path, { throwIfNoEntry: false });
    if (sizeBefore === null || there === undefined || there.ino !== inode || there.size < sizeBefore) return;
    const rest = Buffer.from(chunk).subarray(there.size - sizeBefore);
    if (rest.length === 0) return;
    waiting.unshift({ text: rest.toString('utf8'), bytes: rest.length });
    waitingBytes += rest.length;
    refusedAtMs = performance.now();
    setTimeout(pump, againAfterMs).unref();
  };

  const isResting = (): boolean => refusedAtMs !== null && performance.now() - refusedAtMs < againAfterMs;
  const settle = (): void => {
    if (inFlight.length > 0 || (waiting.length > 0 && !isResting())) return;
    for (const resolve of idle) resolve();
    idle = [];
  };

  const flush = (): void => {
    const doubtful = inFlight.map(({ text }) => text).join('');
    const sure = waiting.map(({ text }) => text).join('');
    const lines = inFlight.length + waiting.length;
    if (lines === 0) return;
    try {
      const missing = doubtful !== '' && !isWritten(doubtful, path) ? doubtful : '';
      if (missing + sure !== '') appendFileSync(path, missing + sure, { mode: 0o600 });
    } catch {
      dropped += lines;
    }
    waiting = [];
    inFlight = [];
    waitingBytes = 0;
  };

  const onExit = (): void => flush();
  process.on('exit', onExit);

  return {
    write(text) {
      const line = { text, bytes: Buffer.byteLength(text) };
      waiting.push(line);
      waitingBytes += line.bytes;
      while (waitingBytes > waitingBytesMax && waiting.length > 0) {
        waitingBytes -= waiting.shift()?.bytes ?? 0;
        dropped++;
      }
      pump();
    },
    dropped: () => dropped,
    flush,
    rotate() {
      flush();
      try {
        // The next write finds its file gone and begins a new one.
        for (let number = rotated; number > 0; number--) renameIfThere(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
      } catch {
        // It goes on where it is; rotation by size comes at the next write.
      }
    },
    async close() {
      await new Promise<void>((resolve) => {
        idle.push(resolve);
        pump();
      });
      flush();
      process.off('exit', onExit);
      const last = stream;
      stream = null;
      if (last !== null) await new Promise<void>((resolve) => last.end(resolve));
    },
  };
}

function renameIfThere(from: string, to: string): void {
  if (existsSync(from)) renameSync(from, to);
}

/** How long a write that a thread of Node is doing may take to show. */
const showsWithinMs = 20;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Whether a chunk that was given to the stream stands at the end of the log, or of the one that was put aside last. */
function isWritten(chunk: string, path: string): boolean {
  const wanted = Buffer.from(chunk);
  for (const untilMs = performance.now() + showsWithinMs; ; ) {
    if (endsWith(path, wanted) || endsWith(`${path}.1`, wanted)) return true;
    if (performance.now() > untilMs) return false;
    Atomics.wait(sleeper, 0, 0, 2);
  }
}

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
