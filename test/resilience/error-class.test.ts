import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../src/core/errors.ts';
import { errorTable, OperationalError } from '../../src/core/errors.ts';
import { classOf, errorClasses, saysUnhealthy } from '../../src/resilience/error-class.ts';
import { Refused, TimedOut, withoutStack } from '../../src/resilience/errors.ts';
import { parseRetryAfter, retryAfterOf } from '../../src/resilience/retry-after.ts';

const operational = (code: ErrorCode) => new OperationalError(code, { operation: 'testing', subject: 'it' });

test('our own errors have their class by code; what the table never retries is permanent', () => {
  const classes = { STORE_UNREACHABLE: 'network', DISK_FULL: 'resource', STORE_ACCESS: 'auth', SPAWN_FAILED: 'runner_offline' } as const;
  for (const [code, errorClass] of Object.entries(classes)) assert.equal(classOf(operational(code as ErrorCode)), errorClass, code);
  assert.equal(classOf(operational('STORE_CONFLICT')), 'temporary');
  assert.equal(classOf(operational('STORE_REFUSED')), 'permanent');
  assert.equal(classOf(operational('BAD_DATA')), 'invalid');
});

test('no code that the table gives up at once is retried here, and none that it waits for is given up', () => {
  const retried = new Set(['runner_offline', 'quota_exhausted', 'network', 'resource', 'temporary']);
  for (const [code, { retry }] of Object.entries(errorTable)) {
    const errorClass = classOf(operational(code as ErrorCode));
    // Credentials are waited for by a completion and mended by a person; a call with wrong ones is not made again.
    if (errorClass !== 'auth') assert.equal(retried.has(errorClass), retry !== 'never', `${code} is ${errorClass}`);
  }
});

const carried: readonly (readonly [carries: object, errorClass: string])[] = [
  [{ code: 'ECONNREFUSED' }, 'network'],
  [{ code: 'EAI_AGAIN' }, 'network'],
  [{ code: 'ENOSPC' }, 'resource'],
  [{ code: 'EMFILE' }, 'resource'],
  [{ code: 'EACCES' }, 'permanent'],
  [{ status: 429 }, 'quota_exhausted'],
  [{ status: 401 }, 'auth'],
  [{ statusCode: 503 }, 'temporary'],
  [{ status: 408 }, 'temporary'],
  [{ status: 422 }, 'invalid'],
  [{ status: 501 }, 'permanent'],
  [{ status: 507 }, 'resource'],
  [{ responseCode: 421 }, 'temporary'],
  [{ responseCode: 550 }, 'permanent'],
  [{ responseCode: 535 }, 'auth'],
  [{ code: 'EAUTH', responseCode: 535 }, 'auth'],
  [{ status: 200 }, 'defect'],
  [{ code: 'MADE_UP' }, 'defect'],
];
for (const [carries, errorClass] of carried) {
  test(`an error that carries ${JSON.stringify(carries)} is ${errorClass}`, () => {
    assert.equal(classOf(Object.assign(new Error('x'), carries)), errorClass);
  });
}

test('what has no shape is a defect: it is never retried and says nothing about the other side', () => {
  for (const thrown of [undefined, null, 'text', 7, new TypeError('x is not a function'), {}]) assert.equal(classOf(thrown), 'defect');
  assert.equal(saysUnhealthy.defect, false);
});

test('only what the other side is to blame for counts against it', () => {
  const counted = errorClasses.filter((it) => saysUnhealthy[it]);
  assert.deepEqual(counted, ['runner_offline', 'quota_exhausted', 'network', 'resource', 'temporary']);
});

test('a refusal is refused whatever its code says, a call without an answer is temporary', () => {
  assert.equal(classOf(new Refused('STORE_UNREACHABLE', { subject: 'store', because: 'open', retryAfterMs: 5 })), 'refused');
  assert.equal(classOf(new TimedOut('NETWORK_FAILED', { subject: 'smtp', timeoutMs: 5 })), 'temporary');
});

test('a refusal says what was refused, why, for how long, and which command helps', () => {
  const error = new Refused('STORE_UNREACHABLE', { subject: 'store', because: 'open', retryAfterMs: 1234.5 });
  assert.match(error.message, /STORE_UNREACHABLE while calling store: its breaker is open for 1235 ms more/);
  assert.match(error.hint, /todo health/);
  for (const because of ['probing', 'isolated', 'full', 'waited'] as const)
    assert.match(new Refused('NETWORK_FAILED', { subject: 's', because, retryAfterMs: null }).message, /while calling s: \w/);
});

test('an error made without its stack leaves the stacks of all others', () => {
  const limit = Error.stackTraceLimit;
  assert.doesNotMatch(withoutStack(() => new Error('quick')).stack ?? '', /\n\s+at /);
  assert.throws(() =>
    withoutStack(() => {
      throw new Error('within');
    }),
  );
  assert.equal(Error.stackTraceLimit, limit);
  assert.match(new Error('slow').stack ?? '', /\n\s+at /);
});

test('Retry-After is whole seconds or a date of HTTP, and nothing else', () => {
  const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);
  assert.equal(parseRetryAfter('120', nowMs), 120_000);
  assert.equal(parseRetryAfter(' 0 ', nowMs), 0);
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 12:00:30 GMT', nowMs), 30_000);
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 11:00:00 GMT', nowMs), 0);
  for (const text of ['', 'soon', '-5', '1.5', '5 apples', '2026-01-01', 'Thu, 99 Jan 2026 12:00:30 GMT', '99999999999', null, undefined])
    assert.equal(parseRetryAfter(text, nowMs), null, String(text));
});

test('what an error asks for is its retryAfterMs, where that is a wait', () => {
  assert.equal(retryAfterOf(new Refused('NETWORK_FAILED', { subject: 's', because: 'open', retryAfterMs: 77 })), 77);
  for (const error of [new Error('x'), { retryAfterMs: -1 }, { retryAfterMs: '5' }, { retryAfterMs: Number.NaN }, null, 'x'])
    assert.equal(retryAfterOf(error), null);
});
