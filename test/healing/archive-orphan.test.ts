import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseManifest } from '../../src/core/manifest.ts';
import { archiveOrphan } from '../../src/healing/archive-orphan.ts';
import { files } from '../../src/platform/files.ts';
import type { Files } from '../../src/world.ts';
import { minutes, SmallWorld, sha256 } from './small-world.ts';

const archive = (small: SmallWorld, path: string, using: Files = files): string =>
  archiveOrphan({ files: using, digest: { sha256, sha256Base64: sha256 }, home: small.world.home }, small.path(path), (text) =>
    text.replaceAll('secret', '[redacted]'),
  );

test('an orphan is moved whole: content, sub-folders, digests of all of it, and no secret', () => {
  using small = new SmallWorld();
  small.put('runs/run-1/launch.sh', 'TODO_TOKEN=abc');
  small.put('runs/run-1/output.log', 'said secret\n', minutes(40));
  small.put('runs/run-1/sub/binary', Buffer.from([0xff, 0x00, 0xfe, ...Buffer.from('secret')]), minutes(50));
  small.put('runs/run-1/empty', '', minutes(50));
  symlinkSync('/etc/passwd', small.path('runs/run-1/link'));
  const target = archive(small, 'runs/run-1');

  assert.match(target, /archive\/orphaned_run-1_\d+$/);
  assert.equal(existsSync(small.path('runs/run-1')), false);
  assert.equal(readFileSync(join(target, 'output.log'), 'utf8'), 'said [redacted]\n');
  assert.deepEqual(readFileSync(join(target, 'sub/binary')), Buffer.from([0xff, 0x00, 0xfe, ...Buffer.from('[redacted]')]));
  assert.equal(readFileSync(join(target, 'links.txt'), 'utf8'), 'symlink link\n');
  const listed = parseManifest(readFileSync(join(target, 'manifest.json'), 'utf8')) ?? [];
  assert.deepEqual(
    listed.map((file) => file.name),
    ['empty', 'links.txt', 'output.log', 'sub/binary'],
  );
  for (const file of listed) assert.equal(sha256(readFileSync(join(target, file.name))), file.sha256);
});

test('interrupted at any write and called again, an orphan is archived once and nothing of it is lost', () => {
  const writes: (keyof Files)[] = ['write', 'sync', 'syncFolder', 'rename', 'makeFolder', 'removeTree'];
  let calls = 0;
  for (let failAt = 1; failAt === 1 || calls >= failAt - 1; failAt++) {
    using small = new SmallWorld();
    small.put('runs/run-1/output.log', 'first\n', minutes(40));
    small.put('runs/run-1/sub/more', 'second\n', minutes(50));
    calls = 0;
    const failing = new Proxy(files, {
      get(target, name: keyof Files) {
        const real = target[name] as (...args: unknown[]) => unknown;
        if (!writes.includes(name)) return real;
        return (...args: unknown[]) => {
          if (++calls === failAt) throw new Error('power is gone');
          return real(...args);
        };
      },
    });
    let interrupted = false;
    try {
      archive(small, 'runs/run-1', failing);
    } catch {
      interrupted = true;
    }
    const target = interrupted ? archive(small, 'runs/run-1') : null;
    assert.equal(existsSync(small.path('runs/run-1')), false);
    const kept = readdirSync(small.path('archive'));
    assert.equal(kept.length, 1, `interrupted at write ${failAt}: ${kept.join(' ')}`);
    if (target) assert.deepEqual(kept, [target.split('/').at(-1)]);
    assert.equal(readFileSync(small.path('archive', kept[0] ?? '', 'output.log'), 'utf8'), 'first\n');
    assert.equal(readFileSync(small.path('archive', kept[0] ?? '', 'sub/more'), 'utf8'), 'second\n');
    if (!interrupted) break;
  }
});

test('half removed after a crash, the rest is recognised as archived already', () => {
  using small = new SmallWorld();
  small.put('runs/run-1/output.log', 'newest\n', minutes(40));
  small.put('runs/run-1/older', 'older\n', minutes(50));
  const target = archive(small, 'runs/run-1');
  mkdirSync(small.path('runs/run-1'));
  writeFileSync(small.path('runs/run-1/older'), 'older\n');
  assert.equal(archive(small, 'runs/run-1'), target);
  assert.deepEqual(readdirSync(small.path('archive')).length, 1);
});

test('a folder that came back with other content gets an archive of its own', () => {
  using small = new SmallWorld();
  small.put('runs/run-1/output.log', 'one\n', minutes(40));
  archive(small, 'runs/run-1');
  small.put('runs/run-1/output.log', 'two\n', minutes(35));
  archive(small, 'runs/run-1');
  assert.equal(readdirSync(small.path('archive')).length, 2);
});

test('a file too large for one piece is kept in pieces that end with a line', () => {
  using small = new SmallWorld();
  const line = `${'x'.repeat(1023)}\n`;
  const text = line.repeat(40 * 1024);
  small.put('runs/run-1/output.log', text, minutes(40));
  const target = archive(small, 'runs/run-1');
  const pieces = readdirSync(target).filter((name) => name.startsWith('output.log.'));
  assert.deepEqual(pieces, ['output.log.000', 'output.log.001']);
  const contents = pieces.map((name) => readFileSync(join(target, name), 'utf8'));
  for (const content of contents) assert.ok(content.endsWith('\n'));
  assert.equal(contents.join(''), text);
});

test('what does not read back as it was written is not archived, and the folder stays', () => {
  using small = new SmallWorld();
  small.put('runs/run-1/output.log', 'precious\n', minutes(40));
  const lying: Files = { ...files, read: (path) => (path.endsWith('output.log') ? Buffer.from('other') : files.read(path)) };
  assert.throws(() => archive(small, 'runs/run-1', lying), /something else than was written/);
  assert.equal(readFileSync(small.path('runs/run-1/output.log'), 'utf8'), 'precious\n');
  assert.equal(readdirSync(small.path('archive')).filter((name) => !name.endsWith('.new')).length, 0);
});
