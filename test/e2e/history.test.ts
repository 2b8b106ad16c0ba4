// What was changed, said and laid beside a todo: by whom, from what to what, and that all of it comes back as it was.
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Json, testHome, todoProgram } from './harness.ts';

const quick = { behavior: { quiet_after: 0.1, term_grace: 0.5 } };
const person = { env: { USER: 'anna' } };

test('[C-68] every change of a todo stands in its history: when, what, from and to, who', async (t) => {
  const home = await testHome(t, quick);
  const { number } = await home.add(`'${todoProgram}' comment "half of it is done"; exit 3`);
  const ref = String(number);
  for (const [verb, ...rest] of [['hold'], ['unhold'], ['block', '--reason', 'no key'], ['release'], ['park', '--in', '1h']])
    await home.json([verb!, ref, ...rest]);
  await home.json(['comment', ref, 'the key comes tomorrow'], person);
  await home.json(['run', ref], { code: 1 });
  const { events } = await home.json(['show', ref, '--history']);
  const host = events.find(({ to }: Json) => to === 'claimed').by;
  assert.match(host, /^shell on /);
  const told = events.map(({ what, from, to, by, detail }: Json) => [what, from, to, by, detail]);
  assert.deepEqual(
    told.filter(([what, , to]: Json) => !(what === 'status' && to === 'running')),
    [
      ['added', null, 'open', 'person', ''],
      ['held', 0, 1, 'person', ''],
      ['held', 1, 0, 'person', ''],
      ['status', 'open', 'blocked', 'person', 'no key'],
      ['status', 'blocked', 'open', 'person', ''],
      ['status', 'open', 'parked', 'person', ''],
      ['comment', null, null, 'anna', 'the key comes tomorrow'],
      ['status', 'parked', 'claimed', host, 'run #1'],
      ['comment', null, null, 'shell', 'half of it is done'],
      [
        'status',
        told.some(([, , to]: Json) => to === 'running') ? 'running' : 'claimed',
        'failed',
        'process-end',
        'run #1 failed: exit code 3',
      ],
    ],
  );
  const times = events.map(({ atMs }: Json) => atMs);
  assert.deepEqual(
    times,
    times.toSorted((a: number, b: number) => a - b),
  );
  const text = (await home.todo(['show', ref, '--history'])).stdout;
  assert.match(text, /status +open → blocked +person +no key/);
  assert.match(text, /comment +anna +the key comes/);
  const why = await home.json(['why', ref]);
  assert.deepEqual(
    why.events
      .filter(({ fact }: Json) => ['held', 'unheld', 'blocked', 'parked'].includes(fact))
      .map(({ fact, reason }: Json) => [fact, reason]),
    [
      ['held', 'by person'],
      ['unheld', 'by person'],
      ['blocked', 'was open, by person: no key'],
      ['parked', 'was open, by person'],
    ],
  );
});

test('[C-68] comments and attachments: from standard input, byte by byte, bounded, in show and in the export', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('true', '--hold');
  const ref = String(number);
  const secret = 'sk-ant-api03-a-secret-that-nobody-may-see-0123456789';
  await home.json(['comment', ref, '-'], { env: { ...person.env, MY_API_KEY: secret }, stdin: `two\nlines, and ${secret}\n` });
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 31) % 256);
  const [picture, notes] = [join(home.work, 'picture.png'), join(home.work, 'notes.txt')];
  writeFileSync(picture, bytes);
  writeFileSync(notes, 'plain Ünïcode\n');
  const { attachments } = await home.json(['attach', ref, picture, notes], { ...person, cwd: home.work });
  assert.deepEqual(
    attachments.map(({ name, sizeBytes, author }: Json) => [name, sizeBytes, author]),
    [
      ['picture.png', 100_000, 'anna'],
      ['notes.txt', 16, 'anna'],
    ],
  );
  assert.deepEqual((await home.json(['show', ref, '--attachments'])).attachments, attachments);
  const copy = join(home.work, 'copy.png');
  await home.json(['show', ref, '--attachment', 'picture.png', '--out', copy]);
  assert.deepEqual([new Uint8Array(readFileSync(copy)), statSync(copy).mode & 0o777], [bytes, 0o600]);
  await home.json(['show', ref, '--attachment', attachments[1].sha256.slice(0, 12), '--out', copy]);
  assert.equal(readFileSync(copy, 'utf8'), 'plain Ünïcode\n');

  const shown = await home.json(['show', ref]);
  assert.deepEqual([shown.comments, shown.attachments], [1, 2]);
  const said = (await home.todo(['show', ref])).stdout;
  assert.match(said, /anna: two lines, and [^s]/);
  assert.match(said, /picture\.png \(100000 bytes\)/);
  assert.ok(!JSON.stringify(await home.json(['show', ref, '--history'])).includes(secret), 'a secret of the environment is taken out');

  const exported = await home.json(['export', ref]);
  assert.match(exported.comments[0].text, /^two\nlines, and /);
  const [first, second] = exported.attachments;
  assert.deepEqual([first.encoding, new Uint8Array(Buffer.from(first.content, 'base64'))], ['base64', bytes]);
  assert.deepEqual([second.encoding, second.content], ['utf8', 'plain Ünïcode\n']);

  const large = join(home.work, 'large');
  writeFileSync(large, Buffer.alloc(8 * 1024 * 1024 + 1));
  for (const [args, code, why] of [
    [['attach', ref, large], 65, /8388609 bytes, at most 8388608/],
    [['attach', ref, join(home.work, 'missing')], 1, /FILE_UNREADABLE while attaching .*missing/],
    [['attach', ref], 64, /a todo and a file are needed/],
    [['attach', '99', notes], 1, /NOT_FOUND while attaching to todo 99/],
    [['comment', ref, '  '], 65, /there is no text/],
    [['comment', ref, 'x'.repeat(64 * 1024 + 1)], 65, /65537 bytes, at most 65536/],
    [['show', ref, '--attachment', 'nothing', '--out', copy], 1, /it has picture\.png, notes\.txt/],
  ] as const) {
    const refused = await home.todo(args);
    assert.equal(refused.code, code, refused.stderr);
    assert.match(refused.stderr, why);
  }
  assert.equal((await home.json(['show', ref])).attachments, 2, 'what was refused left nothing');
});

test('a store of the last version is shown without a change, and takes a comment from the next program that writes', async (t) => {
  const home = await testHome(t);
  copyFileSync(fileURLToPath(new URL('../compat/store-v1.db', import.meta.url)), join(home.folder, 'todo.db'));
  await home.json(['hold', '3']);
  const database = new DatabaseSync(join(home.folder, 'todo.db'));
  database.exec(
    `DROP TABLE comment; DROP TABLE attachment; DROP TABLE attachment_content; UPDATE store_meta SET value = 1 WHERE name = 'version'`,
  );
  const { comments, attachments, todo } = await home.json(['show', '1']);
  assert.equal(database.prepare(`SELECT value FROM store_meta WHERE name = 'version'`).get()?.['value'], 1, 'who only looks makes nothing');
  database.close();
  assert.deepEqual([todo.title, comments, attachments], ['completed', 0, 0]);
  await home.json(['comment', '1', 'seen']);
  assert.equal((await home.json(['show', '1'])).comments, 1);
});
