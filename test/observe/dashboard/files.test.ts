// What a browser gets before anybody is logged in: how much it is, how it is packed, what it may do.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { build } from '../../e2e/build.ts';
import { fakeServer } from './server.ts';

const folder = join(import.meta.dirname, '..', '..', '..', 'dist', 'dashboard');

test('the dashboard is served packed as the browser takes it, kept for ever under names with a digest, and its first view is at most 32 kB', async (t) => {
  await build();
  const server = await fakeServer();
  t.after(() => server.stop());
  const get = async (path: string, encoding = 'gzip') => {
    const response = await fetch(server.url + path, { headers: { 'accept-encoding': encoding } });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const page = await get('/');
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('cache-control'), 'no-store', 'it names the files of the build that answers now');
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';.*require-trusted-types-for 'script'$/);
  assert.doesNotMatch(policy, /unsafe/);

  const first = [...page.text.matchAll(/(?:src|href)="(\/dashboard\/[^"]+)"/g)].map(([, path]) => path!);
  assert.ok(first.length >= 2 && first.some((path) => path.endsWith('.js')) && first.some((path) => path.endsWith('.css')));
  let bytes = Number(page.headers.get('content-length'));
  for (const path of first) {
    const packed = await get(path);
    assert.deepEqual(
      [packed.status, packed.headers.get('content-encoding'), packed.headers.get('cache-control'), packed.headers.get('vary')],
      [200, 'gzip', 'public, max-age=31536000, immutable', 'accept-encoding'],
      path,
    );
    bytes += Number(packed.headers.get('content-length'));
    const plain = await get(path, 'identity');
    assert.equal(plain.headers.get('content-encoding'), null);
    for (const [encoding, unpack] of [
      ['gzip', gunzipSync],
      ['br', brotliDecompressSync],
    ] as const) {
      const raw = await rawOf(server.url + path, encoding);
      assert.equal(unpack(raw).toString(), plain.text, `${path} as ${encoding}`);
    }
    assert.equal((await get(path, 'br;q=0, gzip')).headers.get('content-encoding'), 'gzip', 'br is refused');
  }
  t.diagnostic(`first view: ${bytes} bytes (gzip) in ${first.length + 1} files`);
  assert.ok(bytes <= 32 * 1024, `the first view is ${bytes} bytes`);
  // Each of them is all that its names say: nothing of the first view waits for a file that is not named in the page.
  for (const path of first.filter((each) => each.endsWith('.js')))
    for (const [, needed] of (await get(path)).text.matchAll(/(?:from|import)"\.\/([\w-]+\.js)"/g))
      assert.ok(first.includes(`/dashboard/${needed}`), `${path} needs ${needed}`);
});

test('nothing but what was built is served as a file of the dashboard', async (t) => {
  const server = await fakeServer();
  t.after(() => server.stop());
  const status = async (path: string) => (await fetch(server.url + path)).status;
  const [script] = readdirSync(folder).filter((name) => name.endsWith('.js'));
  assert.equal(await status(`/dashboard/${script}`), 200);
  for (const path of ['..%2F..%2Fpackage.json', '..%2Ftodo.cjs', `${script}.gz`, 'sizes.json', 'gone-ABCDEFGH.js', '%00.js'])
    assert.equal(await status(`/dashboard/${path}`), 404, path);
});

/** As it came, without what fetch makes of it. */
async function rawOf(url: string, encoding: string): Promise<Buffer> {
  const { get } = await import('node:http');
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'accept-encoding': encoding }, agent: false }, async (response) => {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece as Buffer);
      resolve(Buffer.concat(pieces));
    }).on('error', reject);
  });
}
