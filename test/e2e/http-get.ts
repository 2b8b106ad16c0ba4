import { existsSync, readFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
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
    httpGet(url, { agent: false, headers }, async (response) => {
      let text = '';
      for await (const piece of response.setEncoding('utf8')) text += piece;
      const json = response.headers['content-type']?.includes('json') ? JSON.parse(text) : null;
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers as Record<string, string>,
        text,
        json,
        tookMs: performance.now() - fromMs,
      });
    }).on('error', reject);
  });
}

/** A question to the server of a home, with its token. */
export type Served = { readonly url: string; readonly token: string; ask(path: string): Promise<Got> };

/** Once the daemon of that home serves. */
export async function served(home: TestHome, file = 'http.json'): Promise<Served> {
  const { url } = await home.until('it serves', () => {
    const path = join(home.folder, file);
    return existsSync(path) && (JSON.parse(readFileSync(path, 'utf8')) as { url: string });
  });
  const token = readFileSync(join(home.folder, 'http.token'), 'utf8').trim();
  return { url, token, ask: (path) => get(`${url}${path}`, { authorization: `Bearer ${token}` }) };
}
