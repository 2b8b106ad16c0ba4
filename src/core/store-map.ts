import type { StoreMapSettings } from './store-map-schema.ts';
import { isInProgress, isTerminal, type TodoStatus, todoStatuses } from './words.ts';

type TextField = 'html' | 'text' | 'summary';
type TimeField = 'started_at' | 'completed_at' | 'created_at' | 'updated_at';
type OptionalField = 'priority' | 'working_directory' | 'agent' | TextField | TimeField;

/** A mapping with nothing left open. */
export type StoreMap = {
  readonly table: string;
  readonly timeZone: string;
  readonly columns: {
    readonly id: string;
    readonly title: string;
    readonly status: string;
    readonly prompt: readonly string[];
  } & { readonly [Field in OptionalField]: string | null };
  readonly statuses: Readonly<Record<TodoStatus, string>>;
  readonly priorities: Readonly<Record<string, number>> | null;
  readonly release: { readonly column: string; readonly value: string | number; readonly otherwise: string | number } | null;
  readonly defaults: { readonly agent: string; readonly workingDirectory: string; readonly rounds: number };
};

/** The WordPress plugin of the earlier system. */
const wordpress: Omit<StoreMap, 'table'> = {
  timeZone: 'server',
  columns: {
    id: 'id',
    title: 'title',
    status: 'status',
    prompt: ['claude_prompt', 'description', 'title'],
    priority: 'priority',
    working_directory: 'working_directory',
    agent: null,
    html: 'claude_html_output',
    text: 'claude_text_output',
    summary: 'claude_summary',
    started_at: 'execution_started_at',
    completed_at: 'completed_at',
    created_at: 'created_at',
    updated_at: 'updated_at',
  },
  statuses: {
    open: 'offen',
    parked: 'offen',
    claimed: 'in_progress',
    running: 'in_progress',
    stalled: 'in_progress',
    blocked: 'blocked',
    failed: 'blocked',
    'dead-lettered': 'blocked',
    completed: 'completed',
    cancelled: 'cancelled',
  },
  priorities: { kritisch: 0, hoch: 2, mittel: 5, niedrig: 8 },
  release: { column: 'bearbeiten', value: 1, otherwise: 0 },
  defaults: { agent: 'claude', workingDirectory: '', rounds: 1 },
};

/** Without a preset: our own words and names, as far as their table has them. */
const plain: Omit<StoreMap, 'table'> = {
  timeZone: 'server',
  columns: {
    id: 'id',
    title: 'title',
    status: 'status',
    prompt: ['prompt'],
    priority: null,
    working_directory: null,
    agent: null,
    html: null,
    text: null,
    summary: null,
    started_at: null,
    completed_at: null,
    created_at: null,
    updated_at: null,
  },
  statuses: Object.fromEntries(todoStatuses.map((status) => [status, status])) as Record<TodoStatus, string>,
  priorities: null,
  release: null,
  defaults: { agent: 'claude', workingDirectory: '', rounds: 1 },
};

const presets = { wordpress } as const;

export function storeMapOf(given: StoreMapSettings): StoreMap {
  const base = given.preset ? presets[given.preset] : plain;
  return {
    table: given.table,
    timeZone: given.time_zone ?? base.timeZone,
    columns: { ...base.columns, ...present(given.columns ?? {}) },
    statuses: { ...base.statuses, ...present(given.statuses ?? {}) },
    priorities: given.priorities === undefined ? base.priorities : given.priorities,
    release: given.release === undefined ? base.release : given.release,
    defaults: {
      agent: given.defaults?.agent ?? base.defaults.agent,
      workingDirectory: given.defaults?.working_directory ?? base.defaults.workingDirectory,
      rounds: given.defaults?.rounds ?? base.defaults.rounds,
    },
  };
}

const present = <T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;

/** Which of our words one of theirs stands for where our own table knows nothing finer. */
const coarsestFirst: readonly TodoStatus[] = [
  'open',
  'running',
  'completed',
  'cancelled',
  'blocked',
  'failed',
  'parked',
  'claimed',
  'stalled',
  'dead-lettered',
];

/** Their words, each once, with what it means by itself. */
export function coarseWords(map: Pick<StoreMap, 'statuses'>): readonly { readonly word: string; readonly status: TodoStatus }[] {
  const seen = new Map<string, TodoStatus>();
  for (const status of coarsestFirst) if (!seen.has(map.statuses[status])) seen.set(map.statuses[status], status);
  return [...seen].map(([each, status]) => ({ word: each, status }));
}

/** Each priority of ours in their words: the nearest, of two the more urgent. */
export function priorityWord(priorities: Readonly<Record<string, number>>, priority: number): string | null {
  const ranked = Object.entries(priorities).sort(([, a], [, b]) => Math.abs(a - priority) - Math.abs(b - priority) || a - b);
  return ranked[0]?.[0] ?? null;
}

export type MapProblem = { readonly key: string; readonly got: string; readonly bound: string; readonly fix: string };

/** What no single key can tell: all at once. */
export function storeMapProblems(given: StoreMapSettings, url: string | null): readonly MapProblem[] {
  const map = storeMapOf(given);
  const problems: MapProblem[] = [];
  const say = (key: string, got: string, bound: string, fix: string) => problems.push({ key: `store.map${key}`, got, bound, fix });
  if (url === null || url.startsWith('sqlite:'))
    say('', 'a mapping without a shared database', 'a store.url of mysql://', 'set store.url, or take store.map out');
  // One of their words must not say both that an agent works and that none does: then nobody could tell a claim from its end.
  const groupOf = (status: TodoStatus) =>
    isInProgress(status) ? 'in progress' : status === 'open' || status === 'parked' ? 'waiting' : isTerminal(status) ? status : 'stopped';
  for (const status of todoStatuses) {
    const other = todoStatuses.find(
      (it) => it < status && map.statuses[it] === map.statuses[status] && mayNotShare(groupOf(it), groupOf(status)),
    );
    if (other !== undefined)
      say(`.statuses.${status}`, JSON.stringify(map.statuses[status]), `another word than that of ${other}`, 'give each a word of its own');
  }
  const columns: (readonly [key: string, name: string])[] = Object.entries(map.columns).flatMap(([key, name]) =>
    key === 'prompt' || typeof name !== 'string' ? [] : [[`.columns.${key}`, name] as const],
  );
  if (map.release !== null) columns.push(['.release.column', map.release.column]);
  for (const [at, [key, name]] of columns.entries()) {
    const other = columns.slice(0, at).find(([, it]) => it.toLowerCase() === name.toLowerCase());
    if (other !== undefined) say(key, JSON.stringify(name), `another column than ${other[0].slice(1)}`, 'a column has one meaning');
  }
  const written = new Set(columns.map(([, name]) => name.toLowerCase()));
  written.delete(map.columns.title.toLowerCase());
  for (const name of map.columns.prompt)
    if (written.has(name.toLowerCase()))
      say('.columns.prompt', JSON.stringify(name), 'columns that nothing else is written to', 'name a column of text');
  if (map.release !== null && map.release.value === map.release.otherwise)
    say('.release.otherwise', JSON.stringify(map.release.otherwise), 'another value than release.value', 'such as 1 and 0');
  if (map.priorities !== null && Object.keys(map.priorities).length === 0)
    say('.priorities', '{}', 'at least one word, or null', 'name the words of the column');
  return problems;
}

/** Failed may share a word with blocked and dead-lettered: in each case somebody must look. Completed and cancelled stand alone. */
const mayNotShare = (one: string, other: string): boolean =>
  one !== other && !(['stopped', 'failed'].includes(one) && ['stopped', 'failed'].includes(other));
