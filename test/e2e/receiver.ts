import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { Json } from './harness.ts';

/** A receiver of webhooks that is well or not; `heard` is what it took. `script` says what the next ones are answered, before `state` counts. */
export async function receiver(t: TestContext) {
  const heard: Json[] = [];
  const state: { status: number; retryAfter: string | null; script: number[] } = { status: 500, retryAfter: null, script: [] };
  let asked = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      asked += 1;
      const status = state.script.shift() ?? state.status;
      if (status === 200) heard.push(JSON.parse(body));
      response.statusCode = status;
      if (state.retryAfter !== null) response.setHeader('retry-after', state.retryAfter);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return { state, heard, asked: () => asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?secret=geheim` };
}
