import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Model = AsyncDisposable & {
  /** Sends the agent here and nowhere else. */
  readonly env: Readonly<Record<string, string>>;
  asked(): number;
};

/** Passes the agent's own look at the form of a key; known to nobody. */
const noKey = 'sk-ant-api03-todo-doctor-0000000000000000';

/** A model on loopback that answers every message with one word, in the Messages protocol. */
export async function startModel(): Promise<Model> {
  let asked = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.method !== 'POST' || !request.url?.startsWith('/v1/messages')) return void response.writeHead(404).end('{}');
      if (request.url.includes('count_tokens'))
        return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":10}');
      asked += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of oneWord(asked)) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      response.end();
    });
  });
  // What it tries beyond the model is refused, so that nothing leaves this machine.
  server.on('connect', (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n'));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    env: {
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: noKey,
      ANTHROPIC_AUTH_TOKEN: '',
      CLAUDE_CODE_OAUTH_TOKEN: '',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_MAX_RETRIES: '0',
      DISABLE_AUTOUPDATER: '1',
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      NO_PROXY: '127.0.0.1,localhost',
    },
    asked: () => asked,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function oneWord(count: number): readonly ({ readonly type: string } & Readonly<Record<string, unknown>>)[] {
  const usage = { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const message = {
    id: `msg_${count}`,
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  return [
    { type: 'message_start', message },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello.' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 1 } },
    { type: 'message_stop' },
  ];
}
