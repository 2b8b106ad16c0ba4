// The dashboard that ships: one file, as the program prints it, in the form that Grafana takes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { AnnotationQuery, Dashboard, FieldConfig, Panel, RowPanel, VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import type { Options as StatOptions } from '@grafana/grafana-foundation-sdk/stat';
import type { FieldConfig as StatesLooks, Options as StatesOptions } from '@grafana/grafana-foundation-sdk/statetimeline';
import type { FieldConfig as LinesLooks, Options as LinesOptions } from '@grafana/grafana-foundation-sdk/timeseries';
import { custom, dashboard, dashboardFile, options } from '../../src/observe/grafana.ts';
import { selectorsOf } from '../fixtures/promql.ts';

/** A type of Grafana's, its enums as the words that stand in the file. */
type Said<T> = T extends string
  ? `${T}`
  : T extends number
    ? number
    : T extends readonly (infer Each)[]
      ? readonly Said<Each>[]
      : T extends object
        ? { readonly [Key in keyof T]: Said<T[Key]> }
        : T;
/** `true` where `Given` has no field that `Known` lacks; else their names, so that the compiler tells them. */
type Knows<Known, Given> =
  Exclude<Given extends unknown ? keyof Given : never, keyof Known> extends never
    ? true
    : Exclude<Given extends unknown ? keyof Given : never, keyof Known>;
/** Fails to compile on a field of another kind or name. */
const conforms =
  <Known>() =>
  <Given extends Known>(_given: Given, isKnown: Knows<Known, Given>): void =>
    assert.equal(isKnown, true);

const made = dashboard();
const drawn = made.panels.filter((it) => it.type !== 'row');

test('the dashboard that ships is what the program prints', () => {
  const shipped = readFileSync(new URL('../../docs/grafana/signoff.json', import.meta.url), 'utf8');
  assert.equal(shipped, dashboardFile(), 'todo metrics --grafana > docs/grafana/signoff.json');
});

test('all fields are ones that Grafana knows: the compiler compares with the types that Grafana generates from its schema', () => {
  const { panels, templating, annotations, ...rest } = made;
  conforms<Said<Omit<Dashboard, 'panels' | 'templating' | 'annotations' | 'links'>> & { links: readonly [] | never[] }>()(rest, true);
  for (const variable of templating.list) conforms<Said<Omit<VariableModel, 'query'>> & { query: unknown }>()(variable, true);
  for (const annotation of annotations.list) conforms<Said<Omit<AnnotationQuery, 'target' | 'mappings'>>>()(annotation, true);
  for (const panel of panels) {
    if (panel.type === 'row') {
      conforms<Said<Omit<RowPanel, 'panels'>> & { panels: readonly [] | never[] }>()(panel, true);
      continue;
    }
    conforms<Said<Omit<Panel, 'targets' | 'options' | 'fieldConfig'>> & { targets: unknown; options: unknown; fieldConfig: unknown }>()(
      panel,
      true,
    );
    conforms<Said<Omit<FieldConfig, 'custom' | 'actions'>> & { custom?: unknown }>()(panel.fieldConfig.defaults, true);
    for (const target of panel.targets) conforms<Said<Omit<Dataquery, '_implementsDataqueryVariant'>>>()(target, true);
  }
  conforms<Said<StatOptions>>()(options.stat, true);
  conforms<Said<LinesOptions>>()(options.lines, true);
  conforms<Said<LinesOptions>>()(options.stacked, true);
  conforms<Said<StatesOptions>>()(options.states, true);
  conforms<Said<LinesLooks>>()(custom.lines, true);
  conforms<Said<LinesLooks>>()(custom.stacked, true);
  conforms<Said<StatesLooks>>()(custom.states, true);
});

test('ids are unique, panels lie beside each other, each says what it shows and asks one source', () => {
  assert.match(made.uid, /^[\w-]{1,40}$/);
  const ids = made.panels.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)]);
  const titles = drawn.map(({ title }) => title);
  assert.deepEqual(titles, [...new Set(titles)]);
  const taken = new Map<string, number>();
  for (const { id, gridPos } of made.panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(x < 24, `panel ${id} ends outside of the grid`);
        assert.equal(taken.get(`${x} ${y}`), undefined, `panels ${id} and ${taken.get(`${x} ${y}`)} lie on each other`);
        taken.set(`${x} ${y}`, id);
      }
  for (const panel of drawn) {
    assert.ok(panel.description.length > 10, panel.title);
    const refs = panel.targets.map(({ refId }) => refId);
    assert.deepEqual(refs, [...new Set(refs)]);
    for (const { datasource, expr, legendFormat, instant, range } of panel.targets) {
      assert.deepEqual(datasource, { type: 'prometheus', uid: '${source}' });
      assert.notEqual(instant, range, panel.title);
      assert.ok(legendFormat.length > 0, `${panel.title}: ${expr}`);
    }
  }
});

test('what an operator looks for first is there', () => {
  const asked = new Set(
    drawn.flatMap(({ targets }) => targets.flatMap(({ expr }) => selectorsOf(plain(expr)).map(({ metric }) => metric))),
  );
  for (const metric of [
    'todo_health_status',
    'todo_todos',
    'todo_completions_total',
    'todo_completed_total',
    'todo_layer_duration_seconds_sum',
    'todo_retry_attempts_total',
    'todo_breaker_state',
    'todo_dead_lettered_total',
    'todo_leases',
    'todo_hosts',
    'todo_watchdog_restarts',
    'todo_process_resident_memory_bytes',
    'todo_process_cpu_seconds_total',
  ])
    assert.ok(asked.has(metric), metric);
  assert.throws(() => selectorsOf('sum(rate(todo_errors_total[5m])'), /no expression/, 'the grammar has teeth');
});

/** What Grafana fills in. */
const plain = (expr: string): string => expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h');
