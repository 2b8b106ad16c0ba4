// The dashboard of a real daemon in a real browser, from the address that `todo dashboard` prints to the day the daemon is gone.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { freePort } from '../fixtures/free-port.ts';
import { ill, launchBrowser, openPage } from '../observe/dashboard/browser.ts';
import { type Json, testHome } from './harness.ts';
import { served } from './http-get.ts';

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const silent = 'mkfifo go 2>/dev/null; echo begun; read word < go; echo made';

test('[P-52] [C-52] [W-14] [W-15] [W-16] [W-17] a person logs in by the address that todo dashboard prints, sees an agent at work and its todo completed without a reload, acts with a reason that is kept, and is never shown green when the daemon is silent or gone', async (t) => {
  const pictures = mkdtempSync(join(tmpdir(), 'todo-dashboard-'));
  const port = await freePort();
  const home = await testHome(t, {
    server: { port },
    behavior: { enable_emergency_handlers: false },
    resource: { probe_interval: 0.5, interval: 0.5 },
  });
  const daemon = await home.daemon();
  const { url } = await served(home);
  const watched = await openPage(browser);
  const { page } = watched;
  await page.clock.install();
  const look = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

  const { url: address } = await home.json(['dashboard']);
  await page.goto(address);
  await page.locator('[data-link=stream]').waitFor();
  assert.equal(page.url(), `${url}/#/`, 'the code is out of the address');
  await page.locator('header').getByText('operator').waitFor();

  // How it is, by word, shape and colour; a component opens to its reason and what to do.
  const degraded = await stateIs(page, 'degraded');
  assert.deepEqual([degraded.word, degraded.colour], ['Degraded', amber]);
  const timers = page.locator('details', { has: page.getByText('timers', { exact: true }) });
  await timers.locator('summary').click();
  await timers.getByText('behavior.enable_emergency_handlers is false').last().waitFor();
  await look('degraded');
  await home.json(['config', 'set', 'behavior.enable_emergency_handlers', 'true']);
  const healthy = await stateIs(page, 'healthy');
  assert.deepEqual([healthy.word, healthy.colour], ['Healthy', green]);

  // An agent's todo, from its start to its end.
  const { number } = await home.add(silent, '--check', 'true');
  const run = page.locator('details', { hasText: `#${number}` });
  await run.locator('summary').click();
  await run.getByText('Next deadline').or(run.getByText('next deadline')).waitFor();
  await page.locator('.funnel a', { hasText: 'running' }).getByText('1', { exact: true }).waitFor();
  await look('running');
  await run.getByRole('link', { name: `#${number}` }).click();
  await page.locator('.outcome[data-status=running]').waitFor();
  await page.locator('pre.term', { hasText: 'begun' }).first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Report' }).isDisabled(), true);
  assert.deepEqual(await ill(page), []);
  await page.evaluate('window.sameDocument = true');
  writeFileSync(join(home.work, 'go'), 'word\n');
  await page.locator('.outcome[data-status=completed]').getByText('verified').waitFor();
  await page.locator('.timeline').getByText('closed').waitFor();
  await look('completed');
  const [report] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('button', { name: 'Report' }).click()]);
  await report.getByText('verified by 1 check').first().waitFor();
  assert.equal(await report.evaluate('window.opener'), null);
  await report.close();

  // The list: found by its words, opened on demand; and an action on what waits there.
  const held = await home.add('true # later', '--hold');
  await page.getByRole('link', { name: 'Todos', exact: true }).click();
  await page.getByLabel('Search').fill('LATER');
  await page.getByText('1 todo listed').waitFor();
  await page.getByRole('button', { name: `Details of todo ${held.number}` }).click();
  await page.locator('.long').getByText(held.id).waitFor();
  await page.locator('.entry a.name-of').click();
  await page.getByRole('button', { name: 'Cancel …' }).click();
  await page.getByLabel('Why (kept').fill('nobody needs it any more');
  await page.locator('dialog .main').click();
  await page.getByRole('status').getByText('Cancel: done').waitFor();
  await page.locator('.outcome[data-status=cancelled]').waitFor();
  assert.equal((await home.show(held.number)).status, 'cancelled');
  await page.getByRole('link', { name: 'Overview' }).click();
  await page
    .locator('section', { has: page.getByRole('heading', { name: 'Audit trail' }) })
    .getByText('nobody needs it any more')
    .first()
    .waitFor();

  // A circuit breaker, by hand; and all of it anew, which is had some times a minute.
  const breaker = page
    .locator('section', { has: page.getByRole('heading', { name: 'Circuit breakers' }) })
    .locator('details', { hasText: 'runner' })
    .first();
  await breaker.locator('summary').click();
  await breaker.getByRole('button', { name: 'Isolate' }).click();
  await page.getByLabel('Why (kept').fill('the machine is being moved');
  await page.locator('dialog .main').click();
  await breaker.getByText('isolated').waitFor();
  const asked = page.waitForResponse((response) => response.url() === `${url}/api/overview?fresh=1`);
  await page.getByRole('button', { name: 'Refresh' }).click();
  assert.equal((await asked).status(), 200);
  await page.getByRole('status').getByText('Refreshed').waitFor();
  assert.deepEqual(await watched.complaints(), []);
  for (let pressed = 1; pressed < 6; pressed++) {
    const answer = page.waitForResponse((response) => response.url().endsWith('fresh=1'));
    await page.getByRole('button', { name: 'Refresh' }).click();
    assert.equal((await answer).status(), 200);
  }
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText('only some times a minute').waitFor();
  assert.match((await watched.complaints()).join(), /^Failed to load resource: the server responded with a status of 429/);

  // Where there is no stream: asked each half minute.
  const polling = await page.context().newPage();
  await polling.clock.install();
  await polling.addInitScript('delete Navigator.prototype.locks; delete window.BroadcastChannel');
  await polling.route('**/api/events', (route) => route.fulfill({ status: 503, body: '{}' }));
  await polling.goto(`${url}/#/`);
  await polling.locator('[data-link=poll]').waitFor();
  const more = await home.add('true', '--hold');
  await polling.locator('.funnel a', { hasText: 'open' }).getByText('0', { exact: true }).waitFor();
  // The first answer may be of the look before: who asks is not kept waiting for the store.
  for (const _ of ['first', 'second']) {
    const answered = polling.waitForResponse(`${url}/api/overview`);
    await polling.clock.runFor(31_000);
    await answered;
  }
  await polling.locator('.funnel a', { hasText: 'open' }).getByText('1', { exact: true }).waitFor();
  await polling.close();
  await home.json(['cancel', String(more.number)]);

  // It stands still, though its connections do not end: nothing that was is said to be.
  process.kill(daemon.process.pid!, 'SIGSTOP');
  const stopped = await silentFor(page);
  assert.deepEqual([stopped.word, stopped.colour], ['Unknown', grey]);
  await look('silent');
  const observed = await observe(home, t);
  const unhealthy = await stateIs(observed.page, 'unhealthy');
  assert.deepEqual([unhealthy.word, unhealthy.colour], ['Unhealthy', red]);
  await observed.page
    .getByText('nothing can be done from this page')
    .or(observed.page.getByText('No daemon answers here'))
    .first()
    .waitFor();
  await observed.page.screenshot({ path: join(pictures, 'unhealthy.png') });
  await observed.close();
  process.kill(daemon.process.pid!, 'SIGCONT');
  await backAgain(page);
  assert.equal(new Set([degraded, healthy, stopped, unhealthy].map(({ shape }) => shape)).size, 4, 'each has a shape of its own');

  // It ends, and another one comes to the same address: the page heals by itself.
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  await silentFor(page);
  await home.daemon();
  await backAgain(page);
  await page.getByRole('link', { name: 'Todos', exact: true }).click();
  await page.getByText('todos listed').waitFor();
  assert.equal(await page.evaluate('window.sameDocument'), true, 'never loaded anew');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Not logged in' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Not logged in' }).waitFor();
  t.diagnostic(`pictures: ${pictures}`);
  await watched.close();
});

const [green, amber, red, grey] = ['rgb(23, 112, 74)', 'rgb(135, 85, 0)', 'rgb(173, 48, 41)', 'rgb(101, 95, 87)'];

type Seen = { readonly word: string; readonly shape: string; readonly colour: string };

async function stateIs(page: Page, status: string): Promise<Seen> {
  await page.locator(`#state[data-status=${status}]`).waitFor();
  return (await page.evaluate(`(() => {
    const mark = document.querySelector('#state .mark');
    return { word: document.querySelector('#state h1').textContent, shape: mark.querySelector('path').getAttribute('d'), colour: getComputedStyle(mark).color };
  })()`)) as Seen;
}

async function silentFor(page: Page): Promise<Seen> {
  await page.clock.runFor(22_000);
  await page
    .getByRole('alert')
    .getByText(/^Not live since/)
    .waitFor();
  return stateIs(page, 'unknown');
}

/** Its next try is some seconds away. */
async function backAgain(page: Page): Promise<void> {
  await page.clock.runFor(11_000);
  await page.locator('#state:not([data-status=unknown])').waitFor();
  await page.locator('#dead').waitFor({ state: 'detached' });
  await page.locator('[data-link=stream]').waitFor();
}

/** The page of who only looks, beside a daemon that says nothing. */
async function observe(home: Awaited<ReturnType<typeof testHome>>, t: { readonly signal: AbortSignal }) {
  home.start(['start', '--dashboard-only'], { env: { TODO_SERVER_PORT: String(await freePort()) } });
  const { url, token } = await served(home, 'dashboard.json');
  const given = await fetch(`${url}/api/login-codes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-todo-request': '1', 'content-type': 'application/json' },
    body: JSON.stringify({ role: 'operator', actor: 'ann' }),
    signal: t.signal,
  });
  const { code } = (await given.json()) as Json;
  const watched = await openPage(browser);
  await watched.page.goto(`${url}/#login=${code}`);
  return watched;
}
