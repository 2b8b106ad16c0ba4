// Where logins are kept, on a clock that the test moves: what is told to whom, and when a place is trusted again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../src/core/errors.ts';
import type { FarPlace, Kept, KeptState, NearPlace } from '../../src/core/kept.ts';
import { type Keep, keepIn } from '../../src/resilience/kept.ts';
import { keptInMemory } from '../../src/resilience/kept-in-memory.ts';
import { FakeClock, settle } from './fake-clock.ts';

const never = Number.MAX_SAFE_INTEGER;

test('written everywhere, read from the first that answers; what is gone anywhere is gone, and nothing puts it back', async () => {
  const { keep, far, disk } = await running();
  await keep.put('s:1', 'one', never);
  assert.deepEqual([disk.get('s:1')?.value, far.has.get('s:1')?.value, keep.state().in], ['one', 'one', 'redis']);
  far.has.set('s:1', { key: 's:1', value: 'newer', untilMs: never });
  assert.equal(await keep.get('s:1'), 'newer');
  far.has.set('s:2', { key: 's:2', value: 'of another server', untilMs: never });
  assert.equal(await keep.get('s:2'), 'of another server');
  assert.equal(disk.get('s:2')?.value, 'of another server', 'known here from then on');
  far.has.delete('s:1');
  assert.equal(await keep.get('s:1'), 'one', 'Redis may forget: what is here is still known');
  await keep.drop('s:1', never);
  await keep.put('s:1', 'late write', never);
  far.has.set('s:1', { key: 's:1', value: 'back again', untilMs: never });
  assert.equal(await keep.get('s:1'), null);
  far.has.set('s:2', { key: 's:2', value: null, untilMs: never });
  assert.equal(await keep.get('s:2'), null, 'ended by another server');
});

test('away: one request finds it out, no other waits; health is told once, and what happened meanwhile is told before it is asked again', async () => {
  const { keep, far, states, clock } = await running();
  await keep.put('s:1', 'one', never);
  await keep.put('s:2', 'two', never);
  assert.deepEqual([await keep.count('tries:x', never), await keep.count('tries:x', never)], [1, 2]);
  far.answers = 'never';
  assert.equal(await keep.get('s:1'), 'one');
  const asked = far.asked;
  assert.equal(await keep.get('s:2'), 'two');
  await keep.drop('s:1', never);
  await keep.put('s:3', 'made meanwhile', never);
  assert.equal(await keep.count('tries:x', never), 3, 'who was held up is held up still');
  assert.equal(far.asked, asked, 'nobody else asks it');
  assert.deepEqual(
    states.map(({ in: place, problem }) => [place, problem === null]),
    [
      ['redis', true],
      ['sqlite', false],
    ],
  ); // prettier-ignore
  assert.deepEqual([keep.state().wanted, keep.state().fallbacks], ['redis', 1]);
  await clock.pass(60_000);
  assert.equal(states.length, 2, 'still away: nothing new');
  assert.ok(far.connections < 20, `asked ${far.connections} times in a minute`);

  far.answers = 'well';
  const order = far.order.length;
  await clock.pass(16_000);
  assert.equal(keep.state().in, 'redis');
  const told = far.order.slice(order);
  assert.deepEqual(told.slice(0, 4), ['ping', 'ping', 'ping', 'put told s:1=gone s:2 s:3'], 'proven, then told, before any question');
  assert.equal(await keep.get('s:1'), null);
  assert.equal(far.has.get('s:3')?.value, 'made meanwhile');
  assert.equal(await keep.count('tries:x', never), 4);
  assert.deepEqual(states.at(-1)?.problem, null);
});

test('what answers once between two falls is not back', async () => {
  const { keep, far, states, clock } = await running();
  far.answers = 'never';
  await keep.get('s:1');
  far.answers = 'once';
  await clock.pass(120_000);
  assert.equal(keep.state().in, 'sqlite');
  assert.deepEqual(states.length, 2);
  far.answers = 'well';
  await clock.pass(20_000);
  assert.equal(keep.state().in, 'redis');
});

test('what answers and takes nothing is not back', async () => {
  const { keep, far, clock } = await running();
  far.answers = 'never';
  await keep.get('s:1');
  far.answers = 'read-only';
  await clock.pass(60_000);
  assert.equal(keep.state().in, 'sqlite');
});

test('nobody asks, and it is known all the same that it is away', async () => {
  const { keep, far, clock } = await running();
  far.answers = 'never';
  await clock.pass(5_001);
  assert.equal(keep.state().in, 'sqlite');
});

test('what comes while all is told is told, too', async () => {
  const { keep, far, clock } = await running();
  far.answers = 'never';
  await keep.get('s:1');
  far.answers = 'well';
  far.onPut = () => {
    far.onPut = null;
    void keep.drop('s:9', never);
  };
  await clock.pass(2_000);
  assert.equal(keep.state().in, 'redis', 'looked for at once, not at the next look');
  assert.equal(far.has.get('s:9')?.value, null);
  assert.ok(far.has.has('s:9'));
});

test('a file that fails is let alone for a while, memory keeps what comes, and the file is told first when it is back', async () => {
  const { keep, disk, clock } = await running({ redis: false });
  await keep.put('s:1', 'one', never);
  disk.broken = true;
  await keep.put('s:2', 'two', never);
  await keep.drop('s:1', never);
  assert.deepEqual([keep.state().in, keep.state().wanted, await keep.get('s:1'), await keep.get('s:2')], ['memory', 'sqlite', null, 'two']);
  assert.match(keep.state().problem ?? '', /DISK_FULL/);
  disk.broken = false;
  await clock.pass(10_001);
  assert.deepEqual([keep.state().in, keep.state().problem], ['sqlite', null]);
  assert.deepEqual([disk.get('s:1')?.value, disk.get('s:2')?.value], [null, 'two']);
});

test('a defect of ours is no outage', async () => {
  const { keep, far } = await running();
  far.answers = 'wrongly';
  await assert.rejects(keep.get('s:1'), TypeError);
});

async function running({ redis = true } = {}) {
  const clock = new FakeClock();
  const states: KeptState[] = [];
  const far = farPlace(clock);
  const disk = breakable(keptInMemory(clock));
  const keep: Keep = keepIn(
    {
      near: [disk, keptInMemory(clock)],
      far: redis ? { name: 'redis', connect: async () => far.connect() } : null,
      lasting: 's:',
      onChange: (state) => void states.push(state),
    },
    { clock, random: { next: () => 0.5, uuidv4: String, uuidv7: String, token: String } },
  );
  const stop = new AbortController();
  void keep.watch(stop.signal);
  await settle();
  return { keep, far, disk, states, clock };
}

function breakable(place: NearPlace) {
  const it = { broken: false };
  const unless = <A extends unknown[], T>(work: (...args: A) => T) => {
    return (...args: A): T => {
      if (it.broken) throw new OperationalError('DISK_FULL', { operation: 'writing', subject: 'sessions.db' });
      return work(...args);
    };
  };
  return Object.assign(it, {
    name: 'sqlite' as const,
    get: unless(place.get),
    put: unless(place.put),
    count: unless(place.count),
    all: unless(place.all),
  });
}

/** Redis as it may be: well, away, away but for one word, or answering nonsense. */
function farPlace(clock: FakeClock) {
  const it = {
    answers: 'well' as 'well' | 'never' | 'once' | 'read-only' | 'wrongly',
    has: new Map<string, Kept>(),
    order: [] as string[],
    asked: 0,
    connections: 0,
    onPut: null as (() => void) | null,
    connect,
  };
  const away = () => new OperationalError('NETWORK_FAILED', { operation: 'asking', subject: 'redis' });

  function connect(): FarPlace {
    it.connections += 1;
    let words = 0;
    const say = async (what: string): Promise<void> => {
      it.asked += 1;
      words += 1;
      if (it.answers === 'wrongly') throw new TypeError('of ours');
      if (it.answers === 'never' || (it.answers === 'once' && words > 1)) throw away();
      if (it.answers === 'read-only' && what.startsWith('put')) throw away();
      it.order.push(what);
    };
    if (it.answers === 'never') throw away();
    return {
      name: 'redis',
      ping: () => say('ping'),
      async get(key) {
        await say(`get ${key}`);
        const found = it.has.get(key);
        return found !== undefined && found.untilMs > clock.nowMs() ? found : null;
      },
      async put(all) {
        await say(`put ${all.map(({ key, value }) => (value === null ? `${key}=gone` : key)).join(' ')}`);
        it.onPut?.();
        for (const kept of all) it.has.set(kept.key, kept);
      },
      async count(key, untilMs) {
        await say(`count ${key}`);
        const now = Number(it.has.get(key)?.value ?? 0) + 1;
        it.has.set(key, { key, value: String(now), untilMs });
        return now;
      },
      close() {},
    };
  }
  return it;
}
