import { healthStatuses } from '../core/words.ts';
import { of, type Panel, rows } from './grafana-rows.ts';

/** Of the grid that Grafana lays panels into. */
const gridWidth = 24;
const heights: Readonly<Record<Panel['shows'], number>> = { stat: 5, lines: 8, stacked: 8, states: 8 };
const source = { type: 'prometheus', uid: '${source}' } as const;

/** The classic model, which every Grafana since 10 takes (import, or provisioning by file): `signoff.json`. */
export function dashboard() {
  let id = 0;
  let y = 0;
  const panels = rows.flatMap(({ title, panels: inRow }) => {
    const head = { id: ++id, type: 'row' as const, title, collapsed: false, gridPos: { x: 0, y, w: gridWidth, h: 1 }, panels: [] };
    y += 1;
    let x = 0;
    let tallest = 0;
    const placed = inRow.map((panel) => {
      const w = panel.width ?? 12;
      if (x + w > gridWidth) {
        y += tallest;
        x = 0;
        tallest = 0;
      }
      const h = heights[panel.shows];
      const gridPos = { x, y, w, h };
      x += w;
      tallest = Math.max(tallest, h);
      return panelOf(panel, ++id, gridPos);
    });
    y += tallest;
    return [head, ...placed];
  });
  return {
    uid: 'signoff',
    title: 'Signoff',
    description: 'Todos of coding agents and the daemon that brings them to their end. Made by: todo metrics --grafana',
    tags: ['signoff', 'todo'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [
        {
          type: 'datasource' as const,
          name: 'source',
          label: 'Prometheus',
          query: 'prometheus',
          refresh: 1,
          hide: 0,
          includeAll: false,
          multi: false,
        },
        {
          type: 'query' as const,
          name: 'instance',
          label: 'Daemon',
          datasource: source,
          definition: 'label_values(up{job="todo"}, instance)',
          query: { qryType: 1, query: 'label_values(up{job="todo"}, instance)', refId: 'instance' },
          refresh: 2,
          sort: 1,
          hide: 0,
          includeAll: true,
          multi: true,
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    annotations: {
      list: [
        {
          name: 'Starts of the daemon',
          datasource: source,
          enable: true,
          hide: false,
          iconColor: 'blue',
          expr: `changes(${of('todo_daemon_start_time_seconds')}[1m]) > 0`,
          titleFormat: 'started',
        },
      ],
    },
    links: [],
    panels,
  };
}

/** The file, as Grafana imports it. */
export const dashboardFile = (): string => `${JSON.stringify(dashboard(), null, 2)}\n`;

function panelOf(panel: Panel, id: number, gridPos: { x: number; y: number; w: number; h: number }) {
  const { title, about, queries, shows, unit = 'short' } = panel;
  return {
    id,
    type: kinds[shows],
    title,
    description: about,
    datasource: source,
    gridPos,
    fieldConfig: { defaults: { unit, ...looks(panel) }, overrides: [] },
    options: options[shows],
    targets: queries.map(({ expr, legend }, at) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + at),
      datasource: source,
      editorMode: 'code' as const,
      expr,
      legendFormat: legend,
      // A number is of now (or over the whole range); all else is over time.
      instant: shows === 'stat',
      range: shows !== 'stat',
    })),
  };
}

const kinds = { stat: 'stat', lines: 'timeseries', stacked: 'timeseries', states: 'state-timeline' } as const;

const legend = { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] } as const;

export const options = {
  stat: {
    reduceOptions: { values: false, calcs: ['lastNotNull'], fields: '' },
    graphMode: 'none',
    colorMode: 'value',
    textMode: 'value_and_name',
    justifyMode: 'auto',
    orientation: 'auto',
    wideLayout: true,
    showPercentChange: false,
    percentChangeColorMode: 'standard',
  },
  lines: { legend, tooltip: { mode: 'multi', sort: 'desc' } },
  stacked: { legend, tooltip: { mode: 'multi', sort: 'none' } },
  states: {
    mergeValues: true,
    showValue: 'auto',
    alignValue: 'left',
    rowHeight: 0.9,
    legend: { ...legend, showLegend: false },
    tooltip: { mode: 'single', sort: 'none' },
  },
} as const;

const line = { drawStyle: 'line', lineWidth: 1, spanNulls: false } as const;
export const custom = {
  states: { fillOpacity: 80, lineWidth: 0 },
  lines: { ...line, fillOpacity: 0, stacking: { mode: 'none', group: 'A' } },
  stacked: { ...line, fillOpacity: 40, stacking: { mode: 'normal', group: 'A' } },
} as const;

/** A state has its word beside its colour: colours alone say nothing to one man in twelve. */
function looks({ shows, title, redFrom, unit }: Panel) {
  switch (shows) {
    case 'states':
      return {
        color: { mode: 'thresholds' as const },
        thresholds: steps([null, 'grey']),
        mappings: [{ type: 'value' as const, options: title === 'Components' ? componentWords : upWords }],
        custom: custom.states,
      };
    case 'stat':
      return {
        color: { mode: 'thresholds' as const },
        // Increases are reckoned over the edges of the range: a todo and a bit has not ended.
        ...(unit === 's' ? {} : { decimals: 0 }),
        thresholds: redFrom === undefined ? steps([null, 'text']) : steps([null, 'green'], [redFrom, 'red']),
      };
    case 'lines':
    case 'stacked':
      return { color: { mode: 'palette-classic' as const }, min: 0, custom: custom[shows] };
    default:
      return shows satisfies never;
  }
}

const steps = (...of: readonly (readonly [number | null, string])[]) => ({
  mode: 'absolute' as const,
  steps: of.map(([value, color]) => ({ value, color })),
});

const colours = { healthy: 'green', degraded: 'yellow', unhealthy: 'red', unknown: 'grey' } as const;
const componentWords = Object.fromEntries(healthStatuses.map((word, at) => [at, { text: word, color: colours[word], index: at }]));
const upWords = { 0: { text: 'down', color: 'red', index: 0 }, 1: { text: 'up', color: 'green', index: 1 } };
