// Whatever leaves this program does it behind a breaker: which files can reach out, who builds them, and that no call of theirs gets past.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defaultConfig } from '../src/core/config.ts';
import { type BreakerName, behindBreakers, breakerNames } from '../src/daemon/outside.ts';
import { Refused } from '../src/resilience/errors.ts';
import type { World } from '../src/world.ts';
import { createMemoryStore } from './sim/memory-store.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Files that can reach out of this process, and the breaker in front of them; or why they need none. */
const reachOut: Readonly<Record<string, { readonly breaker: BreakerName } | { readonly why: string }>> = {
  'src/platform/network.ts': { breaker: 'webhook' },
  'src/platform/processes.ts': { breaker: 'runner' },
  'src/platform/tmux-server.ts': { breaker: 'runner.tmux' },
  'src/store/mysql-servers.ts': { breaker: 'store' },
  'src/store/tunnel.ts': { breaker: 'store' },
  'src/platform/run-to-end.ts': { why: 'checks and the like: their exit code is their answer, whatever it is' },
  'src/platform/control-socket.ts': { why: 'the daemon of this very home' },
  'src/cli/http/asking.ts': { why: 'the server of this very home' },
  'src/platform/kept-in-redis.ts': { why: 'after one failure nobody asks it until it has proven itself (resilience/kept.ts)' },
  'src/platform/http-probe.ts': { why: 'the question of a watchdog whether somebody is there; its limits are its breaker' },
  'src/platform/http-server.ts': { why: 'it is asked and asks nobody' },
  'src/observe/dashboard/ask.ts': { why: 'it runs in a browser and asks the server that it came from' },
  'src/observe/dashboard/live.ts': { why: 'the same: the stream of that server, waited for with a backoff of its own' },
  'src/cli/chaos/stage.ts': { why: 'chaos: it starts the daemons that it breaks, in homes of its own' },
  'src/cli/chaos/mounts.ts': { why: 'chaos: a small disk of its own is mounted, and folders of its own read-only' },
  'src/cli/chaos/mariadb.ts': { why: 'chaos: a database of its own' },
  'src/cli/chaos/proxy.ts': { why: 'chaos: the line that it breaks, on loopback' },
  'src/cli/chaos/free-port.ts': { why: 'chaos: it asks the kernel for a port' },
  'src/cli/hooks/one-word-model.ts': { why: 'a person asked for that one look' },
};
const outward =
  /(?:from|import\(|getBuiltinModule\()\s*'(?:mysql2|nodemailer|undici|@redis\/client|node:(?:http|https|http2|net|tls|dgram|dns|child_process))(?:\/[^']*)?'|\bfetch\(|\bnew WebSocket\(/;

/** What makes an adapter to the outside; only the wiring of the real world may name it. */
const makers = ['createMysqlStore', 'createSqliteStore', 'createProcesses', 'createTerminals', 'platform/network.ts'];
const wiring = new Set(['src/cli/world.ts']);

const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => ({ path, source: readFileSync(join(root, path), 'utf8') }));
const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

const unguarded = (files: readonly { path: string; source: string }[]): string[] =>
  files
    .filter(({ path, source }) => !Object.hasOwn(reachOut, path) && outward.test(withoutComments(source)))
    .map(({ path }) => `${path} reaches out without a breaker: give its calls one in daemon/outside.ts, and name it here`);

test('[P-02] (U) no adapter to the outside is there without a breaker', () => {
  assert.deepEqual(unguarded(sources), []);
  for (const [path, about] of Object.entries(reachOut)) {
    assert.ok(outward.test(sources.find((it) => it.path === path)?.source ?? ''), `${path} reaches nobody: take it from the list`);
    if ('breaker' in about) assert.ok(breakerNames.includes(about.breaker), path);
  }
  const planted = [
    { path: 'src/engines/camunda.ts', source: `const answer = await fetch(url);` },
    { path: 'src/notify/mail.ts', source: `import nodemailer from 'nodemailer';` },
    { path: 'src/platform/socket.ts', source: `import { connect } from 'node:net';` },
    { path: 'src/platform/shell.ts', source: `const { spawn } = process.getBuiltinModule('node:child_process');` },
  ];
  assert.equal(unguarded(planted).length, planted.length);
});

test('[P-02] (U) adapters are made in one place, and an engine has them behind its breakers only', () => {
  for (const { path, source } of sources) {
    const named = makers.filter((name) => new RegExp(`import[^;]*${name.replace('.', '\\.')}`).test(source));
    if (!wiring.has(path) && !path.startsWith('src/store/'))
      assert.deepEqual(named, [], `${path} makes an adapter by itself: take the one of the world`);
  }
  const engine = readFileSync(join(root, 'src/daemon/engine.ts'), 'utf8');
  const uses = [...engine.matchAll(/\bgiven\.world\b/g)].length;
  assert.deepEqual(
    [uses, /behindBreakers\(given\.world,/.test(engine)],
    [1, true],
    'the raw world goes into behindBreakers and nowhere else',
  );
});

test('[P-02] (U) each call of each adapter goes through its breaker: held open, none of them reaches the adapter', async () => {
  const reached: string[] = [];
  const reach = (name: string) => {
    reached.push(name);
    throw new Error(`${name} was reached`);
  };
  const members = Object.entries(createMemoryStore({ nowMs: () => 0 })).filter(([, member]) => typeof member === 'function');
  const ownAffairs = new Set(['close', 'figures']);
  const calls = members.map(([name]) => name).filter((name) => !ownAffairs.has(name));
  assert.ok(calls.length > 25 && calls.includes('record') && calls.includes('ping'), calls.join(' '));
  const world = {
    clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => {} },
    random: { next: () => 0.5 },
    journal: { getNote: () => null },
    store: Object.fromEntries(calls.map((name) => [name, async () => reach(`store.${name}`)])),
    network: { post: async () => reach('network.post') },
    processes: { start: () => reach('processes.start') },
    terminals: { start: () => reach('terminals.start') },
  } as unknown as World;
  const outside = behindBreakers(world, defaultConfig(), { restores: 'all' });
  for (const name of breakerNames) {
    outside.of(name);
    outside.breakers.isolate(name, 'test');
  }
  const { store, network, processes, terminals } = outside.world;
  const guarded: readonly (() => unknown)[] = [
    ...calls.map((name) => () => (store as unknown as Record<string, () => unknown>)[name]!()),
    () => network.post('http://x', {}, 1),
    () => processes.start(null as never),
    () => terminals.start(null as never),
  ];
  for (const call of guarded) await assert.rejects(async () => await call(), Refused);
  assert.deepEqual(reached, []);
  // The same calls do reach it where the breaker is closed: the test above can fail.
  for (const name of breakerNames) outside.breakers.reset(name, 'test');
  for (const call of guarded) await assert.rejects(async () => await call(), /was reached/);
  assert.equal(reached.length, guarded.length);
});
