import { signal } from '@preact/signals';
import { requestHeader, type SessionInfo } from '../../core/dashboard.ts';

/** undefined: not asked yet. null: nobody is logged in. */
export const session = signal<SessionInfo | null | undefined>(undefined);

export type Answer<T> =
  | { readonly ok: true; readonly value: T; readonly status: number }
  /** Status 0: no answer came. */
  | { readonly ok: false; readonly status: number; readonly code: string; readonly message: string; readonly retryAfterS: number | null };

/** No question takes longer. */
const patienceMs = 8_000;
/** An action may wait for a run to end. */
const actionPatienceMs = 65_000;

export const get = <T>(path: string, stop?: AbortSignal): Promise<Answer<T>> => ask<T>(path, { method: 'GET' }, patienceMs, stop);

/** The key makes the same request twice the same as once. */
export const post = <T>(path: string, body: unknown, idempotencyKey = newKey()): Promise<Answer<T>> =>
  ask<T>(
    path,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', [requestHeader.name]: requestHeader.value, 'idempotency-key': idempotencyKey },
      body: JSON.stringify(body),
    },
    actionPatienceMs,
  );

/** Also where there is no randomUUID: that needs https or this very machine. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function ask<T>(path: string, init: RequestInit, withinMs: number, stop?: AbortSignal): Promise<Answer<T>> {
  const over = AbortSignal.timeout(withinMs);
  try {
    const response = await fetch(path, {
      ...init,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: stop === undefined ? over : AbortSignal.any([over, stop]),
    });
    const body: unknown = await response.json().catch(() => null);
    if (response.ok) return { ok: true, value: body as T, status: response.status };
    if (response.status === 401) session.value = null;
    const said = (body as { error?: { code?: string; message?: string } } | null)?.error;
    return {
      ok: false,
      status: response.status,
      code: said?.code ?? `HTTP ${response.status}`,
      message: said?.message ?? response.statusText,
      retryAfterS: Number(response.headers.get('retry-after')) || null,
    };
  } catch (error) {
    // Refused, cut off, too late, or given up by us.
    return { ok: false, status: 0, code: 'NO_ANSWER', message: error instanceof Error ? error.message : String(error), retryAfterS: null };
  }
}
