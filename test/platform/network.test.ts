import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { network } from '../../src/platform/network.ts';

async function serving(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=hidden`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const failed = (message: RegExp) => ({ code: 'NETWORK_FAILED', message });

test('a post carries JSON and is content with any 2xx', async () => {
  const got: unknown[] = [];
  await using at = await serving(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    got.push([request.method, request.headers['content-type'], JSON.parse(body)]);
    response.writeHead(204).end();
  });
  await network.post(at.url, { event: 'emergency', todo: 7 }, 5000);
  assert.deepEqual(got, [['POST', 'application/json', { event: 'emergency', todo: 7 }]]);
});

test('everything else is NETWORK_FAILED and says why, without what the address keeps secret', async () => {
  let elsewhere = 0;
  await using target = await serving((_request, response) => {
    elsewhere++;
    response.end();
  });
  await using at = await serving((request, response) => {
    if (request.url?.startsWith('/redirect')) response.writeHead(307, { location: target.url }).end();
    else if (request.url?.startsWith('/hang')) return;
    else if (request.url?.startsWith('/reset')) request.socket.destroy();
    else response.writeHead(503).end('no');
  });
  await assert.rejects(network.post(at.url, {}, 5000), (error: Error) => {
    assert.match(error.message, /it answered 503/);
    assert.doesNotMatch(error.message, /hidden/);
    return true;
  });
  await assert.rejects(network.post(at.url.replace('/hook', '/redirect'), {}, 5000), failed(/redirect/));
  assert.equal(elsewhere, 0);
  await assert.rejects(network.post(at.url.replace('/hook', '/hang'), {}, 50), failed(/no answer within 50 ms/));
  await assert.rejects(network.post(at.url.replace('/hook', '/reset'), {}, 5000), failed(/UND_ERR_SOCKET|ECONNRESET|other side closed/));
  await assert.rejects(network.post('http://127.0.0.1:1/', {}, 5000), failed(/ECONNREFUSED|bad port/));
  await assert.rejects(network.post('not an address', {}, 5000), failed(/an address that is none/));
});

test('an answer without end is not listened to', { timeout: 10_000 }, async () => {
  await using at = await serving((_request, response) => {
    const more = (): void => {
      while (response.write('x'.repeat(64 * 1024)));
      response.once('drain', more);
    };
    more();
  });
  await network.post(at.url, {}, 60_000);
});
