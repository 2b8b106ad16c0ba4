import { needleFinder } from './redact/needles.ts';
import { findPatterns, patternCharsMax } from './redact/patterns.ts';
import { mergeSpans, type Span } from './redact/spans.ts';
import { secretVariants } from './redact/variants.ts';

/** Takes secrets out of text that leaves `runs/<run>/`. What was redacted before stays as it is. */
export type Redactor = {
  redact(text: string): string;
  /** The same on bytes that may be no UTF-8: everything outside a secret stays as it was. */
  redactBytes(bytes: Uint8Array): Uint8Array;
  /** For text that arrives in pieces: a secret split over pieces does not get through, and any split gives the same result. */
  stream(): { push(text: string): string; end(): string };
  /** Registered values that are too short or too common to look for, as indices into `secrets`: the caller should say so. */
  readonly refused: readonly number[];
};

export type RedactorOptions = {
  /** Secret values: tokens, passwords, keys of the environment. Blobs of several lines and JSON are also looked for in parts. */
  readonly secrets: readonly string[];
  /** Hex digest; four characters of it tell one secret from another without telling the secret. */
  readonly sha256: (content: string) => string;
};

/**
 * Looks for the registered values, also JSON-escaped, URL-encoded, in base64 at any alignment and in hex, and for patterns of well-known
 * keys. What it cannot find: a secret cut by a terminal's line wrap or by colour codes, compressed, or encrypted.
 */
export function createRedactor({ secrets, sha256 }: RedactorOptions): Redactor {
  const { variants, refused } = secretVariants(secrets);
  const needles = needleFinder(variants);
  const find: Find = (text, from) => mergeSpans([...needles.find(text, from), ...findPatterns(text, from)]);
  const mark = (span: Span, text: string): string =>
    `‹redacted:${span.kind}:${sha256(span.secret ?? text.slice(span.from, span.to)).slice(0, 4)}›`;
  const redact = (text: string): string => replaceSpans(text, find(text, 0), mark);

  return {
    redact,
    redactBytes: (bytes) => {
      // As Latin-1 every byte is one character, so indices into the text are indices into the bytes.
      const text = latin1(bytes);
      const spans = find(text, 0);
      return spans.length === 0 ? bytes : spliceBytes(bytes, spans, (span) => mark(span, text));
    },
    stream: () => redactorStream(find, mark, Math.max(needles.lengthMax, patternCharsMax)),
    refused,
  };
}

/** Applies a redaction to every string of a plain JSON value: evidence, records, events. Keys are ours and stay. */
export function redactStrings<Value>(value: Value, redact: (text: string) => string): Value {
  if (typeof value === 'string') return redact(value) as Value;
  if (Array.isArray(value)) return value.map((item: unknown) => redactStrings(item, redact)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactStrings(item, redact)])) as Value;
}

/** Spans that begin at `from` or later; what stands before it is context only. */
type Find = (text: string, from: number) => readonly Span[];
type Mark = (span: Span, text: string) => string;

function replaceSpans(text: string, spans: readonly Span[], mark: Mark): string {
  if (spans.length === 0) return text;
  const parts: string[] = [];
  let from = 0;
  for (const span of spans) {
    parts.push(text.slice(from, span.from), mark(span, text));
    from = span.to;
  }
  parts.push(text.slice(from));
  return parts.join('');
}

/**
 * Holds back as much as the longest secret, so that all that is let through has been seen with everything that could follow it.
 * One character of what was let through stays as context: patterns ask whether a word began there.
 */
function redactorStream(find: Find, mark: Mark, lengthMax: number): { push(text: string): string; end(): string } {
  let held = '';
  let contextChars = 0;
  // Looking again at what is held costs its length, so small pieces are gathered first.
  let lookAtChars = 2 * lengthMax;
  const release = (upTo: number, spans: readonly Span[]): string => {
    const text = held;
    const whole = spans.filter((span) => span.to <= upTo);
    const out = replaceSpans(text.slice(0, upTo), whole, (span) => mark(span, text)).slice(contextChars);
    contextChars = Math.min(1, upTo);
    held = text.slice(upTo - contextChars);
    lookAtChars = held.length + lengthMax;
    return out;
  };
  return {
    push(text) {
      held += text;
      if (held.length < lookAtChars) return '';
      const spans = find(held, contextChars);
      return release(cutBefore(spans, held.length - lengthMax), spans);
    },
    end: () => release(held.length, find(held, contextChars)),
  };
}

/** The last place up to `at` that cuts no secret, and none from the words that give it away. */
function cutBefore(spans: readonly Span[], at: number): number {
  const cut = spans.reduce((first, { needsFrom, to }) => (needsFrom < at && to > at ? Math.min(first, needsFrom) : first), at);
  return cut === at ? at : cutBefore(spans, cut);
}

function latin1(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let from = 0; from < bytes.length; from += chunkBytes) parts.push(String.fromCharCode(...bytes.subarray(from, from + chunkBytes)));
  return parts.join('');
}
/** Arguments of one call; engines bound them at some ten thousands. */
const chunkBytes = 8_192;

function spliceBytes(bytes: Uint8Array, spans: readonly Span[], mark: (span: Span) => string): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const span of spans) {
    parts.push(bytes.subarray(from, span.from), new TextEncoder().encode(mark(span)));
    from = span.to;
  }
  parts.push(bytes.subarray(from));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
