// From a daemon to a person: the files that ship, in a real Prometheus and a real Alertmanager, with shorter times and addresses on loopback.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAlertmanager } from '../fixtures/alertmanager.ts';
import { freePort } from '../fixtures/free-port.ts';
import { prometheusWith } from '../fixtures/prometheus.ts';
import { launchBrowser, openPage } from '../observe/dashboard/browser.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { hookReceiver, mailbox } from './people.ts';

/** The agent takes the name under which its own output is to be kept: no retry helps, its completion is given up. */
const poisoned = 'rm -rf "$TODO_RUN_DIR/final"; echo x > "$TODO_RUN_DIR/final"';
const password = 'correct horse battery';
const token = 'a-token-of-the-receiver';

test('[P-51, W-37] what goes wrong at a daemon reaches people: dashboard, Prometheus, Alertmanager, e-mail (STARTTLS, password) and webhook; a daemon that is down mutes its other alerts, and people hear when it is back', async (t) => {
  const port = await freePort();
  const home = await testHome(t, {
    server: { port },
    behavior: { exponential_backoff: false, max_retries: 1, quiet_after: 0.1, term_grace: 1 },
    policies: { record: { max_retries: 1 } },
    monitoring: { rescan: 0.2 },
    resource: { probe_interval: 0.5, interval: 0.5 },
  });
  const daemon = await home.daemon();
  const { mails, hooks, alertmanager, prometheus } = await watched(t, home, `127.0.0.1:${port}`);
  const heartbeat = ({ path }: { path: string }): boolean => path === '/heartbeat';
  await hooks.first('a heartbeat', heartbeat);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const { page, complaints } = await openPage(browser);
  await page.goto((await home.json(['dashboard', '--role', 'viewer'])).url);
  await page.locator('#state:has-text("Healthy")').waitFor();

  const { number } = await home.add(poisoned);
  await home.untilTodo(number, 'given up', ({ status }) => status === 'dead-lettered');
  const mail = await mails.first(
    'one message for all that is wrong',
    ({ text = '' }) => /^FIRING TodoDeadLettersGrow /m.test(text) && /^FIRING SystemDegraded .*: runs is degraded$/m.test(text),
  );
  assert.deepEqual(
    [mail.isEncrypted, mail.to, mail.from?.value[0]?.address],
    [true, 'oncall@example.org', 'signoff@example.org'],
    'encrypted, and let in by the password of the file',
  );
  assert.match(mail.subject ?? '', new RegExp(`^\\[FIRING\\] todo at 127\\.0\\.0\\.1:${port}: \\d alerts$`));
  assert.match(mail.text ?? '', /what to do: todo dead-letter list/);
  assert.match(mail.text ?? '', /since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  assert.match(String(mail.html), /TodoDeadLettersGrow/, 'as HTML, too');
  const { body } = await hooks.first('the same as a webhook', (it) => alertsOf(it.body, 'firing').includes('TodoDeadLettersGrow'));
  assert.deepEqual([body.receiver, body.commonLabels.service, body.version], ['people', 'todo', '4']);

  // The same by Prometheus, by the daemon's own dashboard, and there without a reload.
  assert.equal((await prometheus.query('sum(todo_dead_lettered_total)'))[0]?.value, 1);
  await page.locator('#state:has-text("Degraded")').waitFor();
  await page.locator(`section[aria-labelledby="dead-letters"]:has-text("#${number}")`).waitFor();
  assert.deepEqual(await complaints(), []);

  const before = { mails: mails.all.length, hooks: hooks.all.length };
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  const down = await mails.first('it is down', ({ text = '' }) => /^FIRING TodoDaemonDown \(critical\): /m.test(text), before.mails);
  assert.match(down.subject ?? '', /The daemon does not answer, or is not scraped$/);
  await hooks.first('it is down', (it) => alertsOf(it.body, 'firing').includes('TodoDaemonDown'), before.hooks);
  await page.locator('#state:has-text("Unknown")').waitFor();
  // What it last said still fires, and nobody is told of it now: neither that it is so, nor that it was resolved.
  const { TodoDaemonDown, TodoDeadLettersGrow, SystemDegraded, TodoHeartbeat } = await alertmanager.states();
  assert.deepEqual(
    { TodoDaemonDown, TodoDeadLettersGrow, SystemDegraded, TodoHeartbeat },
    { TodoDaemonDown: 'active', TodoDeadLettersGrow: 'suppressed', SystemDegraded: 'suppressed', TodoHeartbeat: 'active' },
  );
  await hooks.first('the heartbeat goes on', heartbeat, hooks.all.length);

  await home.daemon();
  const over = await mails.first('it is back', ({ text = '' }) => /^RESOLVED TodoDaemonDown /m.test(text), before.mails);
  assert.match(over.subject ?? '', /^\[RESOLVED\] /);
  assert.match(over.text ?? '', /over since \d{4}/);
  await hooks.first('it is back', (it) => alertsOf(it.body, 'resolved').includes('TodoDaemonDown'), before.hooks);
  assert.ok(!mails.all.some(({ text = '' }) => /^RESOLVED (?!TodoDaemonDown)/m.test(text)), 'nothing else is over');
  const words = [...mails.all.map((it) => `${it.text}${it.html}`), ...hooks.all.map((it) => JSON.stringify(it.body))].join('\n');
  assert.doesNotMatch(words, new RegExp(`${password}|${token}`));
});

const alertsOf = (body: Json, status: 'firing' | 'resolved'): string[] =>
  body.alerts.filter((it: Json) => it.status === status).map((it: Json) => it.labels.alertname);

/** Prometheus and Alertmanager with what `todo metrics` prints for them. */
async function watched(t: TestContext, home: TestHome, daemon: string) {
  const secrets = mkdtempSync(join(tmpdir(), 'signoff-secrets-'));
  t.after(() => rmSync(secrets, { recursive: true, force: true }));
  const secret = (name: string, text: string): string => {
    writeFileSync(join(secrets, name), text, { mode: 0o600 });
    return join(secrets, name);
  };
  const [mail, hook] = await Promise.all([mailbox(t, { user: 'signoff', password }), hookReceiver(t, { token })]);
  const printed = async (option: string): Promise<string> => (await home.todo(['metrics', option])).stdout;
  const [rules, scrape, tell] = await Promise.all([printed('--rules'), printed('--prometheus'), printed('--alertmanager')]);
  const alertmanager = await startAlertmanager(
    changed(tell, [
      ['mail.example.org:587', mail.address],
      ['https://hooks.example.org', hook.url],
      ['/etc/prometheus/smtp.password', secret('smtp.password', password)],
      ['/etc/prometheus/webhook.token', secret('webhook.token', token)],
      [/group_wait: \d+s/g, 'group_wait: 100ms'],
      [/group_interval: \w+/g, 'group_interval: 500ms'],
      // Of the heartbeat alone: of all else a second message of the same would hide that the first one came.
      ['repeat_interval: 5m', 'repeat_interval: 1s'],
    ]),
    { certificate: mail.certificate },
  );
  t.after(() => alertmanager.stop());
  const prometheus = await prometheusWith({
    'alerts.yml': changed(rules, [[/^( +for:) \d+[mhd]$/gm, '$1 500ms']]),
    'prometheus.yml': changed(scrape, [
      ['127.0.0.1:9093', alertmanager.address],
      ['127.0.0.1:9480', daemon],
      [/_interval: 15s/g, '_interval: 250ms'],
    ]),
  });
  t.after(() => prometheus.stop());
  return { mails: mail.mails, hooks: hook.heard, alertmanager, prometheus };
}

/** What is not there cannot be changed: then the file that ships is another one than this test knows. */
function changed(text: string, changes: readonly (readonly [string | RegExp, string])[]): string {
  for (const [from, to] of changes) {
    const next = text.replaceAll(typeof from === 'string' ? from : new RegExp(from), to);
    assert.notEqual(next, text, `nothing to change: ${from}`);
    text = next;
  }
  return text;
}
