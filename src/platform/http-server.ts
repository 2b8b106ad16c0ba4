import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type BodyFlaw, bodyBytesMax, type HttpHandler, type HttpRequest, type HttpResponse } from '../core/http.ts';

/** Whoever has connected says at once what he wants. */
const requestWithinMs = 5_000;
const idleMs = 5_000;
const headerBytesMax = 16 * 1024;
const urlCharsMax = 2_000;
/** Scrapers, probes and open dashboards; a stream keeps its own. */
const connectionsMax = 200;

export type HttpServer = { readonly port: number; close(): Promise<void> };

/** Rejects with the error of `listen` (EADDRINUSE, EACCES …). */
export async function listenHttp(
  host: string,
  port: number,
  handler: HttpHandler,
  onDefect: (error: unknown) => void,
): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      requestTimeout: requestWithinMs,
      headersTimeout: requestWithinMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: requestWithinMs,
    },
    (incoming, outgoing) => void converse(incoming, outgoing, handler).catch(onDefect),
  );
  server.maxConnections = connectionsMax;
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  return { port: (server.address() as { port: number }).port, close: () => closed(server) };
}

async function closed(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

async function converse(incoming: IncomingMessage, outgoing: ServerResponse, handler: HttpHandler): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  // The asker went away in the middle: 'close' follows.
  outgoing.on('error', () => {});
  const asked = requestOf(incoming);
  if (asked === null) return void outgoing.writeHead(400, { connection: 'close' }).end();
  // Node forgets it where reading was broken off.
  const { socket } = incoming;
  const sent = hasBody(incoming) ? await bodyOf(incoming) : none;
  if (sent === null) return void socket.destroy();
  // One that was not taken ends the conversation, whatever its length.
  if (hasBody(incoming) && sent.body === null) outgoing.shouldKeepAlive = false;
  await send(await handler({ ...asked, ...sent }, gone.signal), outgoing, gone.signal);
}

/** Null: no address of ours could look so. */
function requestOf({ method = '', url = '', headers, socket }: IncomingMessage): Omit<HttpRequest, 'body' | 'flaw'> | null {
  if (!url.startsWith('/') || url.length > urlCharsMax) return null;
  const at = url.indexOf('?');
  return {
    method,
    path: at < 0 ? url : url.slice(0, at),
    query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value])),
    from: socket.remoteAddress ?? '',
  };
}

type Sent = Pick<HttpRequest, 'body' | 'flaw'>;
const none: Sent = { body: null, flaw: null };
const flawed = (flaw: BodyFlaw): Sent => ({ body: null, flaw });
/** Beyond that nobody listens any more; until then it is thrown away, so that whoever sends too much still hears that it was. */
const heardOutBytesMax = 16 * bodyBytesMax;

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Null: the asker went away in the middle, was too slow (`requestWithinMs`), or never stops. */
async function bodyOf(incoming: IncomingMessage): Promise<Sent | null> {
  const { method = '', headers } = incoming;
  if (method === 'GET' || method === 'HEAD') return none;
  const isJson = /^application\/json *(; *charset="?utf-8"? *)?$/i.test(headers['content-type'] ?? '');
  if (!isJson || headers['content-encoding'] !== undefined) return flawed('not-json');
  if (Number(headers['content-length'] ?? 0) > heardOutBytesMax) return flawed('too-large');
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of incoming as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > heardOutBytesMax) return null;
      if (bytes <= bodyBytesMax) pieces.push(piece);
    }
  } catch {
    // Cut off: there is nobody to answer.
    return null;
  }
  if (bytes > bodyBytesMax) return flawed('too-large');
  try {
    return { body: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)), flaw: null };
  } catch {
    return flawed('not-text');
  }
}

async function send({ status, headers, body }: HttpResponse, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  if (typeof body === 'string' || body instanceof Uint8Array) {
    outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
    outgoing.end(body);
    return;
  }
  outgoing.writeHead(status, headers);
  for await (const piece of body) {
    if (gone.aborted) return;
    // Who reads too slowly holds up his own stream and nobody else: the next piece is made when this one is gone.
    if (!outgoing.write(piece)) await once(outgoing, 'drain', { signal: gone }).catch(() => {});
  }
  outgoing.end();
}
