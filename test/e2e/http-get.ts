import { existsSync, readFileSync } from 'node:fs';
import { get as httpGet, request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Json, TestHome } from './harness.ts';

export type Got = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly json: Json;
  readonly tookMs: number;
};

/** One question over a connection of its own; unlike `fetch` it may say any Host. */
export function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Got> {
  const fromMs = performance.now();
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false, headers }, (response) => void gotFrom(response, fromMs).then(resolve, reject)).on('error', reject);
  });
}

/** The same with a body, as what changes something is asked. */
export function post(url: string, body: Json, headers: Readonly<Record<string, string>> = {}, method = 'POST'): Promise<Got> {
  const fromMs = performance.now();
  const more = { 'content-type': 'application/json', 'x-todo-request': '1', ...headers };
  return new Promise((resolve, reject) => {
    httpRequest(url, { agent: false, method, headers: more }, (response) => void gotFrom(response, fromMs).then(resolve, reject))
      .on('error', reject)
      .end(JSON.stringify(body));
  });
}

async function gotFrom(response: IncomingMessage, fromMs: number): Promise<Got> {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers as Record<string, string>,
    text,
    json: response.headers['content-type']?.includes('json') ? JSON.parse(text) : null,
    tookMs: performance.now() - fromMs,
  };
}

/** A question to the server of a home, with its token. */
export type Served = {
  readonly url: string;
  readonly token: string;
  ask(path: string): Promise<Got>;
  act(path: string, body: Json, headers?: Readonly<Record<string, string>>): Promise<Got>;
};

/** Once the daemon of that home serves. */
export async function served(home: TestHome, file = 'http.json'): Promise<Served> {
  const { url } = await home.until('it serves', () => {
    const path = join(home.folder, file);
    return existsSync(path) && (JSON.parse(readFileSync(path, 'utf8')) as { url: string });
  });
  const token = readFileSync(join(home.folder, 'http.token'), 'utf8').trim();
  const authorization = `Bearer ${token}`;
  return {
    url,
    token,
    ask: (path) => get(`${url}${path}`, { authorization }),
    act: (path, body, headers = {}) => post(`${url}${path}`, body, { authorization, ...headers }),
  };
}
