import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../src/core/config.ts';
import { deadlinesOf, nextDeadlineAtMs } from '../../src/core/deadlines.ts';
import { quietAtMs } from '../../src/core/quiet.ts';
import { redated } from '../../src/core/redate.ts';
import { applySignal } from '../../src/core/signal.ts';
import { entry, signal } from './entry-fixture.ts';

const silence = configSchema.parse({});
const elapsed = configSchema.parse({ behavior: { timeout_basis: 'elapsed' } });
const at = (found: ReturnType<typeof deadlinesOf>) => Object.fromEntries(found.map(({ which, atMs }) => [which, atMs]));

test('with basis silence the timers run from the last sign of progress, with basis elapsed from the start', () => {
  const run = entry({ startedAtMs: 1000, lastSignAtMs: 50_000 });
  assert.deepEqual(at(deadlinesOf(run, silence)), { completion: 350_000, emergency: 1_850_000 });
  assert.deepEqual(at(deadlinesOf(run, elapsed)), { completion: 301_000, emergency: 1_801_000 });
});

test('a silence is warned about once; the next one is a new one', () => {
  assert.deepEqual(at(deadlinesOf(entry({ lastSignAtMs: 0, warnedAtMs: 300_000 }), silence)), { emergency: 1_800_000 });
  assert.deepEqual(at(deadlinesOf(entry({ lastSignAtMs: 400_000, warnedAtMs: 300_000 }), silence)), {
    completion: 700_000,
    emergency: 2_200_000,
  });
});

test('hard caps count from the start whatever the basis', () => {
  const capped = configSchema.parse({ behavior: { run_max: 60 } });
  assert.equal(at(deadlinesOf(entry({ startedAtMs: 1000, lastSignAtMs: 9_000_000 }, { timeoutMs: 5000 }), capped))['timeout'], 6000);
  assert.equal(at(deadlinesOf(entry({ startedAtMs: 1000, lastSignAtMs: 9_000_000 }), capped))['run-max'], 61_000);
});

test('no timer acts on what is on its way to its end, and none when the handlers are off', () => {
  assert.deepEqual(deadlinesOf(entry({ fact: 'collected' }), silence), []);
  assert.deepEqual(
    deadlinesOf(entry({ emergency: { action: 'stall', by: 'deadline', reason: '', atMs: 0, actions: [], system: null } }), silence),
    [],
  );
  assert.deepEqual(deadlinesOf(entry(), configSchema.parse({ behavior: { enable_emergency_handlers: false } })), []);
  assert.equal(nextDeadlineAtMs([], silence), Number.POSITIVE_INFINITY);
});

test('a run is quiet when it ended, when its main turn ended, or some seconds after the word', () => {
  const plain = { reportsTurns: false };
  const talker = { reportsTurns: true };
  const session = { kind: 'child', process: { pid: 5, startTicks: 5, bootId: 'b' } } as const;
  const said = entry({ session, signal: signal({ atMs: 1000 }), fact: 'signalled' });
  assert.equal(quietAtMs(said, plain, silence), 11_000);
  assert.equal(quietAtMs({ ...said, turn: 'busy' }, talker, silence), Number.POSITIVE_INFINITY);
  assert.equal(quietAtMs({ ...said, turn: 'paused' }, talker, silence), Number.POSITIVE_INFINITY);
  assert.equal(quietAtMs({ ...said, turn: 'ended' }, talker, silence), 0);
  assert.equal(quietAtMs({ ...said, exit: { kind: 'code', code: 0, atMs: 1 } }, plain, silence), 0);
  assert.equal(quietAtMs({ ...said, kind: 'external' }, plain, silence), 0);
  assert.equal(quietAtMs({ ...said, signal: signal({ saidBy: 'person' }) }, talker, silence), 0);
});

test('dates that lie ahead, because the clock was set back, become now; all others stay', () => {
  const run = { startedAtMs: 5000, lastSignAtMs: 90_000, signal: signal({ atMs: 80_000 }) };
  assert.deepEqual(redated(run, 10_000), { startedAtMs: 5000, lastSignAtMs: 10_000, signal: signal({ atMs: 10_000 }) });
  assert.deepEqual(redated({ ...run, signal: null }, 3000), { startedAtMs: 3000, lastSignAtMs: 3000, signal: null });
  assert.equal(redated(run, 90_000), null);
  assert.equal(redated(run, 89_500), null, 'a fraction ahead is how files are dated');
});

test('the first word stands; later ones are evidence, at most twenty', () => {
  let now = applySignal(entry(), signal({ says: 'done' }));
  assert.equal(now.fact, 'signalled');
  for (let i = 0; i < 30; i++) now = applySignal(now, signal({ says: 'failed', atMs: 2000 + i }));
  assert.equal(now.signal?.says, 'done');
  assert.equal(now.later.length, 20);
  assert.equal(now.fact, 'signalled');
});
