import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HttpHandler, HttpRequest, HttpResponse } from '../core/http.ts';

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
  // Nobody here reads a body: one that is sent ends the conversation, whatever its length.
  if (incoming.headers['content-length'] !== undefined || incoming.headers['transfer-encoding'] !== undefined)
    outgoing.shouldKeepAlive = false;
  const request = requestOf(incoming);
  if (request === null) return void outgoing.writeHead(400, { connection: 'close' }).end();
  await send(await handler(request, gone.signal), outgoing, gone.signal);
}

/** Null: no address of ours could look so. */
function requestOf({ method = '', url = '', headers }: IncomingMessage): HttpRequest | null {
  if (!url.startsWith('/') || url.length > urlCharsMax) return null;
  const at = url.indexOf('?');
  return {
    method,
    path: at < 0 ? url : url.slice(0, at),
    query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value])),
  };
}

async function send({ status, headers, body }: HttpResponse, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  if (typeof body === 'string') {
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
