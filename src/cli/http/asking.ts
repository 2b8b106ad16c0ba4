import { requestHeader } from '../../core/dashboard.ts';
import { messageOf, OperationalError } from '../../core/errors.ts';
import { isObject, parsedJson } from '../../core/shape.ts';
import type { World } from '../../world.ts';
import { httpPaths } from './service.ts';

export type Serving = {
  /** As a browser of this machine asks it. */
  readonly url: string;
  /** With the token of the home; what it answers. */
  ask<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T>;
};

const answersWithinMs = 5_000;

/** The daemon's server, else that of who only looks. NO_DAEMON: nothing of this home serves. */
export async function servingOf({ files, home }: Pick<World, 'files' | 'home'>): Promise<Serving> {
  const paths = httpPaths(home);
  const token = files.readText(paths.token)?.trim() ?? '';
  for (const path of [paths.address, paths.observer]) {
    const said = parsedJson(files.readText(path) ?? '');
    if (!isObject(said) || typeof said['url'] !== 'string') continue;
    const url = said['url'].replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
    // One that was killed leaves its address.
    if (await lives(url)) return { url, ask: (method, at, body) => ask(url, token, method, at, body) };
  }
  throw new OperationalError('NO_DAEMON', {
    operation: 'asking for',
    subject: 'the dashboard',
    why: 'nothing of this home serves HTTP',
    hint: 'With the daemon: todo config set server.port 8420, then todo daemon restart; or todo start --all. Without it: todo start --dashboard-only',
  });
}

async function lives(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/livez`, { signal: AbortSignal.timeout(answersWithinMs) })).headers.has('content-security-policy');
  } catch {
    return false;
  }
}

async function ask<T>(url: string, token: string, method: string, path: string, body: unknown): Promise<T> {
  const subject = `the server at ${url}`;
  let text: string;
  try {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        [requestHeader.name]: requestHeader.value,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(answersWithinMs),
    });
    text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
  } catch (cause) {
    throw new OperationalError('NETWORK_FAILED', { operation: 'asking', subject, why: messageOf(cause), cause });
  }
  const said = parsedJson(text);
  const error = isObject(said) && isObject(said['error']) ? said['error'] : {};
  const isAbsent = error['code'] === 'NOT_FOUND';
  throw new OperationalError(isAbsent ? 'NOT_FOUND' : 'REFUSED', {
    operation: 'asking',
    subject,
    why: typeof error['message'] === 'string' ? error['message'] : 'it answered something that is not ours',
    hint: isAbsent ? 'See: todo dashboard sessions' : 'See: todo dashboard --help',
  });
}
