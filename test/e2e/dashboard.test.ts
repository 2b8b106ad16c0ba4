// Every expression that ships, in alerts and dashboard, asked of a real Prometheus that has scraped a real daemon after some todos ended.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { alerts } from '../../src/observe/alerts.ts';
import { freePort } from '../fixtures/free-port.ts';
import { prometheusWith } from '../fixtures/prometheus.ts';
import { selectorsOf } from '../fixtures/promql.ts';
import { type Json, testHome } from './harness.ts';
import { served } from './http-get.ts';

/** What nothing of ours exports: Prometheus knows these by itself. */
const ofPrometheus = new Set(['up', 'ALERTS']);
/** Fires always, and the dashboard leaves it out: without trouble no other alert is there. */
const emptyWhileWell = /^ALERTS/;

test('[P-49] every metric that an alert or the dashboard asks for is exported: each selector finds series, each panel has data after some todos ended', async (t) => {
  const port = await freePort();
  const home = await testHome(t, { server: { port }, resource: { probe_interval: 0.5, interval: 0.5 } });
  // With its watchdog: of that the dashboard tells, too.
  const starter = home.start(['start']);
  await starter.says('Ready after');
  const { url } = await served(home);
  const printed = async (option: string): Promise<string> => (await home.todo(['metrics', option])).stdout;
  const prometheus = await prometheusWith({
    'alerts.yml': await printed('--rules'),
    'prometheus.yml': (await printed('--prometheus'))
      .replaceAll('_interval: 15s', '_interval: 250ms')
      .replace('127.0.0.1:9480', `127.0.0.1:${port}`),
  });
  t.after(() => prometheus.stop());
  const [done, failed] = [await home.add('echo made', '--check', 'true'), await home.add('exit 3')];
  await home.add('true', '--hold');
  await home.untilTodo(done.id, 'completed', ({ status }) => status === 'completed');
  await home.untilTodo(failed.id, 'failed', ({ status }) => status === 'failed');
  const value = async (expression: string): Promise<number | undefined> => (await prometheus.query(expression))[0]?.value;
  await home.until('all of it was scraped', async () => {
    const ended = await value('sum(todo_completions_total)');
    return ended === 2 && (await value('todo_todos{status="open"}')) === 1 && (await value('todo_watchdog_up')) === 1;
  });

  const { panels } = JSON.parse(await printed('--grafana'));
  const queries: string[] = panels.flatMap(({ targets = [] }: Json) => targets.map(({ expr }: Json) => filledIn(expr)));
  assert.ok(queries.length > 40);
  const page: string = await (await fetch(`${url}/metrics`)).text();
  const exported = new Set([...page.matchAll(/^(\w+)[{ ]/gm)].map(([, name]) => name));
  const wrong: string[] = [];
  for (const expression of [...queries, ...alerts.map(({ expr }) => expr)]) {
    for (const { metric, text } of selectorsOf(expression)) {
      if (!ofPrometheus.has(metric) && !exported.has(metric)) wrong.push(`${metric} is not exported: ${expression}`);
      if (!emptyWhileWell.test(text) && (await prometheus.query(text)).length === 0) wrong.push(`${text} finds nothing: ${expression}`);
    }
    // A query that is none is refused. One that compares is empty while nothing is wrong.
    const samples = await prometheus.query(expression);
    if (samples.length === 0 && !/ (>|<|==) /.test(expression)) wrong.push(`no data: ${expression}`);
  }
  assert.deepEqual(wrong, []);
  await assert.rejects(prometheus.query('rate(todo_live_runs)'), /range vector/, 'Prometheus has teeth');

  for (const metric of [
    'todo_http_request_duration_seconds_count',
    'todo_http_requests_total',
    'todo_process_resident_memory_bytes',
    'todo_process_cpu_seconds_total',
  ])
    assert.ok(((await value(`sum(${metric})`)) ?? 0) > 0, metric);
  assert.equal(await value('todo_layer_duration_seconds_count{layer="report"}'), 2);
  assert.equal(await value('todo_hosts{state="taking"}'), 1);
  assert.equal(await value('sum(todo_watchdog_restarts)'), 0);
  assert.equal((await home.json(['metrics', '--rules', '--grafana'], { code: 64 })).code, 'USAGE', 'one file at a time');
  starter.process.kill('SIGINT');
  assert.equal((await starter.ended).code, 0);
  assert.equal(existsSync(join(home.folder, 'http.json')), false);
});

/** What Grafana puts in for its variables. */
const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '10s').replaceAll('$__range', '1m').replaceAll('$instance', '.+');
