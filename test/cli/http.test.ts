// What stands behind the dashboard's pages, without a server: looks behind the answers, the same request twice, output, reports, the page without script.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'parse5';
import { shownOutput } from '../../src/cli/http/detail.ts';
import { onceIn } from '../../src/cli/http/once.ts';
import { overviews } from '../../src/cli/http/overview.ts';
import { type LookNeeds, lookBehind, shownNote } from '../../src/cli/http/parts.ts';
import { reports } from '../../src/cli/http/reports.ts';
import { statusPage } from '../../src/cli/http/status-page.ts';
import { defaultConfig } from '../../src/core/config.ts';
import { todoActions } from '../../src/core/dashboard.ts';
import { OperationalError } from '../../src/core/errors.ts';
import { actionsFor } from '../../src/core/todo-actions.ts';
import { todoStatuses } from '../../src/core/words.ts';
import { digest } from '../../src/platform/digest.ts';
import { files } from '../../src/platform/files.ts';
import { random } from '../../src/platform/random.ts';
import { anOverview } from '../observe/an-overview.ts';
import { FakeClock } from '../resilience/fake-clock.ts';

test('a look behind the answers: who asks waits for nobody; nobody asks, nobody looks; what hangs or fails keeps what was last seen, with its time and why', async () => {
  const clock = new FakeClock();
  let looks = 0;
  let fails = false;
  let hang: Promise<void> | null = null;
  const defects: unknown[] = [];
  const away = new OperationalError('STORE_UNREACHABLE', { operation: 'counting', subject: 'all todos', why: 'it is away' });
  const store = {
    async byStatus() {
      looks += 1;
      await hang;
      if (fails) throw away;
      return { open: looks };
    },
    list: async () => ({ todos: [], truncated: false }),
    healingEvents: async () => [],
    auditTail: async () => [{ atMs: 1, todoId: 'a', number: 7, what: 'held', detail: '{"from":0,"to":1,"by":"person","reason":null}' }],
  };
  const journal = { live: () => [], notes: () => [] };
  const world = { store, journal, files: { list: () => [] }, home: { root: '/x' }, processes: {} };
  const needs = { world, config: defaultConfig() } as unknown as LookNeeds;
  const ask = lookBehind({ clock, gapMs: 1_000, everyMs: 10_000, onDefect: (error) => defects.push(error), use: (look) => look(needs) });

  assert.deepEqual(ask(0).todos, { value: null, asOfMs: null, problem: null }, 'never an empty list');
  await clock.pass(0);
  assert.deepEqual(defects, []);
  assert.deepEqual(ask(0).todos, { value: { open: 1 }, asOfMs: clock.nowMs(), problem: null });
  assert.deepEqual(ask(0).audit.value, [{ atMs: 1, todoId: 'a', number: 7, what: 'held', detail: 'not held → held by person' }]);
  assert.deepEqual(ask(0).notifications.value, { waiting: 0, dead: 0, configured: false });
  await clock.pass(60_000);
  assert.equal(looks, 1, 'nobody asked');
  ask(0);
  await clock.pass(2_000);
  ask(0);
  await clock.pass(0);
  assert.equal(looks, 2, 'nothing is known to have changed');
  ask(1);
  await clock.pass(500);
  ask(2);
  await clock.pass(0);
  assert.equal(looks, 3, 'two looks are a second apart');
  const seen = ask(2).todos;
  await clock.pass(1_000);

  const hanging = Promise.withResolvers<void>();
  hang = hanging.promise;
  ask(3);
  await clock.pass(30_000);
  for (let changes = 4; changes < 20; changes++) assert.equal(ask(changes).todos, seen, 'at once');
  assert.equal(looks, 4, 'one look at a time');
  assert.equal(ask(20).healing.asOfMs, clock.nowMs() - 30_000, 'the other parts are fresh');
  fails = true;
  hanging.resolve();
  await clock.pass(0);
  assert.deepEqual(ask(20).todos, { ...seen, problem: away.message });
  fails = false;
  hang = null;
  await clock.pass(1_000);
  ask(21);
  await clock.pass(0);
  assert.equal(ask(21).todos.problem, null);
});

test('a todo that changed is another version, whoever changed it; time that passes is none', () => {
  const put = overviews(100);
  const { todosVersion: _, schemaVersion: _v, kind: _k, ...overview } = anOverview();
  const { todos, retries, deadLetters, watchdogs, notifications, healing, audit, ...now } = overview;
  const parts = { todos, retries, deadLetters, watchdogs, notifications, healing, audit };
  const version = (changes: Partial<typeof parts>, more: Partial<typeof now> = {}) =>
    put({ ...now, ...more }, { ...parts, ...changes }).todosVersion;
  const first = version({});
  assert.equal(version({}, { atMs: 9, acts: false }), first);
  assert.equal(version({ todos: { ...todos, asOfMs: 9 } }), first);
  const counted = { todos: { value: { open: 1 }, asOfMs: 1, problem: null } };
  assert.equal(version(counted), first + 1);
  const note = { atMs: 1, todoId: 'a', number: 1, what: 'held', detail: '' };
  assert.equal(version({ ...counted, audit: { value: [note], asOfMs: 1, problem: null } }), first + 2);
});

test('the same request under a key is done once, at once and a day long, also by the next process; another is refused, and one that was cut short', async () => {
  const clock = new FakeClock();
  const notes = new Map<string, string>();
  const journal = {
    getNote: (key: string) => notes.get(key) ?? null,
    setNote: async (key: string, value: string) => void notes.set(key, value),
    notes: (prefix: string) => [...notes].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value })),
    dropNotes: async (keys: readonly string[]) => {
      for (const key of keys) notes.delete(key);
    },
  };
  const fresh = () => onceIn({ journal: journal as never, clock, digest });
  let once = fresh();
  let done = 0;
  const act = async () => ({ done: ++done });
  assert.deepEqual(await Promise.all([once('key-00001', 'a', act), once('key-00001', 'a', act)]), [{ done: 1 }, { done: 1 }]);
  assert.deepEqual(await once('key-00001', 'b', act), { keyTaken: 'other' });
  once = fresh();
  assert.deepEqual(await once('key-00001', 'a', act), { done: 1 }, 'the next process');
  assert.deepEqual(await once(null, 'a', act), { done: 2 }, 'without a key each is one');
  await clock.pass(86_400_001);
  clock.setUtc(clock.nowMs() + 86_400_001);
  assert.deepEqual(await once('key-00001', 'a', act), { done: 3 }, 'a day later it is another');

  // A process that dies in the middle leaves what it has noted.
  void once('key-00002', 'a', () => new Promise(() => {}));
  await clock.pass(0);
  assert.deepEqual(await fresh()('key-00002', 'a', act), { keyTaken: 'cut-short' });
  await assert.rejects(
    once('key-00003', 'a', () => Promise.reject(new Error('refused'))),
    /refused/,
  );
  assert.deepEqual(await once('key-00003', 'a', act), { done: 4 }, 'what was refused may be asked for again');
  assert.deepEqual(await once('key-00004', 'a', async () => ({ retryAfterMs: 5 })), { retryAfterMs: 5 });
  assert.deepEqual(await once('key-00004', 'a', act), { done: 5 });
  for (let at = 0; at < 1_100; at++) {
    clock.setUtc(clock.nowMs() + 1);
    await once(`many-${String(at).padStart(5, '0')}`, 'a', act);
  }
  assert.equal(notes.size, 1_000, 'the oldest go');
  const before = done;
  await once('many-01099', 'a', act);
  assert.equal(done, before);
});

test('of output the end is shown: no control characters, no secret, not even one that the cut goes through', () => {
  const redact = (text: string) => text.replaceAll('s3cr3t-value', '‹redacted›');
  const bytes = (text: string) => new TextEncoder().encode(text);
  const whole = (text: string) => shownOutput(bytes(text), { isWhole: true, redact }).text;
  assert.equal(whole('\x1b[31mred\x1b[0m \x1b]0;title\x07x\x00\x07\x9b2J\u202eabc\r\nnext\rlast\ttab'), 'red xabc\nnext\nlast\ttab');
  assert.equal(whole('key=\x1b[1ms3cr3t\x1b[0m-value'), 'key=‹redacted›', 'colours in the middle of it');
  const filler = '.'.repeat(16 * 1024 - 6);
  const cut = shownOutput(bytes(`${filler}s3cr3t-value${'x'.repeat(64 * 1024 - 6)}`), { isWhole: false, redact });
  assert.doesNotMatch(cut.text, /s3cr3t|value/);
  assert.equal(cut.truncated, true);
  // It was read from the middle of a secret on, and most of it is colours.
  const colourful = shownOutput(bytes(`3t-value${'\x1b[31mx'.repeat(13_000)}`), { isWhole: false, redact });
  assert.match(colourful.text, /^x{10000,}$/);
  const long = shownOutput(bytes('y'.repeat(80 * 1024)), { isWhole: false, redact });
  assert.deepEqual([long.text.length, long.truncated], [64 * 1024, true]);
  assert.deepEqual(shownOutput(bytes('short'), { isWhole: true, redact }), { text: 'short', truncated: false });
});

test('a report is found in our archive and nowhere else, else in its record; its address ends after ten minutes, and its page may do nothing', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-reports-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const archive = join(folder, 'archive');
  mkdirSync(join(archive, 'one'), { recursive: true });
  const policy = `default-src &#39;none&#39;; style-src &#39;sha256-${'a'.repeat(43)}=&#39;; base-uri &#39;none&#39;`;
  writeFileSync(join(archive, 'one', 'report.html'), `<meta http-equiv="Content-Security-Policy" content="${policy}"><p>archived`);
  writeFileSync(join(folder, 'report.html'), 'not ours');
  symlinkSync(join(folder, 'report.html'), join(archive, 'report.html'));
  const clock = new FakeClock();
  let path: string | null = null;
  const store = {
    driver: 'sqlite',
    find: async (ref: string) => (ref === '7' ? { id: '7', report: path } : null),
    runsOf: async () => [{ id: 'r', fence: 1, endedAtMs: 1 }],
    readBack: async () => ({ record: { reportHtml: '<p>recorded' } }),
  };
  const needs = { world: { store, files, home: { archive } } } as never;
  const { linkReport, linkedReport } = reports((work) => work(needs), { clock, random });
  const shown = async (report: string | null) => {
    path = report;
    const link = await linkReport('7');
    return link === null ? null : await linkedReport(link.key);
  };
  assert.equal(await shown(null), null);
  assert.equal(await linkReport('8'), null);
  const archived = (await shown(join(archive, 'one', 'report.html')))!;
  assert.match(archived.html, /<p>archived/);
  assert.equal(
    archived.policy,
    `sandbox; frame-ancestors 'none'; default-src 'none'; style-src 'sha256-${'a'.repeat(43)}='; base-uri 'none'; form-action 'none'`,
  );
  for (const elsewhere of [
    join(folder, 'report.html'),
    join(archive, 'report.html'),
    join(archive, '..', 'report.html'),
    join(archive, 'two', 'report.html'),
    '/etc/passwd',
  ])
    assert.equal((await shown(elsewhere))?.html, '<p>recorded', elsewhere);
  assert.match((await shown('/gone'))!.policy, /default-src 'none'; style-src 'none'/);
  const link = (await linkReport('7'))!;
  assert.equal(link.expiresAtMs, clock.nowMs() + 600_000);
  clock.setUtc(clock.nowMs() + 599_999);
  assert.notEqual(await linkedReport(link.key), null);
  clock.setUtc(clock.nowMs() + 1);
  assert.equal(await linkedReport(link.key), null);
  assert.equal(await linkedReport('x'.repeat(43)), null);
});

test('the page without script: its state as word, shape and colour; what an agent wrote is text; parts that could not be seen say so', () => {
  const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>\u202e`;
  const page = (changes: Parameters<typeof anOverview>[0]) => statusPage(anOverview(changes), digest);
  const live = [
    {
      ...{
        todoId: 'a',
        number: 7,
        title: hostile,
        runId: 'r',
        fact: 'running',
        agent: hostile,
        startedAtMs: 0,
        lastSignAtMs: 2e12,
        round: 1,
      },
      ...{ nextDeadlineAtMs: null, emergency: null },
    },
  ];
  const component = { name: hostile, status: 'unhealthy', reason: hostile, sinceMs: 0, whatToDo: hostile } as const;
  const { html, policy } = page({
    health: { status: 'unhealthy', components: [component], lookedAtMs: 0 },
    live,
    todos: { value: { open: 3 }, asOfMs: 1, problem: 'the store is away' },
  });
  assert.match(html, /<span class="unhealthy"><span aria-hidden="true">■<\/span> unhealthy<\/span>/);
  assert.match(html, /<dt>open<\/dt><dd>3<\/dd>/);
  assert.match(html, /now it cannot be looked at: the store is away/);
  assert.match(html, /http-equiv="refresh" content="15"/);
  assert.match(html, /prefers-color-scheme:dark/);
  const names = new Set<string>();
  const walk = (node: { nodeName: string; attrs?: { name: string }[]; childNodes?: unknown[] }): void => {
    if (!node.nodeName.startsWith('#')) names.add(node.nodeName);
    for (const { name } of node.attrs ?? []) assert.ok(!name.startsWith('on'), name);
    for (const child of node.childNodes ?? []) walk(child as never);
  };
  walk(parse(html) as never);
  assert.equal(names.has('script') || names.has('img'), false);
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
  assert.ok(policy.includes(`style-src 'sha256-${digest.sha256Base64(style)}'`), 'the policy fits its own style');
  assert.doesNotMatch(html, /-\d+ (ms|s|min)/, 'no time is negative');
  assert.match(page({}).html, /Not looked at yet\./);
  assert.match(page({ daemon: null }).html, /No daemon lives here\./);
  const shapes = (['healthy', 'degraded', 'unhealthy', 'unknown'] as const).map(
    (status) => /aria-hidden="true">(.)</.exec(page({ health: { status, components: [], lookedAtMs: 0 } }).html)?.[1],
  );
  assert.equal(new Set(shapes).size, 4);
});

test('what may be done with a todo as it stands', () => {
  for (const status of todoStatuses)
    for (const held of [false, true])
      for (const fact of [null, 'claimed', 'running', 'signalled', 'collected', 'recorded'] as const) {
        const actions = actionsFor({ status, held }, fact === null ? null : { fact });
        assert.ok(actions.every((it) => todoActions.includes(it)) && new Set(actions).size === actions.length);
        if (['completed', 'failed', 'cancelled'].includes(status)) assert.deepEqual(actions, []);
        assert.equal(actions.includes('hold') && held, false);
        assert.equal(actions.includes('unhold') && !held, false);
      }
  const here = (fact: 'running' | 'signalled' | 'collected') => actionsFor({ status: 'running', held: false }, { fact });
  assert.ok(here('running').includes('cancel'));
  assert.deepEqual([here('signalled'), here('collected')], [['emergency'], []]);
  assert.deepEqual(actionsFor({ status: 'running', held: false }, null), [], 'another host has it');
  assert.ok(!actionsFor({ status: 'blocked', held: false }, null).includes('done'), 'release it first');
});

test('a line of the audit trail is read by a person: changes, who asked over HTTP, and plain text as it is', () => {
  const text = (what: string, detail: string) => shownNote({ atMs: 1, todoId: null, number: null, what, detail }).detail;
  assert.equal(text('status', '{"from":"open","to":"parked","by":"person","reason":"later"}'), 'open → parked by person: later');
  assert.equal(
    text('asked: park', '{"by":"ann","via":"http, cookie","reason":"later","outcome":null}'),
    'by: ann, via: http, cookie, reason: later',
  );
  assert.equal(text('x', '{broken'), '{broken');
});
