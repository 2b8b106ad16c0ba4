// What a process may use is read from files of the kernel: trees of them as containers have them, and the real ones of this process.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { cgroupMemory } from '../../src/platform/cgroup.ts';
import { createResources } from '../../src/platform/resources.ts';

const mb = 1024 * 1024;
const unlimited = '9223372036854771712\n';

type Case = {
  readonly what: string;
  readonly self: string;
  readonly files: Readonly<Record<string, string>>;
  readonly limit: { limitBytes: number; usedBytes: number } | null;
};

const cases: readonly Case[] = [
  { what: 'no container at all', self: '0::/\n', files: {}, limit: null },
  {
    what: 'version 2, bound at its own folder',
    self: '0::/system.slice/todo.service\n',
    files: { '/system.slice/todo.service/memory.max': `${512 * mb}\n`, '/system.slice/todo.service/memory.current': `${100 * mb}\n` },
    limit: { limitBytes: 512 * mb, usedBytes: 100 * mb },
  },
  {
    what: 'version 2, bound further up; what may be forgotten is not in use',
    self: '0::/a/b/c\n',
    files: {
      '/a/b/c/memory.max': 'max\n',
      '/a/b/c/memory.current': `${50 * mb}\n`,
      '/a/memory.max': `${200 * mb}\n`,
      '/a/memory.current': `${150 * mb}\n`,
      '/a/memory.stat': `anon 1\ninactive_file ${90 * mb}\nslab 3\n`,
    },
    limit: { limitBytes: 200 * mb, usedBytes: 60 * mb },
  },
  {
    what: 'version 2, the least of several bounds',
    self: '0::/a/b\n',
    files: {
      '/a/b/memory.max': `${300 * mb}`,
      '/a/b/memory.current': `${mb}`,
      '/a/memory.max': `${200 * mb}`,
      '/a/memory.current': `${2 * mb}`,
    },
    limit: { limitBytes: 200 * mb, usedBytes: 2 * mb },
  },
  {
    what: 'version 1, its part of the tree mounted as the root, as in a container',
    self: '11:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n0::/\n',
    files: { '/memory/memory.limit_in_bytes': `${256 * mb}\n`, '/memory/memory.usage_in_bytes': `${40 * mb}\n` },
    limit: { limitBytes: 256 * mb, usedBytes: 40 * mb },
  },
  {
    what: 'version 1 without a bound',
    self: '5:memory:/\n',
    files: { '/memory/memory.limit_in_bytes': unlimited, '/memory/memory.usage_in_bytes': `${40 * mb}\n` },
    limit: null,
  },
];

for (const { what, self, files, limit } of cases)
  test(`memory of a container: ${what}`, () => {
    const read = (path: string): string | null => files[path.replace(/^\/fs/, '')] ?? null;
    assert.deepEqual(cgroupMemory(self, read, '/fs'), limit);
  });

test('a process sees what it uses, and a file that it reads waits for no thread', async () => {
  const resources = createResources();
  const before = resources.self();
  assert.deepEqual([before.loopDelayMs, before.loopBusy], [null, null], 'nothing to compare with');
  // The loop is looked at five times a second: before the standstill, and after it.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const untilMs = performance.now() + 900;
  while (performance.now() < untilMs);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { cpuMs, rssBytes, heapUsedBytes, heapLimitBytes, loopDelayMs, loopBusy, openFiles, openFilesMax, threads, children } =
    resources.self();
  assert.ok(loopDelayMs !== null && loopDelayMs >= 300, `the loop stood still for 900 ms: ${loopDelayMs}`);
  assert.ok(loopBusy !== null && loopBusy > 0.1 && loopBusy <= 1);
  assert.ok(cpuMs - before.cpuMs >= 100);
  assert.ok(rssBytes > heapUsedBytes && heapUsedBytes > 0 && heapLimitBytes > 100 * mb);
  assert.ok(openFiles !== null && openFilesMax !== null && openFiles > 2 && openFiles < openFilesMax);
  assert.ok(threads !== null && threads >= 2 && children === 0);
  const { waitMs, withinMs } = await resources.pool('/', 5000);
  assert.ok(waitMs !== null && waitMs < withinMs);
  const { memoryTotalBytes, memoryUsedBytes, cpu, disk } = resources.machine('/');
  assert.ok(memoryUsedBytes > 0 && memoryUsedBytes < memoryTotalBytes);
  assert.ok(cpu !== null && cpu.busyMs > 0 && cpu.busyMs < cpu.allMs);
  assert.ok(disk !== null && disk.freeBytes < disk.totalBytes);
});

test('garbage that was held is let go of by a collection, and a profile names what ran', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'todo-profile-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const resources = createResources();
  let held: unknown[] | null = Array.from({ length: 500_000 }, (_, at) => [at]);
  const full = await resources.collectGarbage();
  assert.equal(held.length, 500_000);
  held = null;
  assert.ok((await resources.collectGarbage()) < full - 10 * mb);

  const path = join(folder, 'it.cpuprofile');
  const busy = setInterval(burnTime, 1);
  await resources.profile(path, 300);
  clearInterval(busy);
  const { nodes } = JSON.parse(readFileSync(path, 'utf8'));
  assert.ok(nodes.some(({ callFrame }: { callFrame: { functionName: string } }) => callFrame.functionName === 'burnTime'));
});

function burnTime(): void {
  const untilMs = performance.now() + 20;
  while (performance.now() < untilMs);
}

test('room for young objects that a busy time has grown is given back, which a collection alone does not do', async () => {
  const resources = createResources();
  const young = (): number => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')!.physical_space_size;
  let kept: object[] = [];
  for (let round = 0; round < 40; round++) kept = Array.from({ length: 100_000 }, (_, at) => ({ at, before: kept[at] === undefined }));
  await resources.collectGarbage();
  const grown = young();
  assert.ok(grown > 8 * mb, `${grown}`);
  kept = [];
  const { rssBytes, heapUsedBytes } = resources.giveBack();
  assert.ok(young() < grown / 2, `${grown} → ${young()}`);
  assert.ok(heapUsedBytes < rssBytes);
});

test('a standstill of the loop is seen by who asks as its first act after it, and by nobody twice', async () => {
  const resources = createResources();
  resources.self();
  for (const stillMs of [0, 1500, 0]) {
    // Its looks at the loop go on meanwhile.
    const seen = await new Promise<number | null>((resolve) => {
      setTimeout(() => {
        resources.self();
        setTimeout(() => {
          const fromMs = performance.now();
          while (performance.now() - fromMs < stillMs);
          resolve(resources.self().loopDelayMs);
        }, 50);
      }, 900);
    });
    if (stillMs === 0) assert.ok(seen !== null && seen < 900, `${seen} ms with nothing to see`);
    else assert.ok(seen !== null && seen > 900 && seen < 10_000, `${seen} of ${stillMs} ms`);
  }
});
