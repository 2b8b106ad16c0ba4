import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { patternCharsMax } from '../../src/completion/redact/patterns.ts';
import { createRedactor, redactStrings } from '../../src/completion/redact.ts';

const root = new URL('../../', import.meta.url);
const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
const redactor = (secrets: readonly string[]) => createRedactor({ secrets, sha256 });
const none = redactor([]);

/** Secrets that look like real ones, the same in each run; a third holds characters that every encoding treats in its own way. */
const planted: readonly string[] = Array.from({ length: 200 }, (_, i) => {
  const text = createHash('sha256').update(`secret ${i}`).digest('base64');
  return i % 3 === 0 ? `${text.slice(0, 8)}"\\ /+&'ä${text.slice(8, 8 + (i % 20))}` : text.slice(0, 12 + (i % 30));
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const encodings: Readonly<Record<string, (secret: string) => string>> = {
  raw: (secret) => secret,
  json: (secret) => JSON.stringify({ value: secret }),
  'json in json': (secret) => JSON.stringify({ line: JSON.stringify({ value: secret }) }),
  url: (secret) => encodeURIComponent(secret),
  'url, lower case': (secret) => encodeURIComponent(secret).replace(/%../g, (escaped) => escaped.toLowerCase()),
  form: (secret) => new URLSearchParams({ v: secret }).toString(),
  'base64 at byte 0': (secret) => base64(secret),
  'base64 at byte 1': (secret) => base64(`a${secret}b`),
  'base64 at byte 2': (secret) => base64(`ab${secret}cd`),
  base64url: (secret) => Buffer.from(`user:${secret}`).toString('base64url'),
  hex: (secret) => Buffer.from(secret).toString('hex'),
  'hex, upper case': (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
};

/** The longest piece of `encoded` that came through, in characters. */
function leakedChars(encoded: string, out: string): number {
  let longest = 0;
  for (let from = 0; from < encoded.length; from += 1)
    while (from + longest < encoded.length && out.includes(encoded.slice(from, from + longest + 1))) longest += 1;
  return longest;
}

test(`${planted.length} planted secrets in ${Object.keys(encodings).length} encodings: none comes through`, () => {
  const { redact, refused } = redactor(planted);
  assert.deepEqual(refused, []);
  for (const secret of planted) {
    for (const [name, encode] of Object.entries(encodings)) {
      const encoded = encode(secret);
      const out = redact(`begin ${encoded} end`);
      assert.match(out, /‹redacted:secret:[0-9a-f]{4}›/, `${name} of ${secret}: ${out}`);
      // Base64 keeps the characters that also hold a neighbour's bits: at most two on each side.
      const core = name.startsWith('json')
        ? secret.slice(0, 8)
        : name.startsWith('base64')
          ? encoded.slice(4, -4)
          : name === 'form'
            ? encoded.slice(2)
            : encoded;
      assert.ok(leakedChars(core, out.replaceAll(/‹[^›]*›/g, '…')) < 6, `${name} of ${secret}: ${out}`);
    }
  }
});

test('a stream lets nothing through that the whole would not, however it is cut', () => {
  const { redact, stream } = redactor(planted);
  const all = planted
    .flatMap((secret, i) => Object.values(encodings).map((encode, k) => `${'filler '.repeat((i * 7 + k * 3) % 40)}${encode(secret)}`))
    .join('\n');
  const whole = redact(all);
  for (const size of [1, 7, 64, 1_000, 4_096, 16_384, 16_385, 100_000, all.length]) {
    const { push, end } = stream();
    let out = '';
    for (let from = 0; from < all.length; from += size) out += push(all.slice(from, from + size));
    assert.ok(out.length > 0 || size === all.length, 'something comes out before the end');
    assert.equal(out + end(), whole, `pieces of ${size}`);
  }
});

test('a secret at any place of a stream, cut at any place, does not come through', () => {
  const jwt = `eyJ${'hbGciOiJIUzI1NiJ9'}.eyJ${'zdWIiOiIxMjM0NTY3ODkwIn0'}.${'dozjgNryP4J3jVmN'}`;
  const needles = [
    planted[0]!,
    `password=${'correct-horse-battery'}`,
    jwt,
    `postgres://app:${'w0nderful'}@db/x`,
    `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkq'.repeat(20)}\n-----END PRIVATE KEY-----`,
  ];
  const { redact, stream } = redactor(planted);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...needles), fc.nat(40_000)), { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(' ', '.', 'x', '\n'),
      (places, sizes, filler) => {
        const text = `${places.map(([needle, gap]) => `${filler.repeat(gap)} ${needle} `).join('')}${filler.repeat(20_000)}`;
        const { push, end } = stream();
        let out = '';
        for (let from = 0, turn = 0; from < text.length; turn += 1) {
          const size = sizes[turn % sizes.length]!;
          out += push(text.slice(from, from + size));
          from += size;
        }
        out += end();
        assert.equal(out, redact(text));
        for (const secret of ['correct-horse', 'dozjgNryP4J3jVmN', 'w0nderful', 'MIIEvQIBADANBgkq', planted[0]!])
          assert.ok(!out.includes(secret), secret);
      },
    ),
    { numRuns: 300 },
  );
});

test('a stream remembers the character before its cut: what is part of a word there is no key', () => {
  const token = `ghp_${'a1B2'.repeat(9)}`;
  for (let at = patternCharsMax - 3; at <= patternCharsMax + 3; at += 1) {
    const text = `${'x'.repeat(at)}${token} ${' '.repeat(patternCharsMax)}`.slice(0, 2 * patternCharsMax);
    const { push, end } = none.stream();
    assert.equal(push(text) + end(), none.redact(text), `token at ${at}`);
  }
});

test('keys of well-known shape are found without being registered', () => {
  const cases: readonly (readonly [text: string, redacted: RegExp])[] = [
    [`key sk-ant-api03-${'aB3_-'.repeat(19)}AA!`, /^key ‹redacted:anthropic-key:....›!$/],
    [`sk-proj-${'aB3'.repeat(15)}`, /^‹redacted:openai-key:....›$/],
    [`sk-${'a1B2'.repeat(5)}T3BlbkFJ${'c3D4'.repeat(5)}`, /^‹redacted:openai-key:....›$/],
    [`ghp_${'a1B2'.repeat(9)} x`, /^‹redacted:github-token:....› x$/],
    [`github_pat_${'a1B2_'.repeat(16)}`, /^‹redacted:github-token:....›$/],
    [`glpat-${'a1B2-'.repeat(4)}`, /^‹redacted:gitlab-token:....›$/],
    [`xoxb-${'123456789012-'.repeat(2)}abcdef`, /^‹redacted:slack-token:....›$/],
    [`npm_${'a1B2'.repeat(9)}`, /^‹redacted:npm-token:....›$/],
    [`AKIA${'ABCD2345'.repeat(2)};`, /^‹redacted:aws-key-id:....›;$/],
    [`AIza${'a1B2c'.repeat(7)}`, /^‹redacted:google-key:....›$/],
    [`eyJ${'hbGciOiJI'}.eyJ${'zdWIiOiIx'}.${'sflKxwRJSM'}`, /^‹redacted:jwt:....›$/],
    ['postgres://app:p4ss-w%40rd@db.local:5432/x?y=1', /^postgres:\/\/app:‹redacted:url-password:....›@db\.local:5432\/x\?y=1$/],
    ['Authorization: Bearer abcdef123456', /^Authorization: Bearer ‹redacted:auth-header:....›$/],
    ['"authorization":"Basic dXNlcjpwYXNz"', /^"authorization":"Basic ‹redacted:auth-header:....›"$/],
    ['X-Api-Key: 0123456789abcdef', /^X-Api-Key: ‹redacted:auth-header:....›$/],
    ['login --user me password=hunter2! next', /^login --user me password=‹redacted:password:....› next$/],
    ["mysql --password 's3cret-word'", /^mysql --password '‹redacted:password:....›'$/],
    ['DB_PASSWORD="s3cret word"', /^DB_PASSWORD="‹redacted:password:....› word"$/],
    ['{"password": "s3cret word"}', /^\{"password": "‹redacted:password:....›"\}$/],
    ['SERVICE_TOKEN=0123456789abcdef', /^SERVICE_TOKEN=‹redacted:env-secret:....›$/],
    [
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${'b3BlbnNzaC1rZXk\n'.repeat(5)}-----END OPENSSH PRIVATE KEY----- after`,
      /^‹redacted:private-key:....› after$/,
    ],
    [
      `{"key":"-----BEGIN RSA PRIVATE KEY-----\\nMIIE${'x'.repeat(40)}\\n-----END RSA PRIVATE KEY-----\\n"}`,
      /^\{"key":"‹redacted:private-key:....›\\n"\}$/,
    ],
    [
      `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AB12\n\nMIIE${'x'.repeat(40)}\n-----END RSA PRIVATE KEY-----`,
      /^‹redacted:private-key:....›$/,
    ],
    [`-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE${'x'.repeat(80)}`, /^‹redacted:private-key:....›$/],
  ];
  for (const [text, redacted] of cases) assert.match(none.redact(text), redacted, text);
});

test('what only looks like a secret stays', () => {
  const innocent = [
    'password: string; password = null; password=process.env.PASSWORD password=$PASSWORD password=getPassword()',
    'PWD=/home/someone OLDPWD=/tmp',
    'https://example.org:8080/a@b mysql://user:password@host:port/db ssh://git@example.org/x http://[::1]:80/',
    'task-anthology sk-learn sk-proj risk-ant-hill eyJ eyJhbGci AKIAshort xoxb-1 ghp_short',
    'Authorization: Bearer $TOKEN authorization required: Basic',
    'MAX_TOKENS=4096 TOKEN=${TOKEN} SECRET_NAME=a',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----',
  ];
  for (const text of innocent) assert.equal(none.redact(text), text);
});

test('pure code, the lock file and the licence hold nothing that is taken for a secret', () => {
  const files = globSync(['src/{core,completion}/**/*.ts', 'package*.json', 'LICENSE', 'biome.json'], { cwd: root.pathname }).filter(
    (path) => !path.includes('redact'),
  );
  let chars = 0;
  for (const file of files) {
    const text = readFileSync(new URL(file, root), 'utf8');
    chars += text.length;
    assert.equal(none.redact(text), text, file);
  }
  assert.ok(chars > 100_000);
});

test('every spelling of one secret gets the same mark, and different secrets get different ones', () => {
  const { redact } = redactor(['first-secret-value', 'other-secret-value']);
  const mark = redact('first-secret-value');
  assert.match(mark, /^‹redacted:secret:[0-9a-f]{4}›$/);
  for (const text of [encodeURIComponent('first-secret-value'), Buffer.from('first-secret-value').toString('hex')])
    assert.equal(redact(text), mark);
  assert.notEqual(redact('other-secret-value'), mark);
});

test('values too short or too common are refused by index, and nothing of them is looked for', () => {
  const { refused, redact } = redactor(['short', 'password', 'aaaaaaaaaaaa', '121212121212', 'good-enough-1', '']);
  assert.deepEqual(refused, [0, 1, 2, 3, 5]);
  assert.equal(redact('short password aaaaaaaaaaaa'), 'short password aaaaaaaaaaaa');
});

test('a registered blob is also looked for in its parts', () => {
  const { redact } = redactor([
    '{"client":"web-frontend-7","key":"k9-unguessable"}',
    'line-one-secret\nline-two-secret',
    'mysql://root:sup%2Fer-s3cret@db/x',
  ]);
  for (const part of ['k9-unguessable', 'line-two-secret', 'sup%2Fer-s3cret', 'sup/er-s3cret'])
    assert.match(redact(`see ${part} here`), /^see ‹redacted:secret:....› here$/, part);
});

test('overlapping secrets are taken out whole, under one mark', () => {
  const { redact } = redactor(['abcdefgh12345', '12345-tail-part']);
  assert.match(redact('x abcdefgh12345-tail-part y'), /^x ‹redacted:secret:....› y$/);
  assert.match(redact('password=abcdefgh12345-and-more'), /^password=‹redacted:secret:....›$/);
});

test('redacting twice is the same as once', () => {
  const pieces = fc.constantFrom(
    ...planted.slice(0, 5).map((secret) => `${secret} `),
    'password=',
    'Authorization: ',
    'Bearer ',
    'negotiate ',
    'https://u:',
    '@host',
    'TOKEN=',
    'p4ssw0rd-x',
    '"',
    "'",
    ' ',
    'eyJabcdefghijk.',
    '‹redacted:',
    '›',
    '-----BEGIN PRIVATE KEY-----',
    'abcd',
  );
  const { redact, redactBytes } = redactor(planted.slice(0, 5));
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 10 }), (parts) => {
      const once = redact(parts.join(''));
      assert.equal(redact(once), once);
      const bytes = redactBytes(new TextEncoder().encode(parts.join('')));
      assert.deepEqual(redactBytes(bytes), bytes);
    }),
    { numRuns: 5_000 },
  );
});

test('bytes that are no UTF-8 stay as they are around a secret', () => {
  const secret = 'gehäime-Wörter';
  const { redactBytes } = redactor([secret]);
  const bytes = Buffer.concat([Buffer.from([0xff, 0x00, 0xfe]), Buffer.from(secret), Buffer.from([0x80, 0xff])]);
  const out = Buffer.from(redactBytes(bytes));
  assert.deepEqual([...out.subarray(0, 3)], [0xff, 0x00, 0xfe]);
  assert.deepEqual([...out.subarray(-2)], [0x80, 0xff]);
  assert.match(out.subarray(3, -2).toString(), /^‹redacted:secret:....›$/);
  const clean = new Uint8Array([1, 2, 255]);
  assert.equal(redactBytes(clean), clean);
});

test('every string of a value is redacted, and nothing else of it changes', () => {
  const { redact } = redactor(['first-secret-value']);
  const value = { a: 'first-secret-value', b: [1, null, true, { c: 'x first-secret-value' }], d: 'plain' };
  const out = redactStrings(value, redact);
  assert.match(out.a, /^‹redacted/);
  assert.match(JSON.stringify(out.b), /^\[1,null,true,\{"c":"x ‹redacted:secret:....›"\}\]$/);
  assert.equal(out.d, 'plain');
});

test('throughput is printed, and hostile text costs no more than its length', (context) => {
  const { redact } = redactor(planted.slice(0, 20));
  const samples: Readonly<Record<string, string>> = {
    'log lines without secrets': '2025-11-22T02:07:31.123Z info request done method=GET path=/api/v1/items?x=1 status=200 took=12ms\n',
    'log lines with addresses': 'fetch https://registry.example.org/foo/-/foo-1.2.3.tgz 200 in 12ms; see http://localhost:3000/a\n',
    'key beginnings': '-----BEGIN PRIVATE KEY-----',
    'token beginnings': 'eyJ-',
    'token halves': 'eyJaaaaaaaaa.',
    'password beginnings': 'password="',
    'address beginnings': 'aa://a:',
    'header beginnings': 'authorization: ',
    'environment beginnings': 'API_KEY_',
    'one letter': 'A',
  };
  for (const [name, piece] of Object.entries(samples)) {
    const text = piece.repeat(Math.ceil((1024 * 1024) / piece.length));
    let best = 0;
    for (let round = 0; round < 2; round += 1) {
      const from = performance.now();
      redact(text);
      best = Math.max(best, text.length / 1e3 / (performance.now() - from));
    }
    context.diagnostic(`${name}: ${best.toFixed(1)} MB/s`);
    assert.ok(best > 0.05, `${name}: ${best} MB/s`);
  }
});
