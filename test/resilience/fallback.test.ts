import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from '../../src/resilience/breaker.ts';
import type { Provider } from '../../src/resilience/fallback.ts';
import { Fallback, firstFit, NobodyAnswered } from '../../src/resilience/fallback.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policies } from '../../src/resilience/policy.ts';
import { profiles } from '../../src/resilience/profiles.ts';
import { denied, offline, settle, watched, world, wrong } from './fake-clock.ts';

type Request = { readonly kind: string };
const request: Request = { kind: 'text' };

function rig() {
  const needs = world();
  const asked: string[] = [];
  const provider = (name: string, answer: () => unknown, more: Partial<Provider<Request, string>> = {}): Provider<Request, string> => ({
    name,
    guard: newGuard({ name }, needs),
    ask: () => {
      asked.push(name);
      return answer() as string;
    },
    ...more,
  });
  const guarded = (name: string) => newGuard({ name, breaker: new Breaker(profiles.smtp, needs.clock.monotonicMs(), () => 0) }, needs);
  const throwing = (error: () => Error) => () => {
    throw error();
  };
  return { needs, asked, provider, guarded, throwing };
}

test('the first that answers is asked and nobody after it; the answer says who', async () => {
  const { needs, asked, provider } = rig();
  const chain = new Fallback({ name: 'chain', providers: [provider('a', () => 'A'), provider('b', () => 'B')] }, needs.clock);
  assert.deepEqual(await chain.ask(request), { value: 'A', provider: 'a', degraded: false, tried: [] });
  assert.deepEqual(asked, ['a']);
});

test('where one fails the next is asked, and the answer tells what was tried, with class, reason and time', async () => {
  const { needs, provider, throwing } = rig();
  const slow = provider('a', () => needs.clock.sleep(70).then(throwing(() => offline('down'))));
  const chain = new Fallback({ name: 'chain', providers: [slow, provider('b', () => 'B')] }, needs.clock);
  const seen = watched(chain.ask(request));
  await needs.clock.pass(70);
  assert.deepEqual(seen.value, {
    value: 'B',
    provider: 'b',
    degraded: false,
    tried: [{ provider: 'a', outcome: 'failed', errorClass: 'network', message: 'down', tookMs: 70 }],
  });
});

test('the last resort is marked as less than was asked for', async () => {
  const { needs, provider, throwing } = rig();
  const providers = [provider('remote', throwing(offline)), provider('local', () => 'older value', { degraded: true })];
  assert.equal((await new Fallback({ name: 'chain', providers }, needs.clock).ask(request)).degraded, true);
});

test('who cannot do it is passed over, without being asked', async () => {
  const { needs, asked, provider } = rig();
  const providers = [provider('images', () => 'A', { supports: ({ kind }) => kind === 'image' }), provider('text', () => 'B')];
  const answer = await new Fallback({ name: 'chain', providers }, needs.clock).ask(request);
  assert.deepEqual(answer.tried, [{ provider: 'images', outcome: 'skipped', because: 'unsupported', retryAfterMs: null }]);
  assert.deepEqual(asked, ['text']);
});

test('one whose breaker is open is passed over at once, and comes back by the probe that is a call like any other', async () => {
  const { needs, asked, provider, guarded } = rig();
  let isUp = false;
  const first = provider('a', () => (isUp ? 'A' : Promise.reject(offline())), { guard: guarded('a') });
  const chain = new Fallback({ name: 'chain', providers: [first, provider('b', () => 'B')] }, needs.clock);
  for (let i = 0; i < 4; i++) assert.equal((await chain.ask(request)).provider, 'b');
  assert.deepEqual(asked, ['a', 'b', 'a', 'b', 'b', 'b']);
  const { tried } = await chain.ask(request);
  assert.deepEqual(tried, [{ provider: 'a', outcome: 'skipped', because: 'open', retryAfterMs: 120_000 }]);
  await needs.clock.pass(120_000);
  isUp = true;
  assert.equal((await chain.ask(request)).provider, 'a');
  assert.equal(first.guard.breaker?.state, 'closed');
});

test('one whose limit is used up until a known time is not asked before it', async () => {
  const { needs, asked, provider, throwing } = rig();
  const limited = () => Object.assign(new Error('limit'), { status: 429, retryAfterMs: 5000 });
  const chain = new Fallback({ name: 'chain', providers: [provider('a', throwing(limited)), provider('b', () => 'B')] }, needs.clock);
  await chain.ask(request);
  await needs.clock.pass(4999);
  assert.deepEqual((await chain.ask(request)).tried, [{ provider: 'a', outcome: 'skipped', because: 'cooling', retryAfterMs: 1 }]);
  assert.deepEqual(asked, ['a', 'b', 'b']);
  await needs.clock.pass(1);
  await chain.ask(request);
  assert.deepEqual(asked, ['a', 'b', 'b', 'a', 'b']);
});

test('wrong credentials are not tried twice: the next is asked and a person is told', async () => {
  const { needs, asked, provider, throwing } = rig();
  const told: unknown[] = [];
  const first = provider('a', throwing(denied), { guard: newGuard({ name: 'a', policy: policies.api }, needs) });
  const chain = new Fallback({ name: 'chain', providers: [first, provider('b', () => 'B')], on: (event) => told.push(event) }, needs.clock);
  assert.equal((await chain.ask(request)).provider, 'b');
  assert.deepEqual(asked, ['a', 'b']);
  assert.deepEqual(told, [{ name: 'chain', provider: 'a', errorClass: 'auth', alert: true }]);
});

test('a request that is wrong is so for everybody: nobody else is asked', async () => {
  for (const error of [wrong, () => new TypeError('x is not a function')]) {
    const { needs, asked, provider, throwing } = rig();
    const thrown = error();
    const chain = new Fallback(
      {
        name: 'chain',
        providers: [
          provider(
            'a',
            throwing(() => thrown),
          ),
          provider('b', () => 'B'),
        ],
      },
      needs.clock,
    );
    await assert.rejects(chain.ask(request), thrown);
    assert.deepEqual(asked, ['a']);
  }
});

test('nobody answers: the error names each with its reason, holds the first cause, and when to ask again', async () => {
  const { needs, provider, guarded, throwing } = rig();
  const first = offline('a is down');
  const broken = guarded('b');
  for (let i = 0; i < 2; i++) await broken.run(() => Promise.reject(offline())).catch(() => {});
  const providers = [
    provider(
      'a',
      throwing(() => first),
    ),
    provider('b', () => 'B', { guard: broken }),
    provider(
      'c',
      throwing(() => offline('c is down')),
    ),
    provider('d', () => 'D', { supports: () => false }),
  ];
  const chain = new Fallback({ name: 'models', providers, code: 'STORE_UNREACHABLE' }, needs.clock);
  await assert.rejects(chain.ask(request), (error) => {
    assert.ok(error instanceof NobodyAnswered);
    assert.match(
      error.message,
      /STORE_UNREACHABLE while asking models: a: a is down; b: skipped, open; c: c is down; d: skipped, unsupported/,
    );
    assert.equal(error.cause, first);
    assert.equal(error.retryAfterMs, 120_000);
    assert.equal(error.tried.length, 4);
    return true;
  });
});

test('a chain of nobody says so', async () => {
  const { needs } = rig();
  await assert.rejects(new Fallback({ name: 'chain', providers: [] }, needs.clock).ask(request), /nobody to ask/);
});

test('stopped while one is asked, nobody else is', async () => {
  const { needs, asked, provider } = rig();
  const controller = new AbortController();
  const providers = [provider('a', () => new Promise(() => {})), provider('b', () => 'B')];
  const seen = watched(new Fallback({ name: 'chain', providers }, needs.clock).ask(request, controller.signal));
  await settle();
  // The reason looks like what another provider might mend.
  const reason = offline('our own line is going down');
  controller.abort(reason);
  await settle();
  assert.equal(seen.error, reason);
  assert.deepEqual(asked, ['a']);
});

test('each provider is asked through its own guard: retried first, then passed over', async () => {
  const { needs, asked, provider, throwing } = rig();
  const first = provider('a', throwing(offline), { guard: newGuard({ name: 'a', policy: policies.api }, needs) });
  const seen = watched(new Fallback({ name: 'chain', providers: [first, provider('b', () => 'B')] }, needs.clock).ask(request));
  await needs.clock.pass(5000);
  assert.equal(seen.value?.provider, 'b');
  assert.deepEqual(asked, ['a', 'a', 'a', 'b']);
});

test('who is to be asked: the first against whom nothing is known; the others with what it is, and nobody is asked', () => {
  const open = new Breaker(profiles.smtp, 0, () => 0);
  for (let failures = 0; open.state === 'closed'; failures++) open.settle(open.admit(failures), 'failure', 0, failures);
  const ill = () => ({ because: 'unhealthy', why: 'its probe failed', retryAfterMs: 5 }) as const;
  const candidates = [
    { name: 'a', breaker: null, supports: ({ kind }: Request) => kind === 'image' },
    { name: 'b', breaker: null, unfit: ill },
    { name: 'c', breaker: open },
    { name: 'd', breaker: null, unfit: () => null },
    { name: 'e', breaker: null },
  ];
  const { chosen, tried } = firstFit(candidates, request, 10);
  assert.equal(chosen?.name, 'd');
  assert.deepEqual(
    tried.map(({ provider, because, why }) => [provider, because, why]),
    [
      ['a', 'unsupported', undefined],
      ['b', 'unhealthy', 'its probe failed'],
      ['c', 'open', undefined],
    ],
  );
  assert.equal(firstFit(candidates.slice(0, 3), request, 10).chosen, null);
  assert.equal(open.look(10).refused, 0, 'a look is no call');
});
