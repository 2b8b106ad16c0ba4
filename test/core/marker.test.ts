import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { markerBytesMax, parseMarker } from '../../src/core/marker.ts';

const sha256 = (content: Uint8Array | string): string => createHash('sha256').update(content).digest('hex');
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const marker = (value: unknown): string => {
  const line = JSON.stringify(value);
  return `${line}\nsha256 ${sha256(line)} ${encode(line).length}\n`;
};
const good = { v: 1, todo: 't', run: 'r', token: 'secret', says: 'done', summary: 'fertig: "ja" 👍' };

test('a whole marker is read, with and without its last line end', () => {
  for (const text of [marker(good), marker(good).trimEnd()]) {
    const parsed = parseMarker(encode(text), sha256);
    assert.ok('marker' in parsed && parsed.marker.kind === 'word');
    assert.equal(parsed.marker.says, 'done');
    assert.equal(parsed.marker.summary, 'fertig: "ja" 👍');
  }
});

test('every marker cut short is refused, and said to be torn while it may still grow', () => {
  const whole = encode(marker(good).trimEnd());
  for (let length = 0; length < whole.length; length++) {
    const parsed = parseMarker(whole.subarray(0, length), sha256);
    assert.ok('bad' in parsed, `${length} bytes of ${whole.length} were taken`);
    assert.equal(parsed.torn, true, `${length}: ${parsed.bad}`);
  }
});

test('one changed byte anywhere is refused', () => {
  const whole = encode(marker(good).trimEnd());
  for (let at = 0; at < whole.length; at++) {
    const changed = Uint8Array.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.ok('bad' in parseMarker(changed, sha256), `byte ${at}`);
  }
});

test('what is not a marker says why', () => {
  const cases: [unknown, RegExp][] = [
    [{ ...good, v: 2 }, /version/],
    [{ ...good, says: 'finished' }, /says/],
    [{ ...good, token: '' }, /token/],
    [{ ...good, run: 7 }, /run/],
    [[], /object/],
    [null, /object/],
  ];
  for (const [value, why] of cases) {
    const parsed = parseMarker(encode(marker(value)), sha256);
    assert.ok('bad' in parsed && why.test(parsed.bad), JSON.stringify(parsed));
  }
  const huge = parseMarker(new Uint8Array(markerBytesMax + 1), sha256);
  assert.ok('bad' in huge && !huge.torn);
});

test('no bytes at all make it throw, and only a digest that fits makes it believe', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => 'bad' in parseMarker(bytes, sha256)),
    { numRuns: 20_000 },
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const parsed = parseMarker(encode(marker(value)), sha256);
      return 'bad' in parsed || parsed.marker.runId.length > 0;
    }),
    { numRuns: 5000 },
  );
});
