import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest } from '../../src/platform/digest.ts';
import { random, uuidv7Maker } from '../../src/platform/random.ts';

const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('ids sort as they were made, also within a millisecond and when the clock goes back', () => {
  let nowMs = 1_700_000_000_000;
  const uuidv7 = uuidv7Maker(() => nowMs);
  const ids = Array.from({ length: 20_000 }, (_, n) => {
    if (n === 10_000) nowMs -= 3_600_000;
    if (n === 15_000) nowMs += 7_200_000;
    return uuidv7();
  });
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, version7);
});

test('an id carries the time at which it was made', () => {
  const [hex = ''] = [uuidv7Maker(() => 0x0123_4567_89ab)()];
  assert.equal(hex.slice(0, 13), '01234567-89ab');
});

test('a token has 256 bits in letters that need no quoting', () => {
  const tokens = new Set(Array.from({ length: 100 }, () => random.token()));
  assert.equal(tokens.size, 100);
  for (const token of tokens) assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  const chance = random.next();
  assert.ok(chance >= 0 && chance < 1);
  assert.match(random.uuidv4(), /-4[0-9a-f]{3}-/);
});

test('a digest is that of the bytes', () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  assert.equal(digest.sha256('abc'), abc);
  assert.equal(digest.sha256(Buffer.from('abc')), abc);
  assert.equal(digest.sha256('ü'), digest.sha256(Buffer.from([0xc3, 0xbc])));
  assert.equal(digest.sha256Base64('abc'), Buffer.from(abc, 'hex').toString('base64'));
});
