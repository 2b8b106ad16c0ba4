import type { HttpResponse } from '../core/http.ts';
import { respond } from './respond.ts';
import type { Shown } from './shown.ts';

/** Server-sent events: `status` with all that is shown, at first and after each change. */
export function events(shown: Shown, gone: AbortSignal): HttpResponse {
  return respond(200, 'text/event-stream; charset=utf-8', stream(shown, gone), { 'x-accel-buffering': 'no' });
}

/** A storm of changes is one event: what is sent is how it is now, not how it became so. */
async function* stream(shown: Shown, gone: AbortSignal): AsyncGenerator<string> {
  yield 'retry: 2000\n\n';
  let sent = '';
  for (let id = 1; !gone.aborted; ) {
    const text = JSON.stringify(shown.status());
    if (text === sent) yield ': nothing new\n\n';
    else yield `id: ${id++}\nevent: status\ndata: ${text}\n\n`;
    sent = text;
    await shown.changed(gone);
  }
}
