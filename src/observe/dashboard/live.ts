import { computed, effect, signal } from '@preact/signals';
import type { Overview } from '../../core/dashboard.ts';
import { get, session } from './ask.ts';
import { isLive, pollEveryMs, streamSilenceMsMax, type Way } from './liveness.ts';
import { aheadMs, nowMs } from './now.ts';
import { eventReader } from './sse.ts';

/** The last that came; null: nothing yet. */
export const overview = signal<Overview | null>(null);
/** When anything was last heard of the server, by our clock; at first when we began to listen. */
const heardAtMs = signal(Date.now());
export const way = signal<Way>('none');

/** Whether what is shown may be taken for how it is. */
export const live = computed(() => isLive({ way: way.value, heardAtMs: heardAtMs.value, nowMs: nowMs.value }));
/** By the server's clock, as all times that are shown. */
export const lastHeardMs = computed(() => heardAtMs.value + aheadMs.value);

/** What tabs of one browser tell one another: one of them listens to the server, and the others to it. */
type Told =
  | { readonly kind: 'heard'; readonly way: Way; readonly overview: Overview | null }
  /** A new tab asks for what is known. */
  | { readonly kind: 'new' }
  | { readonly kind: 'over' };

const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('signoff');
let leads = false;

/** Listens as long as somebody is logged in. */
export function listen(): void {
  let stop: AbortController | null = null;
  effect(() => {
    const isIn = session.value !== null && session.value !== undefined;
    if (isIn && stop === null) {
      stop = new AbortController();
      void follow(stop.signal);
    } else if (!isIn && stop !== null) {
      stop.abort();
      stop = null;
      overview.value = null;
      way.value = 'none';
    }
  });
}

/** Goes up when somebody asks by hand for how it is now. */
export const refreshes = signal(0);

/** By hand: asks now, whatever the stream says. The server looks anew some times a minute, and then says when again. */
export async function refresh(): Promise<{ readonly isHeard: boolean; readonly againInS: number | null }> {
  refreshes.value++;
  const fresh = await get<Overview>('/api/overview?fresh=1');
  const answer = !fresh.ok && fresh.status === 429 ? await get<Overview>('/api/overview') : fresh;
  if (answer.ok) {
    heard(answer.value);
    wakeUp();
  }
  return { isHeard: answer.ok, againInS: fresh.ok ? null : fresh.retryAfterS };
}

export function tellLoggedOut(): void {
  tabs?.postMessage({ kind: 'over' } satisfies Told);
}

async function follow(stop: AbortSignal): Promise<void> {
  heardAtMs.value = Date.now();
  if (tabs !== null) {
    tabs.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data.kind === 'over') session.value = null;
      else if (data.kind === 'new') {
        if (leads) tell(overview.value);
      } else if (!leads) {
        way.value = data.way;
        take(data.overview);
      }
    };
    tabs.postMessage({ kind: 'new' } satisfies Told);
  }
  // Without locks (a page that came by plain http from another machine) each tab listens for itself.
  if (navigator.locks === undefined) return lead(stop);
  const first = await get<Overview>('/api/overview', stop);
  if (first.ok && overview.value === null) take(first.value);
  await navigator.locks.request('signoff-stream', { signal: stop }, () => lead(stop)).catch(() => {});
}

async function lead(stop: AbortSignal): Promise<void> {
  leads = true;
  try {
    for (let failures = 0; !stop.aborted; ) {
      const ended = await stream(stop);
      if (stop.aborted) return;
      failures = ended === 'had' ? 0 : failures + 1;
      // A server that answers but has no stream for us is asked; one that does not answer at all is tried again soon.
      if (ended === 'refused') {
        const answer = await get<Overview>('/api/overview', stop);
        if (answer.ok) {
          way.value = 'poll';
          heard(answer.value);
          await pause(pollEveryMs, stop);
          continue;
        }
      }
      await pause(Math.min(10_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2), stop);
    }
  } finally {
    leads = false;
  }
}

/** had: it was there, and ended. */
async function stream(stop: AbortSignal): Promise<'had' | 'refused' | 'no answer'> {
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal]);
  let silence = setTimeout(() => over.abort(), streamSilenceMsMax);
  let had = false;
  try {
    const response = await fetch('/api/events', {
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { accept: 'text/event-stream' },
      signal,
    });
    if (!response.ok || response.body === null) {
      if (response.status === 401) session.value = null;
      return 'refused';
    }
    had = true;
    const read = eventReader();
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      clearTimeout(silence);
      silence = setTimeout(() => over.abort(), streamSilenceMsMax);
      way.value = 'stream';
      const events = read(piece.value).filter(({ event }) => event === 'overview');
      heard(events.length === 0 ? null : (JSON.parse(events.at(-1)!.data) as Overview));
    }
    return 'had';
  } catch (error) {
    if (error instanceof SyntaxError) throw error;
    // Cut off, silent for too long, or given up by us.
    return had ? 'had' : 'no answer';
  } finally {
    clearTimeout(silence);
  }
}

function heard(what: Overview | null): void {
  take(what);
  tell(what);
}

const tell = (what: Overview | null): void => tabs?.postMessage({ kind: 'heard', way: way.value, overview: what } satisfies Told);

function take(what: Overview | null): void {
  const at = Date.now();
  heardAtMs.value = at;
  nowMs.value = at;
  if (what === null || (overview.value !== null && what.atMs < overview.value.atMs)) return;
  aheadMs.value = what.atMs - at;
  overview.value = what;
}

let wakeUp: () => void = () => {};

/** Ends early when the page comes to the front, the network is back, or somebody refreshes by hand. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener('online', end);
      document.removeEventListener('visibilitychange', end);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    wakeUp = end;
    addEventListener('online', end);
    document.addEventListener('visibilitychange', end);
    stop.addEventListener('abort', end);
  });
}
