import type { LogFields } from '../world.ts';

/** What a reader of a log takes in; the whole text stands where the field came from. */
const textCharsMax = 4_000;
const depthMax = 5;
const itemsMax = 100;

const secretNames = new Set(['token', 'password', 'secret', 'authorization']);
/** Ours in every line. */
const takenNames = new Set(['level', 'time', 'room', 'event']);

/** Fields as they may be written: without secrets, bounded, errors with their story, no name twice. */
export function cleanFields(fields: LogFields): LogFields {
  const cleaned: Record<string, unknown> = {};
  for (const name in fields) cleaned[takenNames.has(name) ? `${name}_` : name] = clean(name, fields[name], 0);
  return cleaned;
}

function clean(name: string, value: unknown, depth: number): unknown {
  if (secretNames.has(name.toLowerCase()) && value !== null && value !== undefined) return '‹redacted›';
  if (typeof value === 'string')
    return value.length > textCharsMax ? `${value.slice(0, textCharsMax)}… (${value.length} characters)` : value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return cleanError(value, depth);
  if (depth === depthMax) return '…';
  if (Array.isArray(value)) return value.slice(0, itemsMax).map((item) => clean('', item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, clean(inner, item, depth + 1)]));
}

function cleanError(error: Error, depth: number): unknown {
  const { name, message, stack, cause } = error;
  const code = (error as { code?: unknown }).code;
  return {
    name,
    message: clean('', message, depth),
    ...(code === undefined ? {} : { code }),
    stack: clean('', stack ?? '', depth),
    ...(cause === undefined || depth === depthMax ? {} : { cause: clean('', cause, depth + 1) }),
  };
}
