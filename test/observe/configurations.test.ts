// What ships for Prometheus and Alertmanager, judged by their own tools.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { alertmanagerConfig } from '../../src/observe/alertmanager-config.ts';
import { alertRules, alerts } from '../../src/observe/alerts.ts';
import { prometheusConfig } from '../../src/observe/prometheus-config.ts';
import { programs } from '../programs.ts';

const shipped = fileURLToPath(new URL('../../docs/prometheus/', import.meta.url));
const text = (name: string): string => readFileSync(join(shipped, name), 'utf8');

test('the configurations that ship are what the program prints, and Prometheus and Alertmanager take them without a word', () => {
  assert.equal(text('prometheus.yml'), prometheusConfig(), 'todo metrics --prometheus > docs/prometheus/prometheus.yml');
  assert.equal(text('alertmanager.yml'), alertmanagerConfig(), 'todo metrics --alertmanager > docs/prometheus/alertmanager.yml');
  const scrape = says(programs().promtool, ['check', 'config', join(shipped, 'prometheus.yml')]);
  assert.equal(scrape.code, 0, scrape.text);
  assert.match(scrape.text, new RegExp(`SUCCESS: ${alerts.length} rules found`), 'the rules beside it are loaded');
  const tell = says(programs().amtool, ['check-config', join(shipped, 'alertmanager.yml')]);
  assert.equal(tell.code, 0, tell.text);
  assert.match(tell.text, /SUCCESS[\s\S]*4 inhibit rules\n - 2 receivers/);
});

test('each alert reaches the people, the heartbeat only what misses it', () => {
  const receiverOf = (labels: readonly string[]): string =>
    says(programs().amtool, ['config', 'routes', 'test', '--config.file', join(shipped, 'alertmanager.yml'), ...labels]).stdout.trim();
  for (const severity of ['critical', 'warning'])
    assert.equal(receiverOf(['alertname=any', 'service=todo', `severity=${severity}`]), 'people');
  assert.equal(receiverOf(['alertname=TodoHeartbeat', 'service=todo', 'severity=none']), 'heartbeat');
  // Every alert that a rule of muting names is there: a name that was changed mutes nothing.
  const named = [...text('alertmanager.yml').matchAll(/alertname!?[=~]+"([^"]+)"/g)].flatMap(([, names]) => names!.split('|'));
  assert.deepEqual(
    named.filter((name) => !alerts.some((it) => it.name === name)),
    [],
  );
  assert.ok(named.length > 8);
});

test('the judges have teeth; what stands in a comment holds, too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-configurations-'));
  try {
    writeFileSync(join(folder, 'alertmanager.yml'), alertmanagerConfig().replace('receiver: heartbeat', 'receiver: nobody'));
    assert.notEqual(says(programs().amtool, ['check-config', join(folder, 'alertmanager.yml')]).code, 0);
    writeFileSync(join(folder, 'prometheus.yml'), prometheusConfig());
    writeFileSync(join(folder, 'alerts.yml'), alertRules());
    writeFileSync(join(folder, 'token'), 'a token');
    const open = prometheusConfig().replace(
      /^( +)# (authorization:)\n( +)# {3}(credentials_file: ).*$/m,
      `$1$2\n$3  $4${join(folder, 'token')}`,
    );
    assert.match(open, /^ {4}authorization:\n {6}credentials_file: /m);
    writeFileSync(join(folder, 'open.yml'), open);
    assert.equal(says(programs().promtool, ['check', 'config', join(folder, 'open.yml')]).code, 0, 'the comment for a server with a token');
    rmSync(join(folder, 'alerts.yml'));
    const alone = says(programs().promtool, ['check', 'config', join(folder, 'prometheus.yml')]);
    assert.notEqual(alone.code, 0, 'without its rules');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function says(program: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { code: status, stdout, text: `${stdout}${stderr}` };
}
