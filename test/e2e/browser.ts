// The server of a home asked as a browser does it: with a cookie, from a page of its own.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { TestHome } from './harness.ts';
import type { Got } from './http-get.ts';

/** As a browser does it: the code from behind the #, sent by the page itself. */
export async function login(home: TestHome, url: string, role = 'operator'): Promise<string> {
  const { url: address } = await home.json(['dashboard', '--role', role]);
  const code = new URL(address).hash.replace('#login=', '');
  const answer = await asking('POST', `${url}/api/login`, null, { code });
  assert.equal(answer.status, 200, answer.text);
  const [cookie = ''] = String(answer.headers['set-cookie']).split(';');
  return cookie;
}

/** Who that is. */
export const session = (url: string, cookie: string): Promise<Got> => asking('GET', `${url}/api/session`, cookie);

export function asking(method: string, url: string, cookie: string | null = null, body?: unknown): Promise<Got> {
  const fromMs = performance.now();
  return new Promise((resolve, reject) => {
    const headers = {
      'x-todo-request': '1',
      'sec-fetch-site': 'same-origin',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(cookie === null ? {} : { cookie }),
    };
    const sent = request(url, { agent: false, method, headers }, async (response) => {
      let text = '';
      for await (const piece of response.setEncoding('utf8')) text += piece;
      const json = response.headers['content-type']?.includes('json') ? JSON.parse(text) : null;
      const tookMs = performance.now() - fromMs;
      resolve({ status: response.statusCode ?? 0, headers: response.headers as unknown as Record<string, string>, text, json, tookMs });
    });
    sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}
