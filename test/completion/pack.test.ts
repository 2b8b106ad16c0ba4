import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { dropUnpacked, pack, packedFromBytes } from '../../src/completion/pack.ts';
import { manifestText } from '../../src/core/manifest.ts';
import { files } from '../../src/platform/files.ts';

const sha256 = 'ab'.repeat(32);
const listing = (...names: string[]): string => manifestText(names.map((name) => ({ name, sha256, sizeBytes: 1 })));

test('what is packed comes out byte by byte, is the same a second time, and lets other work run in between', async () => {
  for (const size of [0, 1, packedFromBytes, 3 * packedFromBytes + 1]) {
    const content = Uint8Array.from({ length: size }, (_, index) => (index * index) >> 3);
    let breaths = 0;
    const packed = await pack(content, async () => void breaths++);
    assert.equal(breaths, Math.ceil(size / packedFromBytes));
    assert.ok(size === 0 ? packed.length === 0 : gunzipSync(packed).equals(content), `${size} bytes`);
    assert.deepEqual(await pack(content, async () => {}), packed);
  }
});

test('the plain output goes only where the manifest vouches for the packed one, and twice is the same as once', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'todo-pack-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const plain = join(folder, 'output.txt');
  files.write(plain, 'printed');
  files.write(join(folder, 'manifest.json'), listing('output.txt'));
  dropUnpacked(folder, files);
  assert.ok(existsSync(plain), 'nothing is packed');

  // Left by a report that was made before this one.
  files.write(join(folder, 'output.txt.gz'), 'packed');
  dropUnpacked(folder, files);
  assert.ok(existsSync(plain), 'the manifest names the plain one');

  files.write(join(folder, 'manifest.json'), listing('output.txt.gz'));
  dropUnpacked(folder, files);
  dropUnpacked(folder, files);
  assert.ok(!existsSync(plain) && existsSync(join(folder, 'output.txt.gz')));
});
