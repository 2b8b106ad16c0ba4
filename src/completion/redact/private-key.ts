import type { Span } from './spans.ts';

/** An armoured key of 8,192 bits has 6,400 characters. */
export const privateKeyCharsMax = 16 * 1024;

/** A private key from its first line to its last; one that does not end within the bound is taken as far as it looks like one. */
export function privateKeyAt(text: string, start: number): Span | null {
  begin.lastIndex = start;
  if (begin.exec(text) === null) return null;
  body.lastIndex = begin.lastIndex;
  const bodyTo = begin.lastIndex + (body.exec(text)?.[0].length ?? 0);
  end.lastIndex = bodyTo;
  const to = end.exec(text) === null ? bodyTo : end.lastIndex;
  return { from: start, to, needsFrom: start, kind: 'private-key', secret: null };
}

const begin = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
/** Up to four headers (`Proc-Type: 4,ENCRYPTED`), then base64 lines, whose ends may be escaped as in JSON. */
const body = /(?:\s{0,8}(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n\\]{0,80}(?:\\n|\s)){0,4}[A-Za-z0-9+/=\s\\]{0,15000}/y;
const end = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/y;
