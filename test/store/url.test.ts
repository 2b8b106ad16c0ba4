import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { isOperational } from '../../src/core/errors.ts';
import { type MysqlAddress, parseStoreUrl } from '../../src/store/url.ts';

const mysql = (url: string, passwordFile: string | null = null): MysqlAddress => {
  const address = parseStoreUrl(url, passwordFile);
  assert.ok(address.kind === 'mysql');
  return address;
};

test('no address and "sqlite:" are the home itself', () => {
  assert.equal(parseStoreUrl(null).kind, 'sqlite');
  assert.equal(parseStoreUrl('sqlite:').kind, 'sqlite');
});

test('an address names user, password, servers in order, and database', () => {
  const { hosts, user, database, tls, ...rest } = mysql(
    'mysql://some%40one:p%40ss%2Fw%C3%B6rd%3A%25@db1,db2:3307,[::1]:3308/my%20todos?tls=verify',
  );
  assert.deepEqual(hosts, [
    { host: 'db1', port: 3306 },
    { host: 'db2', port: 3307 },
    { host: '::1', port: 3308 },
  ]);
  assert.deepEqual([user, database, tls, rest.password()], ['some@one', 'my todos', 'verify', 'p@ss/wörd:%']);
  assert.equal(rest.describe(), 'mysql://some@one@db1:3306,db2:3307,[::1]:3308/my todos');
  assert.equal(mysql('mariadb://u@h/d').password(), '');
  assert.equal(mysql('mysql://u:with@sign@h/d').password(), 'with@sign');
});

test('the password is nowhere to be seen: not in a dump, not as JSON, not in an error', () => {
  const address = mysql('mysql://u:s3cret@h/d');
  assert.doesNotMatch(inspect(address, { depth: 9, showHidden: true }) + JSON.stringify(address) + address.describe(), /s3cret/);
  for (const wrong of [
    'mysql://u:s3cret@h',
    'mysql://u:s3cret@h:99999/d',
    'mysql://u:s3cret@h/d?x=1',
    'mysql://u:s3cret%@h/d',
    'mysql://:s3cret@h/d',
    'mysql://u:s3cret@/d',
    'postgres://u:s3cret@h/d',
    'sqlite:/s3cret',
  ]) {
    assert.throws(
      () => parseStoreUrl(wrong),
      (error) =>
        isOperational(error) &&
        error.code === 'CONFIG_INVALID' &&
        !inspect(error)
          .replaceAll(/parseStoreUrl\(.*/g, '')
          .includes('s3cret'),
      wrong,
    );
  }
});

test('a password file is read when it is private, and refused when others may read it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-url-'));
  try {
    const file = join(folder, 'password');
    writeFileSync(file, 's3cret \nmore\n', { mode: 0o600 });
    assert.equal(mysql('mysql://u@h/d', file).password(), 's3cret ');
    for (const mode of [0o640, 0o604, 0o620, 0o644, 0o666]) {
      chmodSync(file, mode);
      assert.throws(() => mysql('mysql://u@h/d', file), {
        code: 'CONFIG_INVALID',
        message: new RegExp(`mode is 0${mode.toString(8)}`),
        hint: /chmod 600/,
      });
    }
    chmodSync(file, 0o400);
    assert.equal(mysql('mysql://u@h/d', file).password(), 's3cret ');
    assert.throws(() => mysql('mysql://u:x@h/d', file), { message: /keep one/ });
    assert.throws(() => mysql('mysql://u@h/d', join(folder, 'absent')), { message: /ENOENT/ });
    assert.throws(() => mysql('mysql://u@h/d', folder), { code: 'CONFIG_INVALID' });
    writeFileSync(join(folder, 'empty'), '\nsecond', { mode: 0o600 });
    assert.throws(() => mysql('mysql://u@h/d', join(folder, 'empty')), { message: /first line is empty/ });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
