import { getRandomValues, randomBytes, randomUUID } from 'node:crypto';
import type { Random } from '../world.ts';

export const random: Random = {
  next: () => Math.random(),
  uuidv7: uuidv7Maker(() => Date.now()),
  uuidv4: () => randomUUID(),
  token: () => randomBytes(32).toString('base64url'),
};

/**
 * RFC 9562, method 1: the 12 bits after the time count within a millisecond, so ids of one process sort as they were made.
 * A clock that goes back does not take the ids back with it.
 */
export function uuidv7Maker(nowMs: () => number): () => string {
  let lastMs = 0;
  let count = 0;
  const bytes = new Uint8Array(16);
  return () => {
    getRandomValues(bytes);
    const atMs = nowMs();
    if (atMs > lastMs) {
      lastMs = atMs;
      // Begun in the lower half, so that there is room to count.
      count = ((bytes[6]! & 0x07) << 8) | bytes[7]!;
    } else if (++count > 0xfff) {
      lastMs++;
      count = 0;
    }
    for (let at = 5, rest = lastMs; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
    bytes[6] = 0x70 | (count >> 8);
    bytes[7] = count & 0xff;
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    const hex = Buffer.from(bytes.buffer).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
