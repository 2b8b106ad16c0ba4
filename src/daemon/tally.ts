import type { Entry } from '../core/entry.ts';
import { outcomes, proofs, verdicts } from '../core/words.ts';
import { newTally, type Tallied, type Tally } from '../observe/tally.ts';
import { errorClasses } from '../resilience/error-class.ts';
import type { Context } from './context.ts';
import { breakerNames } from './outside.ts';

const sources = ['structured output', 'session folder', 'terminal output', 'store'];
/** The four layers in their order. */
const layers = ['collect', 'report', 'record', 'confirm'];
const layerBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
const quickBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const runBuckets = [1, 10, 60, 300, 900, 1800, 3600, 7200, 14_400, 43_200];
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

type Name =
  | 'todo_completions'
  | 'todo_completed'
  | 'todo_completion_duration_seconds'
  | 'todo_layer_duration_seconds'
  | 'todo_run_duration_seconds'
  | 'todo_collect_source'
  | 'todo_retry_attempts'
  | 'todo_dead_lettered'
  | 'todo_errors'
  | 'todo_breaker_transitions'
  | 'todo_http_requests'
  | 'todo_http_request_duration_seconds';
export type DaemonTally = Tally<Name>;

/** What happens in this daemon's life, counted. A restart begins at nought, as every scraper expects of a counter. */
export function newDaemonTally(agents: Iterable<string>): DaemonTally {
  const table: Readonly<Record<Name, Tallied>> = {
    todo_completions: { help: 'Runs brought to their end by this daemon, by outcome.', labels: { outcome: outcomes } },
    todo_completed: { help: 'Todos completed by this daemon, by what proved it.', labels: { proof: proofs } },
    todo_completion_duration_seconds: {
      help: 'From the first word that a run has ended until all of it was recorded, confirmed and cleaned.',
      labels: {},
      buckets: quickBuckets,
    },
    todo_layer_duration_seconds: {
      help: 'What each layer of a completion took, waits between tries left out.',
      labels: { layer: layers },
      buckets: layerBuckets,
    },
    todo_run_duration_seconds: { help: 'From the start of a run to its end.', labels: { agent: [...agents] }, buckets: runBuckets },
    todo_collect_source: {
      help: 'Sources of output that were tried, by verdict.',
      labels: { source: sources, verdict: verdicts },
    },
    todo_retry_attempts: {
      help: 'Steps of completions that failed and were or will be tried again, by class of error.',
      labels: { class: errorClasses },
    },
    todo_dead_lettered: { help: 'Completions given up, by class of the last error.', labels: { class: errorClasses } },
    todo_errors: { help: 'Steps of completions that failed, given up ones included.', labels: {} },
    todo_breaker_transitions: {
      help: 'Changes of state of the circuit breakers.',
      labels: { dependency: breakerNames, to: ['closed', 'open', 'half-open', 'isolated'] },
    },
    todo_http_requests: {
      help: 'Requests answered over HTTP.',
      labels: { page: pageNames, code: httpCodes },
    },
    todo_http_request_duration_seconds: {
      help: 'Time to answer a request over HTTP.',
      labels: { page: pageNames },
      buckets: requestBuckets,
    },
  };
  return newTally(table);
}

/** Each page has a row (test/observe/serve.test.ts sees to it); the pages themselves are loaded by who has a server. */
export const pageNames: readonly string[] = [
  '/',
  '/dashboard/:name',
  '/livez',
  '/startupz',
  '/readyz',
  '/health',
  '/metrics',
  '/status',
  '/api/status/cache',
  '/api/todos',
  '/api/todos/:id',
  '/api/todos/:id/report',
  '/r/:key/report.html',
  '/api/todos/actions',
  '/api/dead-letters/:id/requeue',
  '/api/breakers/:name',
  '/api/heal',
  '/api/overview',
  '/api/status.html',
  '/api/health/history',
  '/api/ai/health',
  '/events',
  '/health/metrics',
  '/self-healing/status',
  '/self-healing/history',
  '/self-healing/config',
  '/circuit-breakers/status',
  '/circuit-breakers/:name/reset',
  '/retry-manager/status',
  '/retry-manager/dead-letter-queue',
  '/health/thresholds/update',
  '/api/login-codes',
  '/api/login',
  '/api/logout',
  '/api/session',
  '/api/sessions',
  '/api/sessions/:id',
];
const httpCodes = ['200', '201', '304', '400', '401', '403', '404', '405', '409', '413', '415', '421', '422', '429', '500', '503'];

export function tallyEnd({ tally, world }: Pick<Context, 'tally' | 'world'>, entry: Entry): void {
  const { fact, ending, collected, timeline, todo, startedAtMs } = entry;
  if (fact === 'dead-lettered') {
    tally.count('todo_dead_lettered', { class: entry.deaths?.at(-1)?.errorClass ?? 'other' });
    return;
  }
  if (ending === null) return;
  tally.count('todo_completions', { outcome: ending.outcome });
  if (ending.todoStatus === 'completed') tally.count('todo_completed', { proof: ending.proof ?? 'other' });
  // Clocks are set now and then: no time is negative.
  const seconds = (fromMs: number, toMs: number): number => Math.max(0, toMs - fromMs) / 1000;
  const wordAtMs = timeline.find((it) => it.fact === 'signalled')?.atMs;
  if (wordAtMs !== undefined) tally.observe('todo_completion_duration_seconds', {}, seconds(wordAtMs, world.clock.nowMs()));
  for (const [at, layer] of layers.entries()) {
    const took = timeline.filter((it) => it.layer === at + 1 && it.durationMs !== null);
    if (took.length === 0) continue;
    tally.observe(
      'todo_layer_duration_seconds',
      { layer },
      took.reduce((sum, { durationMs }) => sum + Math.max(0, durationMs ?? 0), 0) / 1000,
    );
  }
  if (collected === null) return;
  tally.observe('todo_run_duration_seconds', { agent: todo.agent }, seconds(startedAtMs, collected.endedAtMs));
  for (const { name, verdict } of collected.sources) tally.count('todo_collect_source', { source: name, verdict });
}

export function tallyFailedStep({ tally }: Pick<Context, 'tally'>, { lastError, givenUp }: Entry): void {
  tally.count('todo_errors', {});
  if (givenUp === null) tally.count('todo_retry_attempts', { class: lastError?.errorClass ?? 'other' });
}
