import type { StoredRecord, TerminalRecord } from './todo.ts';
import { isTerminal } from './words.ts';

/** Hex SHA-256 of the UTF-8 bytes: `world.digest.sha256`. */
type Sha256 = (content: string | Uint8Array) => string;

/** A long value as length and digest of its UTF-8 bytes. */
export type Measured = { readonly bytes: number; readonly sha256: string };

/** Values without a useful bound; a store may hold only a part of them. */
export const longFields = ['reportHtml', 'output', 'evidence'] as const satisfies readonly (keyof TerminalRecord)[];
export type LongField = (typeof longFields)[number];

/** The order is part of the digest: a new field goes to the end, none is ever moved. */
const shortFields = [
  'todoId',
  'runId',
  'fence',
  'outcome',
  'todoStatus',
  'proof',
  'saidBy',
  'reason',
  'notBeforeMs',
  'attempts',
  'resets',
  'round',
  'summary',
  'reportPath',
  'manifestSha256',
  'startedAtMs',
  'endedAtMs',
] as const satisfies readonly Exclude<keyof TerminalRecord, LongField>[];

/** Fails to compile when a field of the record has no place in the digest. */
type Forgotten = Exclude<keyof TerminalRecord, LongField | (typeof shortFields)[number]>;
const nothingForgotten: [Forgotten] extends [never] ? true : never = true;
void nothingForgotten;

/** The record as one line of JSON in a fixed order, long values as length and digest: what `digestOf` hashes. */
export const canonicalRecord = (record: TerminalRecord, sha256: Sha256): string =>
  canonical(record, (field) => measure(record[field], sha256));

/** SHA-256 (hex) over the record as it will be sent. Journalled with `reported`; `sameRecord` compares against it. */
export const digestOf = (record: TerminalRecord, sha256: Sha256): string => sha256(canonicalRecord(record, sha256));

/** The same for whoever has measured the long values already. */
export const digestOfMeasured = (
  record: Omit<TerminalRecord, LongField>,
  long: Readonly<Record<LongField, Measured>>,
  sha256: Sha256,
): string => sha256(canonical(record, (field) => long[field]));

/** Length and digest of a text's UTF-8 bytes; the encoder makes lone surrogates well-formed, as `storable` does. */
export const measure = (text: string, sha256: Sha256): Measured => {
  const bytes = encoded(text);
  return { bytes: bytes.length, sha256: sha256(bytes) };
};
const encoder = new TextEncoder();

/** Good until the next call: where hundreds of records are measured, a buffer for each is work for the garbage collector. */
function encoded(text: string): Uint8Array {
  if (text.length > scratchChars) return encoder.encode(text);
  scratch ??= new Uint8Array(scratchChars * 3);
  return scratch.subarray(0, encoder.encodeInto(text, scratch).written);
}
const scratchChars = 64 * 1024;
let scratch: Uint8Array | null = null;

/**
 * What every store does to text before it keeps it: lone surrogates, which no UTF-8 can hold, become U+FFFD.
 * `digestOf` does the same, so the digest of what was sent fits what comes back.
 */
export const storable = (record: TerminalRecord): TerminalRecord =>
  Object.fromEntries(
    Object.entries(record).map(([field, value]) => [field, typeof value === 'string' ? value.toWellFormed() : value]),
  ) as TerminalRecord;

/**
 * The store's answer to readBack, as sameRecord reads it. Where a value was stored in part, `whole` is what the store was sent:
 * with it the digest of all can still be recomputed, while the part is checked by its own value.
 */
export type ReadBack = Omit<StoredRecord, 'truncated'> & {
  readonly truncated: Readonly<Record<string, Measured & { readonly whole?: Measured }>>;
};

/** Whether the store shows the record whose digest was journalled: by value, run and todo rows included. */
export function sameRecord(
  sentDigest: string,
  back: ReadBack,
  sha256: Sha256,
): { readonly same: true } | { readonly same: false; readonly why: string } {
  const why = partDiffers(back, sha256) ?? contentDiffers(sentDigest, back, sha256) ?? runDiffers(back) ?? todoDiffers(back);
  return why === null ? { same: true } : { same: false, why };
}

function partDiffers({ record, truncated }: ReadBack, sha256: Sha256): string | null {
  for (const [field, noted] of Object.entries(truncated)) {
    if (!isLongField(field)) return `${field} is said to be stored in part, which only ${longFields.join(', ')} may be`;
    const part = measure(record[field], sha256);
    if (part.bytes !== noted.bytes || part.sha256 !== noted.sha256) {
      return `the stored part of ${field} has ${part.bytes} bytes with digest ${part.sha256}, noted are ${noted.bytes} bytes with ${noted.sha256}`;
    }
    if (noted.whole === undefined) return `${field} is stored in part without length and digest of the whole`;
    if (noted.whole.bytes < part.bytes) return `the stored part of ${field} is longer than the whole`;
  }
  return null;
}

function contentDiffers(sentDigest: string, { record, truncated }: ReadBack, sha256: Sha256): string | null {
  const found = sha256(canonical(record, (field) => truncated[field]?.whole ?? measure(record[field], sha256)));
  return found === sentDigest ? null : `the record that came back has digest ${found}, sent was ${sentDigest}`;
}

function runDiffers({ record, run }: ReadBack): string | null {
  return firstDifference('run', [
    ['id', run.id, record.runId],
    ['todo', run.todoId, record.todoId],
    ['fence', run.fence, record.fence],
    ['outcome', run.outcome, record.outcome],
    ['end', run.endedAtMs, record.endedAtMs],
    ['saidBy', run.saidBy, record.saidBy],
    ['round', run.round, record.round],
  ]);
}

/** A todo that went on (open, parked, blocked) may have been taken again since; a terminal one must show this record for ever. */
function todoDiffers({ record, todo, changedByOthers }: ReadBack): string | null {
  if (todo.id !== record.todoId) return `todo: id is ${todo.id}, recorded was ${record.todoId}`;
  if (!isTerminal(record.todoStatus) || changedByOthers === true)
    return todo.fence < record.fence ? `todo: fence ${todo.fence} is older than the record's ${record.fence}` : null;
  return firstDifference('todo', [
    ['status', todo.status, record.todoStatus],
    ['proof', todo.proof, record.proof],
    ['fence', todo.fence, record.fence],
    ['run', todo.runId, null],
    ['reason', todo.reason, record.reason],
    ['summary', todo.summary, record.summary],
    ['report', todo.report, record.reportPath],
    ['end', todo.endedAtMs, record.endedAtMs],
  ]);
}

const firstDifference = (row: string, pairs: readonly (readonly [what: string, found: unknown, sent: unknown])[]): string | null => {
  const pair = pairs.find(([, found, sent]) => found !== sent);
  return pair === undefined ? null : `${row}: ${pair[0]} is ${JSON.stringify(pair[1])}, recorded was ${JSON.stringify(pair[2])}`;
};

const canonical = (record: Omit<TerminalRecord, LongField>, long: (field: LongField) => Measured): string =>
  JSON.stringify({
    v: 1,
    ...Object.fromEntries(shortFields.map((field) => [field, wellFormed(record[field])])),
    ...Object.fromEntries(longFields.map((field) => [field, measuredOnly(long(field))])),
  });

const wellFormed = (value: string | number | null): string | number | null => (typeof value === 'string' ? value.toWellFormed() : value);
const measuredOnly = ({ bytes, sha256 }: Measured): Measured => ({ bytes, sha256 });
const isLongField = (field: string): field is LongField => (longFields as readonly string[]).includes(field);
