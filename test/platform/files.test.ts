import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempDisposableSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { files } from '../../src/platform/files.ts';

/** A folder, and a way to name what lies in it. */
function folder() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-files-'));
  return { of: (...names: string[]) => join(at.path, ...names), [Symbol.dispose]: () => at.remove() };
}

const text = (bytes: Uint8Array | null | undefined): string | null => (bytes ? Buffer.from(bytes).toString('utf8') : null);

test('absent is an answer, not an error', () => {
  using at = folder();
  const none = at.of('none');
  assert.equal(files.read(none), null);
  assert.equal(files.readText(none), null);
  assert.equal(files.readRange(none, 0, 10), null);
  assert.equal(files.readGuarded(none, 10), null);
  assert.equal(files.stat(none), null);
  assert.deepEqual(files.list(none), []);
  assert.equal(files.unlink(none), false);
  assert.equal(files.rename(none, at.of('new')), false);
  files.removeTree(none);
});

test('written files are private unless told otherwise, and hold what was written', () => {
  using at = folder();
  files.write(at.of('a'), 'old and long');
  files.write(at.of('a'), 'new');
  files.append(at.of('a'), ' and more');
  assert.equal(files.readText(at.of('a')), 'new and more');
  assert.equal(files.stat(at.of('a'))?.mode, 0o600);
  files.write(at.of('b'), new Uint8Array([1, 2, 3]), 0o644);
  assert.equal(files.stat(at.of('b'))?.mode, 0o644);
  assert.deepEqual(files.list(at.of()), ['a', 'b']);
  files.sync(at.of('a'));
  files.syncFolder(at.of());
});

test('a range is cut at the end of the file', () => {
  using at = folder();
  files.write(at.of('a'), '0123456789');
  assert.equal(text(files.readRange(at.of('a'), 7, 100)), '789');
  assert.equal(text(files.readRange(at.of('a'), 2, 3)), '234');
  assert.equal(files.readRange(at.of('a'), 10, 5)?.length, 0);
});

test('names are taken once: create, link and claimFolder say who was second', () => {
  using at = folder();
  assert.equal(files.create(at.of('a'), 'first'), true);
  assert.equal(files.create(at.of('a'), 'second'), false);
  assert.equal(files.readText(at.of('a')), 'first');
  assert.equal(files.link(at.of('a'), at.of('b')), true);
  assert.equal(files.link(at.of('a'), at.of('b')), false);
  assert.equal(files.claimFolder(at.of('c')), true);
  assert.equal(files.claimFolder(at.of('c')), false);
  assert.throws(() => files.claimFolder(at.of('none', 'c')), { code: 'FILE_UNWRITABLE' });
});

test('rename replaces files, and never what is a folder', () => {
  using at = folder();
  files.write(at.of('a'), 'a');
  files.write(at.of('b'), 'b');
  assert.equal(files.rename(at.of('a'), at.of('b')), true);
  assert.equal(files.readText(at.of('b')), 'a');
  files.makeFolder(at.of('run'));
  files.makeFolder(at.of('archive'));
  assert.throws(() => files.rename(at.of('run'), at.of('archive')), { code: 'FILE_UNWRITABLE' });
  assert.throws(() => files.rename(at.of('run'), at.of('none', 'run')), { code: 'FILE_UNWRITABLE' });
});

test('folders are made with their parents, private, and twice is once', () => {
  using at = folder();
  files.makeFolder(at.of('a', 'b'));
  files.makeFolder(at.of('a', 'b'));
  assert.equal(files.stat(at.of('a'))?.mode, 0o700);
  assert.equal(files.stat(at.of('a', 'b'))?.kind, 'folder');
});

test('a copy is ours and can be made twice, whatever the rights of the original', () => {
  using at = folder();
  files.write(at.of('a'), 'a', 0o400);
  files.copy(at.of('a'), at.of('b'));
  files.copy(at.of('a'), at.of('b'));
  assert.equal(files.stat(at.of('b'))?.mode, 0o600);
  assert.throws(() => files.copy(at.of('none'), at.of('b')), { code: 'FILE_UNWRITABLE' });
});

test('no room is DISK_FULL, anything else that goes wrong says what was tried on what', () => {
  using at = folder();
  assert.throws(() => files.append('/dev/full', 'x'), { code: 'DISK_FULL' });
  files.write(at.of('a'), '');
  assert.throws(() => files.write(at.of('a', 'b'), 'x'), { code: 'FILE_UNWRITABLE', subject: at.of('a', 'b') });
  assert.throws(() => files.read(at.of()), { code: 'FILE_UNREADABLE', subject: at.of() });
  assert.ok(files.freeBytes(at.of()) > 0);
});

test('[S4] nothing under a predictable name leads a guarded read astray', async () => {
  using at = folder();
  files.write(at.of('secret'), 'secret');
  symlinkSync(at.of('secret'), at.of('link'));
  symlinkSync('/nowhere', at.of('dangling'));
  mkdirSync(at.of('folder'));
  execFileSync('mkfifo', [at.of('fifo')]);
  writeFileSync(at.of('huge'), '');
  truncateSync(at.of('huge'), 10 * 1024 ** 3);
  const server = createServer().listen(at.of('socket'));
  await once(server, 'listening');
  for (const [name, kind] of [
    ['link', 'symlink'],
    ['dangling', 'symlink'],
    ['folder', 'folder'],
    ['fifo', 'fifo'],
    ['huge', 'file'],
    ['socket', 'other'],
  ] as const) {
    const seen = files.readGuarded(at.of(name), 4096);
    assert.deepEqual([name, seen?.stat.kind, seen?.bytes], [name, kind, null]);
  }
  server.close();
  assert.equal(text(files.readGuarded(at.of('secret'), 6)?.bytes), 'secret');
  assert.equal(files.readGuarded(at.of('secret'), 5)?.bytes, null);
  linkSync(at.of('secret'), at.of('second'));
  assert.equal(files.readGuarded(at.of('second'), 4096)?.stat.nlink, 2);
});

test('[S4] nothing is written through a link, and a pipe does not hold the writer', () => {
  using at = folder();
  files.write(at.of('victim'), 'untouched');
  symlinkSync(at.of('victim'), at.of('link'));
  execFileSync('mkfifo', [at.of('fifo')]);
  assert.throws(() => files.write(at.of('link'), 'x'), { code: 'FILE_UNWRITABLE' });
  assert.throws(() => files.append(at.of('link'), 'x'), { code: 'FILE_UNWRITABLE' });
  assert.equal(files.create(at.of('link'), 'x'), false);
  assert.throws(() => files.write(at.of('fifo'), 'x'), { code: 'FILE_UNWRITABLE' });
  assert.equal(readFileSync(at.of('victim'), 'utf8'), 'untouched');
});

test('a tree goes whole, links in it do not take what they point to along', () => {
  using at = folder();
  files.makeFolder(at.of('tree', 'a', 'b'));
  files.makeFolder(at.of('beside'));
  files.write(at.of('beside', 'kept'), 'kept');
  symlinkSync(at.of('beside'), at.of('tree', 'a', 'link'));
  symlinkSync(at.of('beside', 'kept'), at.of('tree', 'file-link'));
  mkdirSync(at.of('tree', 'closed'));
  writeFileSync(at.of('tree', 'closed', 'file'), '');
  chmodSync(at.of('tree', 'closed'), 0o000);
  files.removeTree(at.of('tree'));
  assert.equal(existsSync(at.of('tree')), false);
  assert.equal(readFileSync(at.of('beside', 'kept'), 'utf8'), 'kept');
  symlinkSync(at.of('beside'), at.of('tree'));
  files.removeTree(at.of('tree'));
  assert.equal(readFileSync(at.of('beside', 'kept'), 'utf8'), 'kept');
  assert.throws(() => lstatSync(at.of('tree')));
});

test('a tree deeper than any path can be long goes too', () => {
  using at = folder();
  const before = process.cwd();
  try {
    mkdirSync(at.of('deep'));
    process.chdir(at.of('deep'));
    for (let depth = 0; depth < 650; depth++) {
      mkdirSync('folder');
      process.chdir('folder');
    }
  } finally {
    process.chdir(before);
  }
  files.removeTree(at.of('deep'));
  assert.equal(existsSync(at.of('deep')), false);
});

test('what can be no run folder is not removed', () => {
  using at = folder();
  for (const path of ['/', '/tmp', '/usr', homedir(), join(homedir(), '..'), 'relative/path', `${at.of('a')}/../..`]) {
    assert.throws(() => files.removeTree(path), { code: 'FILE_UNWRITABLE' }, path);
  }
  assert.ok(existsSync(at.of()));
});
