import { OperationalError } from '../core/errors.ts';
import { parseRetryAfter } from '../resilience/retry-after.ts';
import type { Network } from '../world.ts';

/** What a receiver may answer before we stop listening. */
const answerBytesMax = 64 * 1024;

export const network: Network = {
  async post(url, body, timeoutMs) {
    const refuse = (why: string, cause?: unknown): OperationalError =>
      new OperationalError('NETWORK_FAILED', { operation: 'posting to', subject: addressOf(url), why, cause });
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      // A redirect could lead to an address that nobody has configured.
      const answer = await fetch(url, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
        redirect: 'error',
        signal: deadline,
      });
      await readBounded(answer);
      if (!answer.ok) {
        const retryAfterMs = parseRetryAfter(answer.headers.get('retry-after'), Date.now());
        throw Object.assign(refuse(`it answered ${answer.status}`), { status: answer.status, retryAfterMs });
      }
    } catch (error) {
      if (error instanceof OperationalError) throw error;
      throw refuse(deadline.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error), error);
    }
  },

  async reaches(url, timeoutMs) {
    const { hostname, port, protocol } = new URL(url);
    const { connect } = process.getBuiltinModule('node:net');
    const refuse = (why: string, cause?: unknown): OperationalError =>
      new OperationalError('NETWORK_FAILED', { operation: 'connecting to', subject: addressOf(url), why, cause });
    await new Promise<void>((resolve, reject) => {
      const host = hostname.replace(/^\[|\]$/g, '');
      const socket = connect({ host, port: Number(port || (protocol === 'https:' ? 443 : 80)), timeout: timeoutMs });
      const end = (then: () => void): void => {
        socket.destroy();
        then();
      };
      socket.once('connect', () => end(resolve));
      socket.once('timeout', () => end(() => reject(refuse(`no answer within ${timeoutMs} ms`))));
      socket.once('error', (error) => end(() => reject(refuse(reasonOf(error), error))));
    });
  },
};

async function readBounded(answer: Response): Promise<void> {
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > answerBytesMax) return;
  }
}

/** Without user, password, path and query: webhooks carry their secret there. */
function addressOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'an address that is none';
}

/** fetch says "fetch failed" and hides why. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message;
}
