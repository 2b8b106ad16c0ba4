import type { ControlRequest } from '../core/control.ts';
import { isObject } from '../core/shape.ts';

type Kind = 'text' | 'text?' | 'number' | 'number?' | 'flag' | readonly string[];

/** What each request carries. The keys are checked against the type, so a new request cannot be forgotten here. */
const shapes = {
  hello: {},
  progress: {},
  wake: {},
  start: { todoId: 'text' },
  verdict: { runId: 'text', token: 'text', round: 'number', waitMs: 'number' },
  verb: {
    verb: ['done', 'fail', 'block', 'park', 'release', 'cancel'],
    todoId: 'text',
    summary: 'text?',
    reason: 'text?',
    force: 'flag',
    notBeforeMs: 'number?',
  },
  emergency: { todoId: 'text', action: ['complete', 'reset', 'stall'], reason: 'text?' },
  requeue: { id: 'text', force: 'flag' },
  breaker: { action: ['list', 'isolate', 'reset'], name: 'text?', why: 'text' },
  agents: { probe: 'flag' },
  recover: { apply: 'flag' },
  heal: { what: 'text?', dryRun: 'flag' },
  status: {},
  metrics: { format: ['text', 'openmetrics'] },
  configuration: {},
  reload: { by: ['person', 'SIGHUP'] },
  configure: { key: 'text', value: 'text?' },
  restart: { reason: 'text?', force: 'flag' },
  resume: {},
  stop: { force: 'flag' },
} as const satisfies {
  readonly [Op in ControlRequest['op']]: Readonly<Record<Exclude<keyof Extract<ControlRequest, { op: Op }>, 'op'>, Kind>>;
};

/** One line from the socket as a request, or what is wrong with it. */
export function parseControlRequest(line: string): { readonly request: ControlRequest } | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { problem: 'not JSON' };
  }
  if (!isObject(value)) return { problem: 'not a JSON object' };
  const op = value['op'];
  if (typeof op !== 'string' || !Object.hasOwn(shapes, op)) return { problem: `unknown request ${JSON.stringify(op)}` };
  const shape: Readonly<Record<string, Kind>> = shapes[op as keyof typeof shapes];
  const wrong = Object.entries(shape).filter(([name, kind]) => !fits(value[name], kind));
  if (wrong.length > 0) return { problem: `${op}: ${wrong.map(([name, kind]) => `${name} must be ${describe(kind)}`).join(', ')}` };
  const known = Object.keys(shape).map((name) => [name, value[name] ?? null]);
  return { request: { op, ...Object.fromEntries(known) } as ControlRequest };
}

function fits(value: unknown, kind: Kind): boolean {
  if (typeof kind !== 'string') return kind.includes(value as string);
  if (kind.endsWith('?') && (value === null || value === undefined)) return true;
  const type = typeof value;
  return kind.startsWith('text') ? type === 'string' : kind.startsWith('number') ? Number.isFinite(value) : type === 'boolean';
}

const describe = (kind: Kind): string => (typeof kind === 'string' ? kind.replace('?', ' or null') : `one of ${kind.join(', ')}`);
