import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Marker, parseMarker } from '../../src/core/marker.ts';
import { digest } from '../../src/platform/digest.ts';
import { writeHookMarker, writeMarker } from '../../src/platform/marker-writer.ts';
import { programs } from '../programs.ts';

const markDone = fileURLToPath(new URL('../../hooks/mark-done', import.meta.url));
const sender = { todoId: '0192-todo', runId: '0192-run', token: 'T0ken_-x' };

/** A spool, and all markers in it as the daemon reads them. */
function spool() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-spool-'));
  for (const name of ['tmp', 'new', 'cur', 'bad']) mkdirSync(join(at.path, name));
  const names = (): string[] => readdirSync(join(at.path, 'new'));
  return {
    path: at.path,
    names,
    drafts: () => readdirSync(join(at.path, 'tmp')),
    markers: (): Marker[] =>
      names().map((name) => {
        assert.equal(statSync(join(at.path, 'new', name)).mode & 0o777, 0o600);
        const parsed = parseMarker(readFileSync(join(at.path, 'new', name)), digest.sha256);
        return 'marker' in parsed ? parsed.marker : assert.fail(parsed.bad);
      }),
    run: (args: readonly string[], { shell = programs().dash, env = {} }: { shell?: string; env?: Record<string, string> } = {}) =>
      spawnSync(shell, [markDone, ...args], {
        encoding: 'utf8',
        env: {
          PATH: process.env['PATH'],
          TODO_ID: sender.todoId,
          TODO_RUN: sender.runId,
          TODO_TOKEN: sender.token,
          TODO_SPOOL: at.path,
          ...env,
        },
      }),
    [Symbol.dispose]: () => at.remove(),
  };
}

const word = (says: string, summary: string | null, reason: string | null = null) => ({
  kind: 'word',
  ...sender,
  says,
  summary,
  reason,
  notBeforeMs: null,
});
/** Everything that ever broke a JSON string or a shell. */
const hostile = `"quotes" \\back\\slashes\\\\ 'single' $(id) \`id\` \${HOME} %s %% \t\r\u0001\u001b[31m\u007f -n --help ünï 🙂 \u2028 {"says":"failed"} & < > ; *`;

test('Node and the shell write the same marker', () => {
  using at = spool();
  using other = spool();
  assert.equal(at.run(['done', hostile]).status, 0);
  writeMarker({ spool: other.path, ...sender }, { says: 'done', summary: hostile, reason: null, notBeforeMs: null });
  assert.deepEqual(at.markers(), [word('done', hostile)]);
  assert.deepEqual(other.markers(), at.markers());
  assert.match(at.names()[0]!, /^0192-run\.[0-9a-f-]{36}$/);
  assert.match(other.names()[0]!, /^0192-run\.[0-9a-f-]{36}$/);
  assert.deepEqual([...at.drafts(), ...other.drafts()], []);
});

test('without a word it is done; words of a summary are joined; a reason stands with every end that is none', () => {
  using at = spool();
  for (const args of [[], ['done', 'all', 'of it'], ['failed', 'no\nroom'], ['block', 'ask somebody'], ['parked'], ['release', 'x']])
    assert.equal(at.run(args).status, 0);
  assert.deepEqual(
    new Set(at.markers().map((marker) => JSON.stringify(marker))),
    new Set(
      [
        word('done', null),
        word('done', 'all of it'),
        word('failed', 'no\nroom', 'no\nroom'),
        word('blocked', 'ask somebody', 'ask somebody'),
        word('parked', null),
        word('released', 'x', 'x'),
      ].map((it) => JSON.stringify(it)),
    ),
  );
});

test('it works in every shell that is here', () => {
  using at = spool();
  for (const shell of ['dash', 'bash', 'busybox'].filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0)) {
    const { status, stderr } = at.run(['done', hostile], { shell });
    assert.deepEqual([shell, status, stderr], [shell, 0, '']);
  }
  for (const marker of at.markers()) assert.deepEqual(marker, word('done', hostile));
});

test('bytes that are no UTF-8 are left out instead of spoiling the marker', () => {
  using at = spool();
  const script = `exec ${programs().dash} ${markDone} done "$(printf 'a\\377b\\303')"`;
  execFileSync('sh', ['-c', script], {
    env: { PATH: process.env['PATH'], TODO_ID: sender.todoId, TODO_RUN: sender.runId, TODO_TOKEN: sender.token, TODO_SPOOL: at.path },
  });
  assert.deepEqual(at.markers(), [word('done', 'ab')]);
});

test('a marker that would be refused is not written, and it is said why', () => {
  using at = spool();
  const cases: [ReturnType<typeof at.run>, number, RegExp][] = [
    [at.run(['finished']), 64, /"finished" is not a word/],
    [at.run(['done', 'x'.repeat(70_000)]), 65, /70000 bytes/],
    [at.run(['done', '"'.repeat(40_000)]), 65, /at most 65536/],
    [at.run(['done'], { env: { TODO_TOKEN: '' } }), 64, /TODO_TOKEN is not set.*todo done ID/],
    [at.run(['done'], { env: { TODO_RUN: '../../etc' } }), 64, /TODO_RUN/],
    [at.run(['done'], { env: { TODO_SPOOL: '/nowhere' } }), 75, /\/nowhere is not there/],
  ];
  for (const [{ status, stderr }, code, says] of cases) {
    assert.match(stderr, says);
    assert.equal(status, code);
  }
  assert.deepEqual([...at.names(), ...at.drafts()], []);
  const long = { says: 'done', summary: 'x'.repeat(70_000), reason: null, notBeforeMs: null } as const;
  assert.throws(() => writeMarker({ spool: at.path, ...sender }, long), { code: 'BAD_DATA' });
  assert.throws(() => writeMarker({ spool: '/nowhere', ...sender }, { ...long, summary: null }), { code: 'FILE_UNWRITABLE' });
  assert.deepEqual([...at.names(), ...at.drafts()], []);
});

test('a long summary passes whole', () => {
  using at = spool();
  const summary = 'ü'.repeat(30_000);
  assert.equal(at.run(['done', summary]).status, 0);
  assert.deepEqual(at.markers(), [word('done', summary)]);
});

test('no room on the disk is told, and half a marker is not left behind', {
  skip: process.getuid?.() === 0 ? false : 'needs root for a small disk',
}, () => {
  using at = spool();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', at.path]);
  try {
    for (const name of ['tmp', 'new']) mkdirSync(join(at.path, name));
    writeFileSync(join(at.path, 'ballast'), Buffer.alloc(16 * 1024));
    const { status, stderr } = at.run(['done', 'x'.repeat(10_000)]);
    assert.equal(status, 75);
    assert.match(stderr, /could not write/);
    assert.throws(
      () => writeMarker({ spool: at.path, ...sender }, { says: 'done', summary: 'x'.repeat(10_000), reason: null, notBeforeMs: null }),
      { code: 'DISK_FULL' },
    );
    assert.deepEqual([...at.names(), ...at.drafts()], []);
  } finally {
    execFileSync('umount', [at.path]);
  }
});

test('[C-01] it is flushed before it has its name, its name before it says so, and the token is in nobody’s arguments', () => {
  using at = spool();
  const trace = join(at.path, 'trace');
  execFileSync(
    programs().strace,
    ['-f', '-s', '4096', '-e', 'trace=execve,fsync,link,linkat', '-o', trace, programs().dash, markDone, 'done', 'all of it'],
    {
      env: { PATH: process.env['PATH'], TODO_ID: sender.todoId, TODO_RUN: sender.runId, TODO_TOKEN: sender.token, TODO_SPOOL: at.path },
      stdio: 'ignore',
    },
  );
  const calls = readFileSync(trace, 'utf8');
  const order = [...calls.matchAll(/\b(fsync|link|linkat)\(/g)].map(([, name]) => name?.replace('linkat', 'link'));
  assert.deepEqual(order, ['fsync', 'link', 'fsync']);
  const commandLines = [...calls.matchAll(/execve\("[^"]*", (\[[^\]]*\])/g)].map(([, argv]) => argv);
  assert.ok(commandLines.length >= 4);
  assert.deepEqual(
    commandLines.filter((argv) => argv?.includes(sender.token)),
    [],
  );
});

test('an event of a hook is a marker of its own kind', () => {
  using at = spool();
  writeHookMarker({ spool: at.path, ...sender }, { agent: 'claude', event: 'stop', payload: { last: hostile } });
  assert.deepEqual(at.markers(), [{ kind: 'hook', ...sender, agent: 'claude', event: 'stop', payload: { last: hostile } }]);
  assert.match(at.names()[0]!, /^0192-run\.[0-9a-f-]{36}\.hook$/);
});
