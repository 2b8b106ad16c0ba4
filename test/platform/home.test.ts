import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { defaultConfig } from '../../src/core/config.ts';
import { configPath, homeAt, homeId, homeRoot, makeHome, networkFilesystem, stateFolder, testHome } from '../../src/platform/home.ts';
import { hostOf } from '../../src/platform/host.ts';

const { paths } = defaultConfig();

function folder() {
  const at = mkdtempDisposableSync(join(realpathSync(tmpdir()), 'todo-home-'));
  const checkout = join(at.path, 'checkout');
  for (const name of ['src', 'bin']) mkdirSync(join(checkout, name), { recursive: true });
  for (const name of ['src/world.ts', 'bin/todo']) writeFileSync(join(checkout, name), '');
  return { path: at.path, checkout, of: (...names: string[]) => join(at.path, ...names), [Symbol.dispose]: () => at.remove() };
}

test('a home is what the flag says, else the environment, else the checkout of the program, else the user’s state folder', () => {
  using at = folder();
  const ask = (more: Partial<Parameters<typeof homeRoot>[0]>) =>
    homeRoot({ flag: null, env: { HOME: '/home/me' }, cwd: at.path, programFolder: at.of('installed'), ...more });
  assert.equal(ask({ flag: 'given', env: { TODO_HOME: '/said' } }), at.of('given'));
  assert.equal(ask({ env: { TODO_HOME: 'said' }, programFolder: at.checkout }), at.of('said'));
  assert.equal(ask({ env: { TODO_HOME: '', HOME: '/home/me' } }), '/home/me/.local/state/todo');
  assert.equal(ask({ programFolder: at.checkout }), at.checkout);
  assert.equal(ask({ env: { XDG_STATE_HOME: '/state' } }), '/state/todo');
  assert.equal(ask({ env: { XDG_STATE_HOME: 'relative', HOME: '/home/me' } }), '/home/me/.local/state/todo');
});

test('a home has one name, whatever links lead to it and whether or not it is made', () => {
  using at = folder();
  symlinkSync(at.path, at.of('link'));
  const ask = (flag: string) => homeRoot({ flag, env: {}, cwd: '/', programFolder: '/' });
  assert.equal(ask(at.of('link', 'new', 'home')), at.of('new', 'home'));
  const before = homeId(at.of('link', 'new'));
  mkdirSync(at.of('new'));
  assert.equal(homeId(at.of('new')), before);
  assert.match(before, /^[0-9a-f]{8}$/);
  assert.notEqual(homeId(at.path), before);
});

test('in a checkout archive, logs and config stand at its top level and the rest in .todo, also when it is named as home', () => {
  using at = folder();
  const home = homeAt(at.checkout, paths);
  assert.equal(home.archive, join(at.checkout, 'archive'));
  assert.equal(home.logs, join(at.checkout, 'logs'));
  assert.equal(configPath(at.checkout), join(at.checkout, 'hooks', 'config.json'));
  assert.equal(dirname(home.database), join(at.checkout, '.todo'));
  assert.equal(home.spool.new, join(at.checkout, '.todo', 'spool', 'new'));
  assert.equal(stateFolder(at.of('other')), at.of('other'));
  const elsewhere = homeAt(at.of('other'), { ...paths, archive: '/big/archive', logs: 'my-logs', task_completed: '/tmp/x' });
  assert.equal(elsewhere.archive, '/big/archive');
  assert.equal(elsewhere.logs, at.of('other', 'my-logs'));
  assert.deepEqual(elsewhere.legacy, { marker: '/tmp/x', pointer: null, sessionPrefix: null });
});

test('a home is made private, twice is once, and what was opened to others is closed again', () => {
  using at = folder();
  const home = homeAt(at.of('new', 'home'), paths);
  makeHome(home);
  chmodSync(dirname(home.spool.new), 0o777);
  makeHome(home);
  for (const path of [
    home.root,
    dirname(home.spool.new),
    home.spool.tmp,
    home.spool.new,
    home.spool.cur,
    home.spool.bad,
    home.runs,
    home.archive,
    home.logs,
  ]) {
    assert.equal(statSync(path).mode & 0o777, 0o700, path);
  }
  testHome(home, { force: false });
  assert.deepEqual(readdirSync(home.spool.tmp), []);
});

test('the checkout itself keeps its rights', () => {
  using at = folder();
  chmodSync(at.checkout, 0o755);
  const home = homeAt(at.checkout, paths);
  makeHome(home);
  assert.equal(statSync(at.checkout).mode & 0o777, 0o755);
  assert.equal(statSync(join(at.checkout, '.todo')).mode & 0o777, 0o700);
});

test('a home that cannot be written is refused by the folder that is to blame', () => {
  using at = folder();
  const home = homeAt(at.of('home'), paths);
  writeFileSync(at.of('home'), 'a file');
  assert.throws(() => makeHome(home), { code: 'FILE_UNWRITABLE', subject: at.of('home') });
  const good = homeAt(at.of('good'), { ...paths, archive: '/proc/self/archive' });
  assert.throws(() => makeHome(good), { code: 'FILE_UNWRITABLE', subject: '/proc/self/archive' });
});

test('a disk without room is told before anything is started', {
  skip: process.getuid?.() === 0 ? false : 'needs root for a small disk',
}, () => {
  using at = folder();
  const home = homeAt(at.of('home'), paths);
  makeHome(home);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', home.runs]);
  try {
    writeFileSync(join(home.runs, 'ballast'), Buffer.alloc(8192));
    assert.throws(() => testHome(home, { force: false }), { code: 'DISK_FULL', subject: home.runs });
    assert.deepEqual(readdirSync(home.runs), ['ballast']);
  } finally {
    execFileSync('umount', [home.runs]);
  }
});

test('spool folders on different disks are refused, since nothing can be renamed between them', {
  skip: process.getuid?.() === 0 ? false : 'needs root for a small disk',
}, () => {
  using at = folder();
  const home = homeAt(at.of('home'), paths);
  makeHome(home);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', home.spool.cur]);
  try {
    assert.throws(() => testHome(home, { force: false }), { code: 'FILE_UNWRITABLE', message: /different disks/ });
  } finally {
    execFileSync('umount', [home.spool.cur]);
  }
});

test('a local disk is none of the network', () => {
  assert.equal(networkFilesystem(tmpdir()), null);
  assert.ok(existsSync('/proc'));
});

test('a host is known by its name and the home', () => {
  using at = folder();
  const host = hostOf({ root: at.path, env: { HOME: '/home/me' }, todoCommand: ['todo'], hooksFolder: '/hooks' });
  assert.equal(host.id, `${host.name}/${homeId(at.path)}`);
  assert.equal(host.uid, process.getuid?.());
  assert.equal(host.utcOffsetMinutes, 0 - new Date().getTimezoneOffset());
});
