import { triesOf } from '../../core/advance.ts';
import type { Config } from '../../core/config.ts';
import type { Entry } from '../../core/entry.ts';
import { hasEnded, isCompletion } from '../../core/entry.ts';
import { type ErrorCode, errorTable, isOperational } from '../../core/errors.ts';
import type { Todo } from '../../core/todo.ts';
import { jobAttempts } from '../../core/verdict.ts';
import { keptDeliveries } from '../../daemon/deliveries.ts';
import { policyFor } from '../../daemon/policy-for.ts';
import { openSessions, type RecoverySession } from '../../daemon/recovery-session.ts';
import type { ErrorClass } from '../../resilience/error-class.ts';
import type { World } from '../../world.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { spanText } from '../text/times.ts';
import { usage } from '../todos.ts';

/** Something that failed and will be tried again. */
type Waiting = {
  readonly kind: 'completion' | 'start' | 'run' | 'delivery';
  readonly id: string;
  readonly todoId: string | null;
  readonly number: number | null;
  readonly class: string;
  /** The next one, from 1. */
  readonly attempt: number;
  /** Null: never given up. */
  readonly attemptsMax: number | null;
  readonly nextAtMs: number;
  readonly lastError: string;
};

const todosMax = 1000;

/** status: what failed and waits for its next attempt. */
export const command: CommandModule = {
  declare(commander) {
    commander.addHelpText('after', '\nActions:\n  status   what waits for its next attempt: completions, starts, runs, deliveries');
  },
  async run(call) {
    const [action = 'status'] = call.args;
    if (action !== 'status') throw usage('retry', `no action ${action}`, 'Known: status. See: todo retry --help');
    const { out } = call;
    await using opened = await call.open({ readOnly: true });
    const { world, config } = opened;
    const runs = await waitingRuns(world.store, config);
    const waiting = [...waitingEntries(world, config), ...waitingDeliveries(world, config), ...runs.waiting].sort(
      (a, b) => a.nextAtMs - b.nextAtMs,
    );
    const recovering = openSessions(world.journal).map(({ id, subject, why, startedAtMs, backAtMs, drained }) => ({
      id,
      subject,
      why,
      startedAtMs,
      backAtMs,
      drained,
    }));
    out.json('retry-status', { waiting, unsure: runs.unsure, recovering });
    if (runs.unsure !== null) out.note(`The store could not be asked for todos that wait for a new run (${plain(runs.unsure)}).`);
    for (const session of recovering) out.note(recoveringText(session));
    if (waiting.length === 0) out.line('Nothing waits for another attempt.');
    else for (const line of table(columns, waiting.map(row), out.columns, out.paint)) out.line(line);
    return exit.yes;
  },
};

/** What was away, and what of all that waited is through. */
const recoveringText = ({
  subject,
  startedAtMs,
  backAtMs,
  why,
  drained,
}: Pick<RecoverySession, 'subject' | 'startedAtMs' | 'backAtMs' | 'why' | 'drained'>) =>
  backAtMs === null
    ? `The ${subject} is away since ${spanText(Date.now() - startedAtMs)} (${plain(why)}); what is for it waits here.`
    : `The ${subject} was away for ${spanText(backAtMs - startedAtMs)}; ${drained.completions + drained.deliveries} of what waited are through.`;

const columns = [
  { title: 'TODO' },
  { title: 'WHAT' },
  { title: 'CLASS' },
  { title: 'ATTEMPT' },
  { title: 'IN', align: 'right' as const },
  { title: 'LAST ERROR', grows: 'cut' as const },
];

const row = (it: Waiting) => [
  it.number === null ? '' : String(it.number),
  it.kind,
  it.class,
  it.attemptsMax === null ? String(it.attempt) : `${it.attempt} of ${it.attemptsMax}`,
  it.nextAtMs <= Date.now() ? 'now' : spanText(it.nextAtMs - Date.now()),
  plain(it.lastError),
];

function waitingEntries({ journal }: Pick<World, 'journal'>, config: Config): Waiting[] {
  return journal.live().flatMap((entry): Waiting[] => {
    const { lastError } = entry;
    if (lastError === null || hasEnded(entry.fact)) return [];
    const completes = isCompletion(entry.fact);
    if (completes && entry.attempt <= 1 && entry.defects === 0 && lastError.errorClass !== 'refused') return [];
    if (!completes && (entry.fact !== 'claimed' || entry.nextAttemptAtMs === 0)) return [];
    return [
      {
        kind: completes ? 'completion' : 'start',
        ...idsOf(entry),
        class: lastError.errorClass ?? 'temporary',
        attempt: entry.attempt,
        attemptsMax: completes && lastError.code in errorTable ? triesOf(lastError.code as ErrorCode, config) : null,
        nextAtMs: entry.nextAttemptAtMs,
        lastError: lastError.message,
      },
    ];
  });
}

const idsOf = ({ ref, todo }: Entry) => ({ id: ref.runId, todoId: ref.todoId, number: todo.number });

function waitingDeliveries({ journal }: Pick<World, 'journal'>, config: Config): Waiting[] {
  const policy = policyFor('default', config);
  return keptDeliveries(journal).flatMap((delivery): Waiting[] => {
    const last = delivery.attempts.at(-1);
    if (delivery.isDead || last === undefined) return [];
    const { attempts } = policy.rules[last.errorClass as ErrorClass] ?? policy.rules.temporary;
    const number = delivery.body['todo'];
    return [
      {
        kind: 'delivery',
        id: delivery.id,
        todoId: delivery.todoId,
        number: typeof number === 'number' ? number : null,
        class: last.errorClass,
        attempt: delivery.attempts.length + 1,
        attemptsMax: Number.isFinite(attempts) ? attempts : null,
        nextAtMs: delivery.nextAtMs,
        lastError: last.message,
      },
    ];
  });
}

async function waitingRuns(store: Pick<World['store'], 'list'>, config: Config): Promise<{ waiting: Waiting[]; unsure: string | null }> {
  try {
    const { todos } = await store.list({ statuses: ['open'], limit: todosMax });
    return { waiting: todos.filter(({ attempts }) => attempts > 0).map((todo) => waitingRun(todo, config)), unsure: null };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { waiting: [], unsure: error.message };
  }
}

const waitingRun = (todo: Todo, config: Config): Waiting => ({
  kind: 'run',
  id: todo.id,
  todoId: todo.id,
  number: todo.number,
  class: /could not be started/.test(todo.reason ?? '') ? 'runner_offline' : 'temporary',
  attempt: todo.attempts + 1,
  attemptsMax: jobAttempts(config),
  nextAtMs: todo.notBeforeMs ?? todo.updatedAtMs,
  lastError: todo.reason ?? '',
});
