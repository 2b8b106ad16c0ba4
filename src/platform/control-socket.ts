import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { ControlReply, ControlRequest } from '../core/control.ts';
import { isOperational, messageOf, OperationalError } from '../core/errors.ts';
import { parseControlRequest } from './control-request.ts';
import { makeFolder } from './make-folder.ts';

/** A request is a verb and a few words. */
const requestBytesMax = 64 * 1024;
/** A status of a thousand live runs is under a megabyte. */
const replyBytesMax = 16 * 1024 * 1024;
/** Whoever connects says at once what he wants. */
const requestPatienceMs = 5_000;
const connectionsMax = 256;

export type ControlServer = { close(): Promise<void> };
export type ControlHandler = (request: ControlRequest, stop: AbortSignal) => Promise<ControlReply>;

/**
 * Takes requests, one a connection. The caller holds the home's lock: a socket file that nobody answers on is then left over from a dead daemon and
 * goes. `stop` is aborted when the asker goes away. An error without a code is told to the asker and to `onDefect`.
 */
export async function serveControl(path: string, handler: ControlHandler, onDefect: (error: unknown) => void): Promise<ControlServer> {
  makePrivateFolder(dirname(path));
  await removeStale(path);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    converse(socket, handler, onDefect);
  });
  server.maxConnections = connectionsMax;
  await listenPrivately(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        // Node removes the socket file with it.
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Only the folder's rights guard a unix socket on all systems, so it must be ours alone. */
function makePrivateFolder(folder: string): void {
  const refuse = (why: string, cause?: unknown): OperationalError =>
    new OperationalError('FILE_UNWRITABLE', { operation: 'opening the control socket in', subject: folder, why, cause });
  try {
    makeFolder(folder);
  } catch (cause) {
    throw refuse(messageOf(cause), cause);
  }
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) throw refuse('it is not a folder');
  if (stat.uid !== process.getuid?.()) throw refuse(`it belongs to user ${stat.uid}`);
  if ((stat.mode & 0o077) !== 0) throw refuse(`others may enter it (mode ${(stat.mode & 0o777).toString(8)}); make it 0700`);
}

async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new OperationalError('FILE_UNWRITABLE', {
      operation: 'opening the control socket',
      subject: path,
      why: 'something else has that name',
    });
  const socket = await connected(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') return null;
    throw new OperationalError('FILE_UNWRITABLE', { operation: 'opening the control socket', subject: path, cause: error });
  });
  if (socket !== null) {
    socket.destroy();
    throw new OperationalError('LOCKED', { operation: 'opening the control socket', subject: path, why: 'somebody answers on it' });
  }
  unlinkSync(path);
}

function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new OperationalError('FILE_UNWRITABLE', { operation: 'opening the control socket', subject: path, cause })),
    );
    // The name is bound within this call, so it never stands there open to others, not even for a moment.
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        chmodSync(path, 0o600);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function converse(socket: Socket, handler: ControlHandler, onDefect: (error: unknown) => void): void {
  const gone = new AbortController();
  const patience = setTimeout(() => socket.destroy(), requestPatienceMs);
  socket.on('close', () => {
    clearTimeout(patience);
    gone.abort();
  });
  // The asker went away in the middle: 'close' follows.
  socket.on('error', () => {});
  const answer = (reply: ControlReply): void => {
    socket.end(`${JSON.stringify(reply)}\n`);
    // Whoever has his answer and does not go holds a descriptor of ours.
    const late = setTimeout(() => socket.destroy(), requestPatienceMs);
    socket.on('close', () => clearTimeout(late));
  };
  readLine(socket, requestBytesMax, (line) => {
    clearTimeout(patience);
    if (line === null) return answer(refusal('BAD_DATA', `a request has at most ${requestBytesMax} bytes`));
    const request = parseControlRequest(line);
    if ('problem' in request) return answer(refusal('BAD_DATA', request.problem));
    handler(request.request, gone.signal).then(answer, (error: unknown) => {
      answer(
        isOperational(error)
          ? { ok: false, code: error.code, message: error.message, hint: error.hint }
          : refusal('INTERNAL', messageOf(error)),
      );
      if (!isOperational(error)) onDefect(error);
    });
  });
}

const refusal = (code: string, message: string): ControlReply => ({ ok: false, code, message, hint: 'See: todo status' });

/**
 * Asks the daemon that serves `path`. Null: none is there, or it died before it answered. NO_DAEMON when one is there but
 * does not answer in time: it hangs or is stopped, and what was asked may yet happen.
 */
export async function ask(path: string, request: ControlRequest, timeoutMs: number): Promise<ControlReply | null> {
  let socket: Socket;
  try {
    socket = await connected(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return null;
    throw new OperationalError('NO_DAEMON', { operation: 'asking the daemon on', subject: path, cause: error });
  }
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      socket.destroy();
      reject(
        new OperationalError('NO_DAEMON', {
          operation: 'asking the daemon on',
          subject: path,
          why: `it is there, but did not answer within ${timeoutMs} ms`,
          hint: 'See: todo daemon status',
        }),
      );
    }, timeoutMs);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve(null);
    });
    readLine(socket, replyBytesMax, (line) => {
      clearTimeout(late);
      socket.destroy();
      resolve(line === null ? null : (JSON.parse(line) as ControlReply));
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** Calls once: with the first line, or with null when it grows beyond the bound. */
function readLine(socket: Socket, bytesMax: number, take: (line: string | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    const end = chunk.indexOf(10);
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    bytes += chunk.length;
    if (end < 0 && bytes <= bytesMax) return;
    socket.off('data', onData);
    socket.resume();
    take(bytes > bytesMax ? null : Buffer.concat(chunks).toString('utf8'));
  };
  socket.on('data', onData);
}
