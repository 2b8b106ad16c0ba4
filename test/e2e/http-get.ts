import { get as httpGet } from 'node:http';
import type { Json } from './harness.ts';

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
