// When a configuration file that changes is taken up, on a clock that the test moves: a file that is still being written never is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig, parseConfig } from '../../src/core/config.ts';
import { OperationalError } from '../../src/core/errors.ts';
import type { Context } from '../../src/daemon/context.ts';
import { newNotebook } from '../../src/daemon/notebook.ts';
import { configDueMs, lookAtConfig, newReloading, reloadNow } from '../../src/daemon/reload.ts';
import { newRunners } from '../../src/daemon/runners.ts';
import { createTasks } from '../../src/daemon/tasks.ts';
import { createChanges, createWakeup } from '../../src/daemon/wakeup.ts';
import { digest } from '../../src/platform/digest.ts';
import { random } from '../../src/platform/random.ts';
import type { Settings } from '../../src/world.ts';
import { FakeClock, settle } from '../resilience/fake-clock.ts';

/** A file of JSON that somebody writes, and the engine's part that looks at it. */
function scene(first: string) {
  const clock = new FakeClock();
  const file = { text: first as string | null, writes: 0 };
  const write = (text: string | null): void => {
    file.text = text;
    file.writes += 1;
  };
  const identity = (): string | null => (file.text === null ? null : String(file.writes));
  const settings: Settings = {
    readAs: identity(),
    identity,
    text: () => file.text,
    async parse(text) {
      const about = { operation: 'reading', subject: 'config.json' };
      let raw: unknown;
      try {
        raw = JSON.parse(text);
      } catch (cause) {
        throw new OperationalError('CONFIG_INVALID', { ...about, cause });
      }
      const parsed = parseConfig(raw);
      if ('problems' in parsed)
        throw new OperationalError('CONFIG_INVALID', { ...about, why: parsed.problems.map(({ key }) => key).join() });
      return { config: parsed.config, warnings: [], secrets: [] };
    },
    edited: async (text) => text ?? '',
    replace: (text) => write(text),
    overridden: () => null,
  };
  const said: string[] = [];
  const log = (event: string): void => void said.push(event);
  const stop = new AbortController();
  const context = {
    adapters: new Map(),
    runners: newRunners(),
    config: parseConfigOf(first),
    secrets: [],
    settings,
    reloading: newReloading(settings, clock.nowMs()),
    scope: { kind: 'daemon' },
    world: {
      clock,
      random,
      digest,
      journal: { setNote: async () => {} },
      log: {
        debug() {},
        info: (_: string, event: string) => log(event),
        warn: () => {},
        error: (_: string, event: string) => log(event),
        critical() {},
      },
    },
    owner: { pid: 1 },
    tasks: createTasks(() => {}, clock.monotonicMs),
    wakeup: createWakeup(clock),
    changes: createChanges(clock),
    outside: { tune() {} },
    notebook: newNotebook(),
    state: { claimDueMs: 0 },
    redactAll: (text: string) => text,
  } as unknown as Context;
  const look = async (): Promise<void> => {
    lookAtConfig(context);
    await settle();
  };
  /** So soon after the write before that the file looks the same. */
  const writeUnseen = (text: string): void => {
    file.text = text;
  };
  return { clock, write, writeUnseen, context, said, look, stop: stop.signal, total: () => context.config.slots.total };
}

const parseConfigOf = (text: string) => {
  const parsed = parseConfig(JSON.parse(text));
  return 'config' in parsed ? parsed.config : defaultConfig();
};
const slots = (total: number): string => JSON.stringify({ slots: { total } });
const settleMs = 300;

test('[P-05] (U) a file is taken when two looks 300 ms apart found it the same, and not before', async () => {
  const it = scene(slots(1));
  await it.look();
  assert.equal(configDueMs(it.context), Number.POSITIVE_INFINITY);
  it.write(slots(2));
  await it.look();
  assert.equal(configDueMs(it.context), it.clock.monotonicMs() + settleMs);
  await it.clock.pass(settleMs - 1);
  await it.look();
  assert.equal(it.total(), 1);
  await it.clock.pass(1);
  await it.look();
  assert.deepEqual([it.total(), it.said], [2, ['configuration taken up']]);
  await it.clock.pass(settleMs);
  await it.look();
  assert.equal(it.said.length, 1, 'once');
});

test('[P-05] (U) of a file that is written in pieces each piece restarts the wait, also one that would be a configuration by itself', async () => {
  const it = scene(slots(1));
  for (const piece of ['', '{', '{}', slots(7), `${slots(7).slice(0, -2)}`]) {
    it.write(piece);
    await it.look();
    await it.clock.pass(settleMs - 1);
    await it.look();
    assert.equal(it.total(), 1, piece);
  }
  it.write(slots(3));
  await it.look();
  await it.clock.pass(settleMs);
  await it.look();
  assert.deepEqual([it.total(), it.said], [3, ['configuration taken up']]);
});

test('[P-05] (U) a write that shows in the text only, not in the times of the file, restarts the wait too', async () => {
  const it = scene(slots(1));
  it.write(slots(7));
  await it.look();
  it.writeUnseen(slots(8));
  await it.clock.pass(settleMs);
  await it.look();
  assert.equal(it.total(), 1);
  await it.look();
  await it.clock.pass(settleMs);
  await it.look();
  assert.equal(it.total(), 8);
});

test('[P-05] (U) a torn file is refused and told once; the values before it stay until it is whole', async () => {
  const it = scene(slots(1));
  for (const torn of ['{"slots"', '', slots(-1), null]) {
    it.write(torn);
    await it.look();
    await it.clock.pass(settleMs);
    await it.look();
    await it.clock.pass(settleMs);
    await it.look();
    assert.equal(it.total(), 1, String(torn));
  }
  assert.deepEqual(
    it.said,
    Array.from({ length: 4 }, () => 'configuration refused'),
  );
  assert.match(it.context.reloading.refused ?? '', /not there any more/);
  it.write(slots(1));
  await it.look();
  await it.clock.pass(settleMs);
  await it.look();
  assert.deepEqual([it.context.reloading.refused, it.said.at(-1)], [null, 'configuration taken up'], 'that it is right again is told too');
});

test('[P-05] (U) a command waits for a file that is being written, and gives up on one that never rests', async () => {
  const it = scene(slots(1));
  it.write(slots(2));
  const reply = reloadNow(it.context, 'person', it.stop);
  await it.clock.pass(settleMs - 1);
  it.write(slots(3));
  await it.clock.pass(2 * settleMs);
  const { changed } = (await reply) as Extract<Awaited<typeof reply>, { kind: 'configured' }>;
  assert.deepEqual(changed, [{ key: 'slots.total', from: 1, to: 3 }]);
  const never = reloadNow(it.context, 'person', it.stop).catch((error: unknown) => error);
  for (let n = 0; n < 30; n++) {
    it.write(slots(4 + n));
    await it.clock.pass(settleMs - 1);
  }
  assert.match(String(await never), /REFUSED .*written again and again/);
  assert.equal(it.total(), 3);
});

test('[P-05] (U) what needs a restart is named and stays as it is in use', async () => {
  const it = scene(slots(1));
  it.write(JSON.stringify({ slots: { total: 2 }, store: { pool: 9 }, behavior: { database_timeout: 3 }, logging: { level: 'debug' } }));
  const reply = await Promise.all([reloadNow(it.context, 'SIGHUP', it.stop), it.clock.pass(settleMs)]);
  assert.deepEqual((reply[0] as { needsRestart?: unknown }).needsRestart, ['behavior.database_timeout', 'logging.level', 'store.pool']);
  const { store, behavior, logging } = it.context.config;
  assert.deepEqual([it.total(), store.pool, behavior.database_timeout, logging.level], [2, 4, 30, 'info']);
});
