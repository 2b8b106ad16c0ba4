import type { Asker, Role } from '../core/dashboard.ts';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import type { Clock } from '../world.ts';
import type { Counts } from './counted.ts';
import type { Door } from './door.ts';
import type { Problem } from './respond.ts';
import type { Shown } from './shown.ts';

/** nobody: anyone may ask. local: whoever is on this machine; from elsewhere as a viewer. A role: who is logged in with it, or with one that may more. */
export type Access = 'nobody' | 'local' | Role;

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** One question, after it was let in. */
export type Asked = {
  readonly request: HttpRequest;
  /** By the names in the page's path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** What was sent as JSON; undefined: nothing was. Not yet looked at. */
  readonly body: unknown;
  readonly by: Asker;
  readonly door: Door;
  readonly counts: Counts;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly nowMs: number;
  /** Aborted when the asker went away. */
  readonly gone: AbortSignal;
};

export type Page = {
  /** GET unless given, and then HEAD with it. GET changes nothing. */
  readonly method?: Method;
  /** `/api/todos/:id`: one part, never empty. A path without such parts comes before one with them. */
  readonly paths: readonly string[];
  readonly needs: Access;
  /** A browser may be led here from elsewhere: a link, an address in a file. For what is the same to everybody. */
  readonly byLink?: true;
  readonly answer: (shown: Shown, asked: Asked) => HttpResponse | Problem | Promise<HttpResponse | Problem>;
};

export const methodOf = ({ method }: Page): Method => method ?? 'GET';
