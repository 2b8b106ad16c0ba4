// `todo store check`: what makes the store safe, and what to change, on real servers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { startTcpProxy } from '../fixtures/tcp-proxy.ts';
import { type Json, testHome } from './harness.ts';

let server: Mariadb;
before(async () => {
  server = await startMariadb(['--max-allowed-packet=16M']);
});
after(() => server?.stop());

const of = (checked: Json, name: string): Json => checked.conditions.find((it: Json) => it.name === name);
async function admin(sql: string): Promise<void> {
  const connection = await server.connect();
  await connection.query(sql);
  await connection.end();
}

test('a store that is safe is healthy; each condition that is not says what to change, and the exit code is that of health', async (t) => {
  const home = await testHome(t, { store: { url: server.url(), table_prefix: 'c_' } });
  await home.add('true', '--hold');
  const good = await home.json(['store', 'check']);
  assert.deepEqual([good.kind, good.status, good.driver], ['store-check', 'healthy', 'mysql'], JSON.stringify(good.conditions));
  assert.ok(good.conditions.every((it: Json) => it.change === null));
  for (const name of [
    'innodb_flush_log_at_trx_commit',
    'isolation',
    'clock',
    'tables',
    'max_allowed_packet',
    'SKIP LOCKED',
    'who holds locks',
  ])
    assert.equal(of(good, name)?.status, 'healthy', name);

  await admin('SET GLOBAL innodb_flush_log_at_trx_commit = 2; ALTER TABLE c_todo ENGINE=MyISAM');
  const lossy = await home.json(['store', 'check'], { code: 2 });
  assert.equal(lossy.status, 'unhealthy');
  assert.match(of(lossy, 'innodb_flush_log_at_trx_commit').change, /= 1.*lost with the power/);
  assert.match(of(lossy, 'tables').found, /c_todo is MyISAM/);
  const said = await home.todo(['store', 'check']);
  assert.equal(said.code, 2);
  assert.match(said.stdout, /innodb_flush_log_at_trx_commit +✘ unhealthy +2 ▸ SET GLOBAL/);
  await admin('SET GLOBAL innodb_flush_log_at_trx_commit = 1; ALTER TABLE c_todo ENGINE=InnoDB');

  await admin('SET GLOBAL read_only = 1; SET GLOBAL max_allowed_packet = 1048576');
  const small = await home.json(['store', 'check'], { code: 1 });
  assert.deepEqual([of(small, 'takes writes').status, of(small, 'max_allowed_packet').status], ['degraded', 'degraded']);
  await admin('SET GLOBAL read_only = 0; SET GLOBAL max_allowed_packet = 16777216');
});

test('of several servers each is judged by itself; one that is away weakens, and where all are nothing is known', async (t) => {
  const proxy = await startTcpProxy(server.port);
  t.after(() => proxy.stop());
  const hosts = `127.0.0.1:${server.port},127.0.0.1:${proxy.port}`;
  const home = await testHome(t, { store: { url: server.url().replace(`127.0.0.1:${server.port}`, hosts), table_prefix: 'c_' } });
  const both = await home.json(['store', 'check']);
  assert.equal(new Set(both.conditions.map((it: Json) => it.server)).size, 2);
  await proxy.refuse();
  const one = await home.json(['store', 'check'], { code: 1 });
  const away = of(one, 'reachable');
  assert.deepEqual([one.status, away.status, away.server], ['degraded', 'unknown', `127.0.0.1:${proxy.port}`]);

  const nobody = await home.json(['store', 'check'], { code: 3, env: { TODO_STORE_URL: server.url(1) } });
  assert.equal(nobody.status, 'unknown');
  assert.match(of(nobody, 'reachable').found, /STORE_UNREACHABLE .*ECONNREFUSED/);
});

test('an account that may not see what others hold is told which right it lacks', async (t) => {
  await admin(
    `CREATE USER 'plain'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON ${server.database}.* TO 'plain'@'127.0.0.1'`,
  );
  const url = `mysql://plain:x@127.0.0.1:${server.port}/${server.database}`;
  const home = await testHome(t, { store: { url, table_prefix: 'p_' } });
  await home.add('true', '--hold');
  const checked = await home.json(['store', 'check'], { code: 1 });
  assert.match(of(checked, 'who holds locks').change, /GRANT PROCESS/);
  assert.deepEqual(
    checked.conditions.filter((it: Json) => it.status !== 'healthy').map((it: Json) => it.name),
    ['who holds locks'],
  );
});

test('the store of the home is checked too: its pages, its place and its rights; an unknown action names the known ones', async (t) => {
  const home = await testHome(t);
  await home.add('true', '--hold');
  const checked = await home.json(['store', 'check'], { code: 0 }).catch(() => home.json(['store', 'check'], { code: 1 }));
  assert.equal(checked.driver, 'sqlite');
  for (const name of ['journal_mode', 'pages', 'rights']) assert.equal(of(checked, name)?.status, 'healthy', JSON.stringify(checked));
  assert.ok(['healthy', 'degraded'].includes(of(checked, 'place').status));
  const wrong = await home.todo(['store', 'polish']);
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /no action polish[\s\S]*Known: check/);
});
