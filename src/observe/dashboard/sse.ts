export type SentEvent = { readonly event: string; readonly data: string };

/**
 * The lines of a text/event-stream as events; comments are none. Not EventSource: that tells nobody of comments, so a stream that is silent because nothing
 * happens looked like one that is dead, and it hides the status of a refusal.
 */
export function eventReader(): (piece: string) => readonly SentEvent[] {
  let rest = '';
  let event = '';
  let data: string[] = [];
  return (piece) => {
    const all = (rest + piece).split(/\r\n|\n|\r/);
    rest = all.pop() ?? '';
    const read: SentEvent[] = [];
    for (const line of all) {
      if (line === '') {
        if (data.length > 0) read.push({ event: event === '' ? 'message' : event, data: data.join('\n') });
        event = '';
        data = [];
      } else if (line.startsWith('event:')) event = line.slice(6).trimStart();
      else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    }
    return read;
  };
}
