import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../bin/todo', import.meta.url));

test('the launcher is plain POSIX sh', () => {
  assert.equal(spawnSync('dash', ['-n', launcher]).status, 0);
});

test('the launcher starts the checkout’s own Node in its own process, with the arguments as they were given', (t) => {
  const { root, run } = install(t);
  const child = run(['list', 'a b', '', '$x']);
  assert.equal(child.stderr, '');
  assert.deepEqual(child.stdout.split('\n'), [`pid ${child.pid}`, `${root}/dist/todo.cjs`, 'list', 'a b', '', '$x', '']);
});

test('the launcher finds its home through links to the file and to folders', (t) => {
  const { root, run } = install(t);
  mkdirSync(join(root, 'links'));
  symlinkSync('../bin/todo', join(root, 'links', 'one'));
  symlinkSync(join(root, 'links', 'one'), join(root, 'links', 'two'));
  symlinkSync(root, `${root}-folder`);
  t.after(() => rmSync(`${root}-folder`));
  for (const path of [join(root, 'links', 'two'), `${root}-folder/links/one`, `${root}-folder/bin/todo`])
    assert.match(run([], { path }).stdout, /^pid \d+$/m);
});

test('TODO_NODE comes before the checkout’s Node', (t) => {
  const { root, run } = install(t);
  executable(join(root, 'other'), 'echo other');
  assert.equal(run([], { env: { TODO_NODE: join(root, 'other') } }).stdout, 'other\n');
});

test('what is missing is said in two lines, with a fitting exit code', (t) => {
  const { root, run } = install(t);
  const says = (status: number, what: RegExp, env = {}) => {
    const child = run(['list'], { env });
    assert.equal(child.status, status, child.stderr);
    assert.match(child.stderr, what);
    assert.equal(child.stderr.trimEnd().split('\n').length, 2);
    assert.equal(child.stdout, '');
  };
  says(78, /TODO_NODE is \/none/, { TODO_NODE: '/none' });
  rmSync(join(root, 'dist'), { recursive: true });
  says(69, /dist\/todo\.cjs is missing[\s\S]*npm install/);
  mkdirSync(join(root, 'src'));
  says(69, /this checkout is not built[\s\S]*npm ci/);
  rmSync(join(root, 'node_modules'), { recursive: true });
  says(69, /no Node\.js in its node_modules, and none on PATH[\s\S]*npm ci/);
});

test('a checkout without a build is built at its first start', (t) => {
  const { root, run } = install(t);
  rmSync(join(root, 'dist'), { recursive: true });
  mkdirSync(join(root, 'src'));
  mkdirSync(join(root, 'node_modules', 'esbuild'));
  const child = run(['list']);
  assert.match(child.stderr, /building/);
  assert.match(child.stderr, /bin\/build\.ts/);
  assert.match(child.stdout, /dist\/todo\.cjs\nlist\n$/);
});

/** An installation in which a script that prints its arguments stands for Node, and PATH has no other. */
function install(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'todo-launcher-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const folder of ['bin', 'dist', 'tools']) mkdirSync(join(root, folder));
  copyFileSync(launcher, join(root, 'bin', 'todo'));
  writeFileSync(join(root, 'dist', 'todo.cjs'), '// built');
  executable(join(root, 'node_modules', 'node', 'bin', 'node'), 'echo "pid $$"; printf "%s\\n" "$@"');
  symlinkSync('/usr/bin/readlink', join(root, 'tools', 'readlink'));
  const run = (args: string[], { path = join(root, 'bin', 'todo'), env = {} }: { path?: string; env?: NodeJS.ProcessEnv } = {}) =>
    spawnSync(path, args, { encoding: 'utf8', env: { PATH: join(root, 'tools'), ...env } });
  return { root, run };
}

function executable(path: string, script: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}
