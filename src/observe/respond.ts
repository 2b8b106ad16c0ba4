import type { HttpRequest, HttpResponse } from '../core/http.ts';

/** Of every answer. All but `asset` is no page for a browser, so a browser may do nothing with it. */
const always: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export const respond = (status: number, type: string, body: HttpResponse['body'], headers: HttpResponse['headers'] = {}): HttpResponse => ({
  status,
  headers: { ...always, 'content-type': type, ...headers },
  body,
});

export const json = (status: number, value: unknown, headers: HttpResponse['headers'] = {}): HttpResponse =>
  respond(status, 'application/json; charset=utf-8', `${JSON.stringify(value)}\n`, headers);

const assetPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** A file of the dashboard: the only answers that a browser may show or run. `immutable`: its name has the digest of its content. */
export const asset = (type: string, body: string | Uint8Array, { immutable }: { readonly immutable: boolean }): HttpResponse =>
  respond(200, type, body, {
    'content-security-policy': assetPolicy,
    'cache-control': immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
  });

export type Problem = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** What a program may want of it beside its code. */
  readonly details?: unknown;
  readonly headers?: HttpResponse['headers'];
};

/** One shape for whatever is refused or goes wrong. */
export const problem = (
  { status, code, message, details = null, headers = {} }: Problem,
  about: { readonly request: HttpRequest; readonly requestId: string; readonly nowMs: number },
): HttpResponse =>
  json(
    status,
    {
      success: false,
      error: {
        code,
        message,
        statusCode: status,
        details,
        timestamp: new Date(about.nowMs).toISOString(),
        path: about.request.path,
        requestId: about.requestId,
      },
    },
    headers,
  );
