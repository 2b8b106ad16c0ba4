// The dashboard as it was built, in a real browser, from a server that can be made to say anything or nothing.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { json } from '../../../src/observe/respond.ts';
import { build } from '../../e2e/build.ts';
import { fits, ill, launchBrowser, openPage, type Watched } from './browser.ts';
import { component, degradedOverview, healthyOverview, hostile, idOf, todoDetail, todoLine } from './documents.ts';
import { type FakeServer, fakeServer, someone } from './server.ts';

let browser: Browser;
let server: FakeServer;
let pictures: string;

before(async () => {
  await build();
  browser = await launchBrowser();
  pictures = mkdtempSync(join(tmpdir(), 'todo-dashboard-'));
});
afterEach(() => server.stop());
after(() => browser.close());
beforeEach(async () => {
  server = await fakeServer();
  const now = Date.now();
  server.todos = Array.from({ length: 250 }, (_, index) => todoLine(250 - index, now));
});

const running = (line: Parameters<typeof todoDetail>[0], atMs: number) =>
  todoDetail({ ...line, status: 'running', proof: null, endedAtMs: null, summary: null }, atMs, {
    actions: ['done', 'fail', 'block', 'park', 'cancel', 'emergency'],
    output: { text: 'Reading src/orders.ts\n\u202eevil \u001b[31m\n ok 12 tests\n', truncated: true },
  });

async function show(watched: Watched, hash: string): Promise<void> {
  const { page } = watched;
  await page.goto(`${server.url}/${hash}`);
  await shown(page);
}

async function shown(page: Page): Promise<void> {
  await page.locator('[data-link=stream], .login').first().waitFor();
  await page.locator('main > *').last().waitFor();
  await page.locator('.loading').waitFor({ state: 'detached' });
}

test('each view in light, dark, forced colours and on a telephone: nothing for axe, the policy and the console to complain of, and nothing beyond its width', async (t) => {
  const looks = [
    { name: 'light', options: { colorScheme: 'light' as const } },
    { name: 'dark-german', options: { colorScheme: 'dark' as const, locale: 'de-DE' } },
    { name: 'forced', options: { forcedColors: 'active' as const } },
    { name: 'mobile', options: { viewport: { width: 320, height: 640 } } },
  ];
  server.detail = running;
  const views: [name: string, hash: string, make?: (page: Page) => Promise<unknown> | undefined][] = [
    ['healthy', '#/'],
    [
      'degraded',
      '#/',
      (page) =>
        page.locator('summary').evaluateAll((all) => {
          for (const each of all) (each as unknown as { click(): void }).click();
        }),
    ],
    ['todos', '#/todos?status=failed', (page) => page.locator('.expand').first().click()],
    ['todo', `#/todo/${idOf(200)}`],
    [
      'dialog',
      `#/todo/${idOf(201)}`,
      async (page) => {
        await page.locator('.buttons button').nth(4).click();
        await page.locator('dialog .main').click();
        await page.locator('dialog .problem span').waitFor();
      },
    ],
    ['hostile', '#/todos'],
    ['login', '#/'],
  ];
  for (const { name, options } of looks) {
    server.session = someone('operator');
    server.overview = healthyOverview;
    const watched = await openPage(browser, options);
    const { page } = watched;
    for (const [view, hash, make] of views) {
      if (view === 'degraded') server.overview = degradedOverview;
      if (view === 'hostile')
        server.todos = hostile.map((title, index) =>
          todoLine(3 - index, Date.now(), { title, summary: title, agent: title.slice(0, 300) }),
        );
      if (view === 'login') server.session = null;
      server.tell();
      await show(watched, hash);
      // What was opened in the view before is gone, and who is logged in is asked anew.
      if (view === 'hostile' || view === 'login') await page.reload();
      await shown(page);
      if (view === 'degraded') await page.locator('#state[data-status=degraded]').waitFor();
      if (view === 'login') await page.locator('.login').waitFor();
      await make?.(page);
      await page.screenshot({ path: join(pictures, `${view}-${name}.png`), fullPage: view !== 'dialog' });
      // What an element is and is called does not depend on how it looks.
      if (name !== 'mobile') assert.deepEqual(await ill(page, name === 'light' ? 'all' : 'colours'), [], `${view}, ${name}`);
      assert.ok(await fits(page), `${view}, ${name}: it scrolls to the side`);
      // That nobody is logged in is learned from an answer that the browser itself writes down.
      const complaints = (await watched.complaints()).filter((each) => !(view === 'login' && /status of 401/.test(each)));
      assert.deepEqual(complaints, [], `${view}, ${name}`);
      assert.equal(await page.evaluate('window.pwned'), undefined);
    }
    server.todos = Array.from({ length: 250 }, (_, index) => todoLine(250 - index, Date.now()));
    await watched.close();
  }
  t.diagnostic(`pictures: ${pictures}`);
});

test('what axe and the policy look for is seen when it is there', async () => {
  const watched = await openPage(browser);
  await show(watched, '#/');
  const refused = watched.page.waitForEvent('console');
  await watched.page.evaluate(`document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:1/x.png' }))`);
  await refused;
  assert.match((await ill(watched.page)).join(), /image-alt/);
  assert.match((await watched.complaints()).join(), /img-src/);
  assert.equal(
    await watched.page.evaluate(
      `(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (error) { return error.name; } })()`,
    ),
    'TypeError',
    'no text becomes markup',
  );
  await watched.close();
});

test('what happens is seen without a reload, and the focus stays where it is', async () => {
  const watched = await openPage(browser);
  const { page } = watched;
  await show(watched, '#/todos');
  const link = page.locator('.entry a.name-of').nth(3);
  await link.focus();
  const text = await link.textContent();
  server.todos = [todoLine(251, Date.now(), { title: 'Just added', status: 'running' }), ...server.todos];
  server.overview = (atMs) => ({ ...healthyOverview(atMs), todosVersion: 2 });
  server.tell();
  await page.getByRole('link', { name: '#251 Just added' }).waitFor();
  assert.equal(await page.evaluate('document.activeElement.textContent'), text);
  // Also where it is scrolled out of sight.
  await page.mouse.wheel(0, 3_500);
  await page.locator('.entry', { hasText: '#151 ' }).waitFor();
  assert.equal(await page.evaluate('document.activeElement.textContent'), text);
  await page.getByRole('button', { name: 'Older' }).click();
  await page.locator('[role=status]', { hasText: 'newest 201 ' }).waitFor();
  await page.getByRole('button', { name: 'Older' }).click();
  await page.getByText('251 todos listed').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Older' }).count(), 0);
  assert.deepEqual(await watched.complaints(), []);
  await watched.close();
});

test('a hundred thousand todos: some dozen lines are made wherever one scrolls, and each question is for a page', async () => {
  const now = Date.now();
  server.todos = Array.from({ length: 100_000 }, (_, index) => todoLine(100_000 - index, now));
  const watched = await openPage(browser);
  const { page } = watched;
  await show(watched, '#/todos');
  for (let pages = 1; pages <= 5; pages++) {
    await page.locator('[role=status]', { hasText: `newest ${pages}00 ` }).waitFor();
    await page.getByRole('button', { name: 'Older' }).click();
  }
  await page.getByRole('button', { name: 'Older' }).scrollIntoViewIfNeeded();
  await page.getByRole('link', { name: '#99401' }).waitFor();
  const made = await page.locator('.entry').count();
  assert.ok(made > 10 && made < 70, `${made} lines`);
  const questions = server.asked.filter((each) => each.startsWith('/api/todos?'));
  assert.ok(questions.length >= 6 && questions.every((each) => /limit=(100|\d{3})(&|$)/.test(each)), questions.join('\n'));
  assert.deepEqual(await watched.complaints(), []);
  await watched.close();
});

test('the address says what is shown: filters, a todo, the way back; and a code for the login is taken out of it at once', async () => {
  const watched = await openPage(browser);
  const { page } = watched;
  server.session = null;
  await page.goto(`${server.url}/#login=old-code`);
  await page.getByRole('alert').getByText('does not log in any more').waitFor();
  assert.equal(new URL(page.url()).hash, '#/');
  await page.goto('about:blank');
  await page.goto(`${server.url}/#login=good-code`);
  await shown(page);
  assert.equal(new URL(page.url()).hash, '#/');
  assert.deepEqual(
    server.acts.map(({ body }) => body),
    [{ code: 'old-code' }, { code: 'good-code' }],
  );
  await page.goBack();
  assert.equal(page.url(), 'about:blank', 'no step back leads to the code');
  await page.goForward();
  await shown(page);
  await watched.complaints();

  await page.getByRole('link', { name: /^failed/ }).click();
  await page.getByRole('link', { name: '#245' }).waitFor();
  assert.equal(new URL(page.url()).hash, '#/todos?status=failed');
  await page.getByLabel('Search title').fill('TLS');
  await page.getByText('5 todos listed').waitFor();
  assert.equal(new URL(page.url()).hash, '#/todos?status=failed&q=TLS');
  await page
    .getByRole('link', { name: /#\d+ Bump the TLS/ })
    .first()
    .click();
  await page.getByRole('heading', { level: 1, name: /Bump the TLS library/ }).waitFor();
  await page.goBack();
  await page.getByText('5 todos listed').waitFor();
  assert.equal(await page.getByLabel('Search title').inputValue(), 'TLS');
  await page.goBack();
  await page.locator('#state').waitFor();
  await show(watched, '#/todo/9999');
  await page.getByText('There is no such todo.').waitFor();
  assert.match((await watched.complaints()).join(), /^Failed to load resource: the server responded with a status of 404 \(Not Found\)$/);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Not logged in' }).waitFor();
  // Where the page is open already, the address brings no new one.
  await page.evaluate('window.sameDocument = true');
  await page.goto(`${server.url}/#login=good-code`);
  await shown(page);
  await page.locator('#state').waitFor();
  assert.deepEqual([await page.evaluate('window.sameDocument'), new URL(page.url()).hash], [true, '#/']);
  // A login that ended elsewhere.
  server.session = null;
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByRole('heading', { name: 'Not logged in' }).waitFor();
  await watched.close();
});

test('an action says what it will do, asks why, is sent once under one key, and tells what came of it; a viewer has none, and without a daemon none can be pressed', async () => {
  server.detail = running;
  const watched = await openPage(browser);
  const { page } = watched;
  await show(watched, `#/todo/${idOf(200)}`);
  const opener = page.getByRole('button', { name: 'Cancel …' });
  await opener.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Cancel: #200' }).getByText('It ends as cancelled').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Cancel …', 'the focus is back where it was');

  await opener.click();
  const submit = page.locator('dialog .main');
  await submit.click();
  await page.locator('dialog').getByText('A reason is needed.').waitFor();
  assert.deepEqual(server.acts, []);
  // A refusal stays in the dialog, and the next try is another request.
  server.answerAct = () => ({ status: 409, code: 'NO_DAEMON', message: 'no daemon lives here' });
  await page.getByLabel('Why (kept').fill('not needed any more');
  await submit.click();
  await page.locator('dialog').getByText('no daemon lives here (NO_DAEMON)').waitFor();
  server.answerAct = (_, body) =>
    json(200, {
      schemaVersion: 1,
      kind: 'action',
      truncated: false,
      results: (body as { todos: { ids: string[] } }).todos.ids.map((id) => ({
        id,
        number: 200,
        ok: true,
        status: 'cancelled',
        code: null,
        message: null,
      })),
    });
  await submit.click();
  await page.getByRole('status').getByText('Cancel: done').waitFor();
  assert.deepEqual(
    server.acts.map(({ body }) => body),
    Array(2).fill({ action: 'cancel', todos: { ids: [idOf(200)] }, reason: 'not needed any more' }),
  );
  const keys = server.acts.map(({ key }) => key ?? '');
  assert.ok(keys.every((key) => /^[0-9a-f]{32}$/.test(key)) && keys[0] !== keys[1]);

  // All that a filter finds: how many is said before.
  await page.goto(`${server.url}/#/todos?status=failed&q=TLS`);
  await page.getByText('5 todos listed').waitFor();
  await page.getByRole('button', { name: 'Act on all of these' }).click();
  await page.getByText('5 todos match and will be acted on.').waitFor();
  await page.getByLabel('What shall be done?').selectOption('emergency');
  await page.getByLabel('Reset').check();
  await page.getByLabel('Why (kept').fill('all of them hang');
  server.answerAct = () =>
    json(200, {
      schemaVersion: 1,
      kind: 'action',
      truncated: false,
      results: [
        { id: 'a', number: 1, ok: true, status: 'open', code: null, message: null },
        { id: 'b', number: 2, ok: false, status: null, code: 'ENDED', message: 'it has ended' },
      ],
    });
  await submit.click();
  await page.getByRole('status').getByText('Emergency: 1 done, 1 refused: it has ended').waitFor();
  assert.deepEqual((server.acts as readonly { body: unknown }[]).at(-1)?.body, {
    action: 'emergency',
    emergency: 'reset',
    todos: { matching: { status: ['failed'], q: 'TLS' } },
    reason: 'all of them hang',
  });

  // What else can be done from the overview.
  server.overview = degradedOverview;
  server.tell();
  server.answerAct = () => json(200, { schemaVersion: 1, kind: 'breakers', breakers: [] });
  await show(watched, '#/');
  await page.locator('#state[data-status=degraded]').waitFor();
  await page.locator('details', { hasText: 'store' }).filter({ hasText: 'open' }).last().locator('summary').click();
  await page.locator('details[open]').getByRole('button', { name: 'Reset' }).click();
  await page.getByLabel('Why (kept').fill('it is back');
  await submit.click();
  await page.getByRole('status').getByText('Reset store: done').waitFor();
  await page.getByRole('button', { name: 'Requeue' }).click();
  await page.getByLabel('Why (kept').fill('there is room again');
  await submit.click();
  await page.getByRole('status').getByText('Requeue: done').waitFor();
  assert.deepEqual(
    server.acts.slice(-2).map(({ path, body }) => [path, body]),
    [
      ['/api/breakers/store', { action: 'reset', reason: 'it is back' }],
      [`/api/dead-letters/dl-${idOf(1290).slice(-8)}/requeue`, { reason: 'there is room again' }],
    ],
  );

  server.overview = (atMs) => ({ ...healthyOverview(atMs), acts: false, daemon: null });
  server.tell();
  await page.getByText('No daemon answers here. What you see').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Look and heal' }).isDisabled(), true);
  server.session = someone('viewer');
  server.overview = healthyOverview;
  await page.reload();
  await shown(page);
  await page.getByText('viewer').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Look and heal' }).count(), 0);
  await show(watched, `#/todo/${idOf(200)}`);
  assert.equal(await page.getByRole('button', { name: 'Cancel' }).count(), 0);
  await watched.close();
});

test('a server that is silent for 20 s: nothing stays green, and all is well again when it is back; tabs share one stream, and one takes over from another', async () => {
  const watched = await openPage(browser);
  const { page } = watched;
  await page.clock.install();
  await show(watched, '#/');
  const second = await page.context().newPage();
  await second.goto(`${server.url}/`);
  await second.locator('[data-link=stream]').waitFor();
  await second.locator('#state[data-status=healthy]').waitFor();
  assert.equal(server.streams(), 1, 'one stream for both');
  server.overview = degradedOverview;
  server.tell();
  await second.locator('#state[data-status=degraded]').waitFor();
  await page.locator('#state[data-status=degraded]').waitFor();
  server.overview = healthyOverview;
  server.tell();
  await page.locator('#state[data-status=healthy]').waitFor();

  await server.stop();
  await page.clock.runFor(19_000);
  assert.equal(await page.locator('#dead').count(), 0);
  await page.clock.runFor(3_000);
  await page
    .getByRole('alert')
    .getByText(/^Not live since \d\d:\d\d:\d\d/)
    .waitFor();
  assert.equal(await page.locator('#state').getAttribute('data-status'), 'unknown');
  assert.match((await page.locator('#state').textContent()) ?? '', /^Unknown.*nothing is heard from the daemon$/);
  const greens = `[...document.querySelectorAll('.good')].filter((each) => getComputedStyle(each).color === 'rgb(23, 112, 74)').length`;
  assert.equal(await page.evaluate(greens), 0, 'no green is left');
  assert.equal(await page.locator('section .state', { hasText: /^Healthy/ }).count(), 0);
  assert.match(await page.title(), /^Unknown/);
  assert.deepEqual(await ill(page), []);
  await page.screenshot({ path: join(pictures, 'offline.png') });
  await server.start();
  await page.clock.runFor(11_000);
  await page.locator('#state[data-status=healthy]').waitFor();
  assert.equal(await page.locator('#dead').count(), 0);
  await page.getByText('Live again').waitFor();

  server.overview = degradedOverview;
  await page.close();
  await second.locator('#state[data-status=degraded]').waitFor();
  assert.equal(server.streams(), 1);
  await watched.close();
});

test('what is old or cannot be looked at says so, a long list is cut, and all of it is had by keyboard', async () => {
  const watched = await openPage(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
  const { page } = watched;
  server.overview = (atMs) => {
    const degraded = degradedOverview(atMs);
    const more = Array.from({ length: 1_000 }, (_, index) => component(`part-${index}`, 'healthy', 'works', atMs - 1_000));
    return { ...degraded, health: { ...degraded.health, components: [...degraded.health.components, ...more] } };
  };
  await show(watched, '#/');
  await page.locator('section', { hasText: 'Waiting for a retry' }).getByText('as of 1 min. ago').waitFor();
  await page.getByText('Could not be looked at: STORE_UNREACHABLE').waitFor();
  const parts = page.locator('section', { has: page.getByRole('heading', { name: 'Components' }) }).locator('summary');
  assert.equal(await parts.count(), 30);
  assert.match((await parts.first().textContent()) ?? '', /Unknown.*notifications/, 'the worst comes first');
  await page.getByRole('button', { name: 'Show all 1,010' }).click();
  await parts.nth(1_009).waitFor();

  await page.reload();
  await shown(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to content');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.tagName'), 'SUMMARY', 'the first live run');
  await page.keyboard.press('Enter');
  const copy = page.getByRole('button', { name: 'todo logs 1328 -f' });
  await copy.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('Copied: todo logs 1328 -f').waitFor();
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), 'todo logs 1328 -f');

  server.stale = { stale: true, asOf: '2026-11-22T10:00:00.000Z', storeError: 'connect ECONNREFUSED' };
  await show(watched, '#/todos');
  await page.getByText('The store is away (connect ECONNREFUSED). This is what was last seen of it').waitFor();
  assert.equal(await page.locator('.outcome.warn time').getAttribute('datetime'), '2026-11-22T10:00:00.000Z');
  assert.deepEqual(await watched.complaints(), []);
  await watched.close();
});

test('where there is no stream it is asked each half minute, and says so; and at once when somebody presses Refresh', async () => {
  server.stream = 'refused';
  const watched = await openPage(browser);
  const { page } = watched;
  await page.clock.install();
  await page.goto(`${server.url}/`);
  await page.locator('[data-link=poll]').waitFor();
  await page.getByText('this page asks every 30 seconds').waitFor();
  const looks = (): number => server.asked.filter((each) => each.startsWith('/api/overview')).length;
  const first = looks();
  server.overview = degradedOverview;
  await page.clock.runFor(31_000);
  await page.locator('#state[data-status=degraded]').waitFor();
  assert.ok(looks() > first);
  server.overview = healthyOverview;
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.locator('#state[data-status=healthy]').waitFor();
  await page.getByRole('status').getByText('Refreshed').waitFor();
  server.stream = 'open';
  await page.clock.runFor(31_000);
  await page.locator('[data-link=stream]').waitFor();
  await watched.close();
});

test('hostile words stay text, and times and words are those of the language that is chosen', async () => {
  server.todos = hostile.map((title, index) =>
    todoLine(3 - index, Date.now(), { title, summary: title, reason: title, project: title.slice(0, 500) }),
  );
  server.detail = (line, atMs) => ({
    ...running(line, atMs),
    notes: [{ atMs, todoId: line.id, number: line.number, what: hostile[0]!, detail: hostile[1]! }],
  });
  const watched = await openPage(browser, { locale: 'de-AT', timezoneId: 'Europe/Berlin' });
  const { page } = watched;
  for (const number of [1, 2, 3]) {
    await show(watched, `#/todo/${idOf(number)}`);
    assert.ok(await fits(page));
    assert.ok(((await page.locator('h1').textContent()) ?? '').length < 600);
  }
  const heading = await page.locator('h1').textContent();
  assert.match(heading ?? '', /<script>window\.pwned = true<\/script>/);
  await show(watched, `#/todo/${idOf(2)}`);
  assert.match((await page.locator('h1').textContent()) ?? '', /‹U\+202E›gnp\.exe‹U\+2066›/);
  assert.match((await page.locator('pre.term').first().textContent()) ?? '', /‹U\+202E›evil ‹U\+001B›\[31m/);
  assert.equal(await page.evaluate('window.pwned'), undefined);
  assert.deepEqual(await watched.complaints(), []);

  assert.equal(await page.evaluate('document.documentElement.lang'), 'de');
  await page.getByText('angelegt vor 1 Std.').waitFor();
  const time = page.locator('.where time').first();
  assert.match((await time.getAttribute('title')) ?? '', /^\d\d\.\d\d\.\d{4}, \d\d:\d\d:\d\d MEZ$/);
  assert.match((await time.getAttribute('datetime')) ?? '', /^\d{4}-\d\d-\d\dT.*Z$/);
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  assert.equal(await page.evaluate('document.documentElement.lang'), 'en');
  await watched.close();
});
