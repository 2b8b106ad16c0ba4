import { isObject } from './shape.ts';
import type { Says } from './words.ts';
import { words } from './words.ts';

/** A marker is a claim of at most this size; anything larger is not one. */
export const markerBytesMax = 64 * 1024 + 256;

export type Marker =
  | {
      readonly kind: 'word';
      readonly todoId: string;
      readonly runId: string;
      readonly token: string;
      readonly says: Says;
      readonly summary: string | null;
      readonly reason: string | null;
      readonly notBeforeMs: number | null;
    }
  | {
      readonly kind: 'hook';
      readonly todoId: string;
      readonly runId: string;
      readonly token: string;
      readonly agent: string;
      readonly event: string;
      readonly payload: unknown;
    };

export type ParsedMarker = { readonly marker: Marker } | { readonly bad: string; readonly torn: boolean };

/**
 * Reads our own marker format (DESIGN 5): one JSON line, then `sha256 <hex> <bytes>` over that line without its newline.
 * Never guesses: what is not exactly that is bad, with the reason. `torn` says that it may still be growing.
 */
export function parseMarker(bytes: Uint8Array, sha256: (content: Uint8Array) => string): ParsedMarker {
  if (bytes.length > markerBytesMax) return { bad: `larger than ${markerBytesMax} bytes`, torn: false };
  const newline = bytes.indexOf(10);
  if (newline < 0) return { bad: 'no line end: cut short', torn: true };
  const line = bytes.subarray(0, newline);
  const trailer = decode(bytes.subarray(newline + 1));
  if (trailer === null) return { bad: 'the trailer is not text', torn: false };
  const match = /^sha256 ([0-9a-f]{64}) (\d{1,7})\n?$/.exec(trailer);
  if (!match) return { bad: 'no sha256 trailer: cut short or foreign', torn: trailer.length < 80 };
  if (Number(match[2]) !== line.length)
    return { bad: `the trailer names ${match[2]} bytes, the line has ${line.length}`, torn: !trailer.endsWith('\n') };
  if (sha256(line) !== match[1]) return { bad: 'the digest does not fit the line', torn: false };
  return parseLine(line);
}

function parseLine(line: Uint8Array): ParsedMarker {
  const text = decode(line);
  if (text === null) return { bad: 'not UTF-8', torn: false };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { bad: 'not JSON', torn: false };
  }
  if (!isObject(value)) return { bad: 'not a JSON object', torn: false };
  if (value['v'] !== 1) return { bad: `unknown version ${JSON.stringify(value['v'])}`, torn: false };
  const { todo, run, token } = value;
  if (!isName(todo) || !isName(run) || !isName(token))
    return { bad: 'todo, run and token must be strings of 1 to 200 characters', torn: false };
  const base = { todoId: todo, runId: run, token };
  if (value['kind'] === 'hook') {
    const { agent, event, payload } = value;
    if (!isName(agent) || !isName(event)) return { bad: 'a hook needs agent and event', torn: false };
    return { marker: { kind: 'hook', ...base, agent, event, payload: payload ?? null } };
  }
  const says = value['says'];
  if (!isWord(says)) return { bad: `says ${JSON.stringify(says)}, not one of ${words.join(', ')}`, torn: false };
  return {
    marker: {
      kind: 'word',
      ...base,
      says,
      summary: textOrNull(value['summary']),
      reason: textOrNull(value['reason']),
      notBeforeMs: timeOrNull(value['notBeforeMs']),
    },
  };
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 200;
const isWord = (value: unknown): value is Says => (words as readonly unknown[]).includes(value);
const textOrNull = (value: unknown): string | null => (typeof value === 'string' && value.length > 0 ? value : null);
const timeOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}
