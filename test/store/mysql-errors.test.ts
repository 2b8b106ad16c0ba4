import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isAboutThisServer, type Judgement, judge, type Sent } from '../../src/store/mysql-errors.ts';

const server = (errno: number, message = 'said the server') =>
  Object.assign(new Error(message), { errno, code: 'ER_X', sqlState: 'HY000' });
const client = (code: string) => Object.assign(new Error(code), { code, errno: -111, fatal: true });

test('each error of the table means what it says, before and after COMMIT was sent', () => {
  const cases: readonly (readonly [error: unknown, before: Judgement, atCommit: Judgement])[] = [
    [server(1213), 'again', 'again'],
    [server(1020), 'again', 'again'],
    [server(3101), 'again', 'again'],
    [server(1205), 'again', 'STORE_IN_DOUBT'],
    [server(1062), 'again', 'STORE_IN_DOUBT'],
    [server(1047), 'STORE_READ_ONLY', 'STORE_READ_ONLY'],
    [server(1290), 'STORE_READ_ONLY', 'STORE_READ_ONLY'],
    [server(1836), 'STORE_READ_ONLY', 'STORE_READ_ONLY'],
    [server(9007), 'again', 'again'],
    [server(8022), 'again', 'again'],
    [server(1206), 'again', 'STORE_IN_DOUBT'],
    [server(1105), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(9005), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1159), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1194), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(3032), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(3118), 'STORE_ACCESS', 'STORE_IN_DOUBT'],
    [server(1026, 'Error writing file (Errcode: 28 "No space left on device")'), 'STORE_FULL', 'STORE_IN_DOUBT'],
    // Seen: another server's start had cleared the folder of temporary files that both shared.
    [server(6, 'Error on delete of "/tmp/#sql-temptable-1.MAI" (Errcode: 2)'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(20, 'Disk is full writing (Errcode: 28 "No space left on device")'), 'STORE_FULL', 'STORE_IN_DOUBT'],
    [server(1040), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1129), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1180), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(3100), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1053), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1317), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1927), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1044), 'STORE_ACCESS', 'STORE_IN_DOUBT'],
    [server(1045), 'STORE_ACCESS', 'STORE_IN_DOUBT'],
    [server(1021), 'STORE_FULL', 'STORE_IN_DOUBT'],
    [server(1114), 'STORE_FULL', 'STORE_IN_DOUBT'],
    [server(1030, 'Got error 28 "No space left on device" from storage engine'), 'STORE_FULL', 'STORE_IN_DOUBT'],
    [server(1030, 'Got error 5 from storage engine'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [server(1406), 'STORE_REFUSED', 'STORE_IN_DOUBT'],
    [server(1366), 'STORE_REFUSED', 'STORE_IN_DOUBT'],
    [server(1146), 'STORE_SCHEMA', 'STORE_IN_DOUBT'],
    [server(1054), 'STORE_SCHEMA', 'STORE_IN_DOUBT'],
    [client('ECONNREFUSED'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [client('ECONNRESET'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [client('EPIPE'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [client('ETIMEDOUT'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [client('ENOTFOUND'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [client('PROTOCOL_CONNECTION_LOST'), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    [new Error("Can't add new command when connection is in closed state"), 'STORE_UNREACHABLE', 'STORE_IN_DOUBT'],
    // A mistake in a statement or in our own code is a defect, and no error of the store.
    [server(1064), null, 'STORE_IN_DOUBT'],
    [new TypeError('x is undefined'), null, 'STORE_IN_DOUBT'],
  ];
  for (const [error, before, atCommit] of cases) {
    const about = `${(error as { errno?: number }).errno} ${String(error)}`;
    for (const sent of ['nothing', 'statements'] satisfies Sent[]) assert.equal(judge(error, sent), before, about);
    assert.equal(judge(error, 'commit'), atCommit, `${about} at COMMIT`);
  }
});

test('what was not executed is tried on the next server; what was, or never will be, is not', () => {
  const elsewhere = [1047, 1290, 1836, 1040, 1129, 1045, 1180, 1053].filter((errno) => isAboutThisServer(server(errno)));
  assert.deepEqual(elsewhere, [1047, 1290, 1836, 1040, 1129, 1045, 1180, 1053]);
  for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT']) assert.ok(isAboutThisServer(client(code)), code);
  for (const errno of [1213, 1205, 1062, 1406, 1146, 1114, 1064]) assert.ok(!isAboutThisServer(server(errno)), String(errno));
});

test('mysql2 is loaded by the first operation, not before', () => {
  const module = fileURLToPath(new URL('mysql-fixture.ts', import.meta.url));
  const script = `
    import { createRequire } from 'node:module';
    const { cache } = createRequire(${JSON.stringify(module)});
    const loaded = () => Object.keys(cache).some((path) => path.includes('/mysql2/'));
    const { mysqlStore } = await import(${JSON.stringify(module)});
    const store = mysqlStore('mysql://u@127.0.0.1:1/d');
    const before = loaded();
    const code = await store.ping().catch((error) => error.code);
    await store.close();
    console.log(JSON.stringify([before, code, loaded()]));`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(said), [false, 'STORE_UNREACHABLE', true]);
});
