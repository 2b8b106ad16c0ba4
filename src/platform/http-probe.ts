import type { IncomingMessage } from 'node:http';
import type { HttpProbe, ProbeAnswer } from '../core/probe.ts';

const bodyBytesMax = 64 * 1024;

/** A connection of its own each time, no redirects, bounded in time and size: what is asked may be ill. */
export const httpProbe: HttpProbe = async (url, timeoutMs) => {
  const { get } = await (url.startsWith('https:') ? import('node:https') : import('node:http'));
  const startedMs = performance.now();
  const tookMs = (): number => performance.now() - startedMs;
  return new Promise<ProbeAnswer>((resolve) => {
    const request = get(url, { agent: false, headers: { accept: 'application/health+json, application/json, */*' } });
    const late = setTimeout(() => {
      resolve({ kind: 'late', why: `no answer within ${timeoutMs} ms`, tookMs: tookMs() });
      request.destroy();
    }, timeoutMs);
    const settle = (answer: ProbeAnswer): void => {
      clearTimeout(late);
      resolve(answer);
      request.destroy();
    };
    request.on('error', (error: NodeJS.ErrnoException) => settle({ kind: 'none', why: error.code ?? error.message, tookMs: tookMs() }));
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      const mediaType = (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
      void bodyOf(response).then(
        (body) => settle({ kind: 'answered', status, mediaType, body, tookMs: tookMs() }),
        (error: Error) => settle({ kind: 'none', why: error.message, tookMs: tookMs() }),
      );
    });
  });
};

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= bodyBytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, bodyBytesMax).toString('utf8');
}
