// Bodies over a real socket: what is taken, what is refused, and that nobody is waited for without end.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { bodyBytesMax, type HttpRequest } from '../../src/core/http.ts';
import { listenHttp } from '../../src/platform/http-server.ts';

test('a body is JSON of at most 64 KiB; what cannot be taken is told to the handler, and the next request is answered all the same', async (t) => {
  const seen: HttpRequest[] = [];
  const server = await listenHttp(
    '127.0.0.1',
    0,
    async (request) => {
      seen.push(request);
      return { status: 200, headers: {}, body: new Uint8Array([0xff, 0x00]) };
    },
    (error) => assert.fail(String(error)),
  );
  t.after(() => server.close());
  const send = async (method: string, body: string | Uint8Array, headers: Record<string, string> = {}) => {
    const answer = await exchange(server.port, method, body, { 'content-type': 'application/json', ...headers });
    assert.deepEqual([...answer.bytes], [0xff, 0x00], 'bytes as they are');
    const { body: got, flaw, from } = seen.pop()!;
    assert.equal(from, '127.0.0.1');
    return [got, flaw, answer.connection];
  };
  assert.deepEqual(await send('POST', '{"ü":1}'), ['{"ü":1}', null, 'keep-alive']);
  assert.deepEqual(await send('PUT', '1', { 'content-type': 'application/json; charset=UTF-8' }), ['1', null, 'keep-alive']);
  assert.deepEqual(await send('DELETE', ''), [null, null, 'keep-alive']);
  const full = `"${'x'.repeat(bodyBytesMax - 2)}"`;
  assert.deepEqual(await send('POST', full), [full, null, 'keep-alive']);
  assert.deepEqual(await send('POST', `${full} `), [null, 'too-large', 'close']);
  assert.deepEqual(await send('POST', `${full} `, { 'transfer-encoding': 'chunked' }), [null, 'too-large', 'close']);
  assert.deepEqual(await send('POST', 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }), [null, 'not-json', 'close']);
  assert.deepEqual(await send('POST', '1', { 'content-encoding': 'gzip' }), [null, 'not-json', 'close']);
  assert.deepEqual(await send('POST', new Uint8Array([0x22, 0xff, 0x22])), [null, 'not-text', 'close']);
  assert.deepEqual(await send('GET', '{}'), [null, null, 'close'], 'with GET nothing is read');

  // Without end, and cut off in the middle: nobody is asked for an answer.
  for (const rest of ['ffff\r\n'.concat('x'.repeat(0xffff), '\r\n').repeat(20), '5\r\nab']) {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${rest}`,
      () => rest.length < 10 && socket.destroy(),
    );
    await new Promise((resolve) => socket.resume().once('close', resolve));
  }
  assert.deepEqual(seen, []);
});

function exchange(port: number, method: string, body: string | Uint8Array, headers: Record<string, string>) {
  return new Promise<{ bytes: Buffer; connection: string | undefined }>((resolve, reject) => {
    const length = headers['transfer-encoding'] === undefined ? { 'content-length': Buffer.byteLength(body) } : {};
    const sent = httpRequest(
      { port, method, host: '127.0.0.1', headers: { connection: 'keep-alive', ...length, ...headers } },
      async (response) => {
        const bytes = Buffer.concat(await Array.fromAsync(response as AsyncIterable<Buffer>));
        resolve({ bytes, connection: response.headers.connection });
      },
    );
    sent.on('error', reject).end(body);
  });
}
