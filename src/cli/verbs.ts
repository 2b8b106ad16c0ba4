import { OperationalError } from '../core/errors.ts';
import type { ScheduledVerb } from '../core/schedule.ts';
import { isTerminal, type Says } from '../core/words.ts';
import type { Call, CommandModule } from './command.ts';
import { exit } from './exit-codes.ts';
import { duration, moment } from './options.ts';
import { gerunds, type Said, sayAll, scheduleAll, type Verb, type Words } from './say.ts';
import { scheduledJson, scheduledText } from './schedule.ts';
import { plain } from './text/plain.ts';
import { endText } from './text/status.ts';
import { momentText } from './text/times.ts';
import { todoJson, usage } from './todos.ts';

const saysOf: Readonly<Record<Verb, Says>> = {
  done: 'done',
  fail: 'failed',
  block: 'blocked',
  park: 'parked',
  release: 'released',
  cancel: 'cancelled',
};

type Options = {
  readonly summary?: string;
  readonly reason?: string;
  readonly force?: true;
  readonly in?: number;
  readonly until?: number;
  readonly at?: number;
};

/**
 * Inside a run a verb is the agent's word about its own todo: a durable marker. Outside it is a person's: asked of the daemon,
 * or done by an engine in this process where none lives. A person may put it off.
 */
export const verbCommand = (verb: Verb): CommandModule => ({
  declare(commander) {
    commander
      .option('--summary <text>', 'what was done, in one line')
      .option('--reason <text>', 'why')
      .option('--force', 'end its live run first');
    if (verb === 'park') {
      commander
        .option('--in <time>', 'comes back after: 60s, 5m, 2h, 1d', duration)
        .option('--until <time>', 'comes back at: 2030-01-31T08:00', moment('ahead'));
    } else {
      commander
        .option('--in <time>', 'not now but after: 60s, 5m, 2h, 1d (a daemon says it then; take it back with: todo unschedule)', duration)
        .option('--at <time>', 'not now but at: 2030-01-31T08:00', moment('ahead'));
    }
  },
  async run(call) {
    const options = call.options as Options;
    const later = options.until ?? options.at ?? (options.in === undefined ? null : Date.now() + options.in);
    const words: Words = {
      summary: options.summary ?? null,
      reason: options.reason ?? null,
      notBeforeMs: verb === 'park' ? later : null,
      force: options.force ?? false,
    };
    const own = ownRun(call);
    if (own !== null && verb !== 'park' && later !== null)
      throw usage(verb, "inside a run a word counts at once, and this is the run's own", `Without --in: todo ${verb}`);
    if (own !== null && isOwn(call.args, own)) return sayInRun(verb, words, own, call);
    if (own !== null) {
      throw new OperationalError('REFUSED', {
        operation: gerunds[verb],
        subject: `todo ${call.args.join(' ')}`,
        why: `this is the run of todo ${own.number ?? own.todoId}, and a run speaks for its own todo only`,
        hint: `Without an ID it is your own: todo ${verb}`,
      });
    }
    if (call.args.length === 0)
      throw usage(verb, 'which todo? no ID given, and this is not inside a run', `Give a number or id: todo ${verb} ID. See: todo list`);
    return verb === 'park' || later === null ? sayAsPerson(verb, words, call) : sayLater(verb, { ...words, atMs: later }, call);
  },
});

type OwnRun = {
  readonly todoId: string;
  readonly number: string | null;
  readonly runId: string;
  readonly token: string;
  readonly home: string;
  readonly spool: string;
};

function ownRun({ env }: Call): OwnRun | null {
  const { TODO_ID: todoId, TODO_RUN: runId, TODO_TOKEN: token, TODO_HOME: home } = env;
  return todoId && runId && token && home
    ? { todoId, runId, token, home, spool: env['TODO_SPOOL'] ?? `${home}/spool`, number: env['TODO_NUMBER'] ?? null }
    : null;
}

const isOwn = (args: readonly string[], { todoId, number }: OwnRun): boolean =>
  args.every((ref) => ref === todoId || ref === number || (ref.length >= 4 && todoId.startsWith(ref)));

async function sayInRun(verb: Verb, { summary, reason, notBeforeMs }: Words, own: OwnRun, { out }: Call): Promise<number> {
  const [{ writeMarker }, { wake }] = await Promise.all([import('../platform/marker-writer.ts'), import('./hook-socket.ts')]);
  writeMarker(own, { says: saysOf[verb], summary, reason, notBeforeMs });
  await wake(own.home);
  out.json('signal', { todo: own.todoId, run: own.runId, says: saysOf[verb] });
  out.line(`Noted: ${saysOf[verb]}. ${verb === 'done' ? 'The checks decide.' : 'This run ends here.'}`);
  return exit.yes;
}

async function sayAsPerson(verb: Verb, words: Words, call: Call): Promise<number> {
  const { out } = call;
  await using opened = await call.open();
  const { store } = opened.world;
  const said = await sayAll(verb, call.args, words, opened);
  throwOnly(said);
  const done = said.filter((it) => it.ok);
  const shown = await Promise.all(done.map(async ({ todo }) => todoJson(todo, todo.status, await store.runsOf(todo.id))));
  if (said.length === 1) out.json('todo', { todo: shown[0] });
  else out.json('todos', { todos: shown, results: said.map(resultJson) });
  for (const it of said) {
    if (!it.ok) out.note(`todo: ${it.error.message}\n${it.error.hint}`);
    else {
      const { number, title, status, proof, reason } = it.todo;
      out.line(
        `Todo ${number} is ${endText(status, proof)}${isTerminal(status) || reason === null ? '' : ` (${plain(reason)})`}: ${plain(title)}`,
      );
    }
  }
  return codeOf(said);
}

async function sayLater(verb: ScheduledVerb, words: Words & { readonly atMs: number }, call: Call): Promise<number> {
  const { out } = call;
  await using opened = await call.open();
  const said = await scheduleAll(verb, call.args, words, opened);
  throwOnly(said);
  const daemon = await opened.wake();
  out.json('scheduled', { results: said.map(resultJson), daemon });
  const nowMs = Date.now();
  for (const it of said) {
    if (!it.ok) out.note(`todo: ${it.error.message}\n${it.error.hint}`);
    else if (it.scheduled)
      out.line(`Todo ${it.todo.number} ${scheduledText(it.scheduled, nowMs)} (${momentText(it.scheduled.atMs)}): ${plain(it.todo.title)}`);
  }
  if (!daemon) out.note('No daemon runs in this home, and only one can say it then. Start it with: todo daemon start');
  return codeOf(said);
}

/** One todo that could not be had is an error as anywhere. */
function throwOnly(said: readonly Said[]): void {
  const [only, ...more] = said;
  if (only?.ok === false && more.length === 0) throw only.error;
}

const codeOf = (said: readonly Said[]): number => (said.every(({ ok }) => ok) ? exit.yes : exit.no);

/** One line of `results`. */
export const resultJson = (said: Said) =>
  said.ok
    ? {
        ref: said.ref,
        ok: true,
        id: said.todo.id,
        number: said.todo.number,
        status: said.todo.status,
        proof: said.todo.proof,
        scheduled: scheduledJson(said.scheduled, said.todo.status),
        code: null,
        message: null,
        hint: null,
      }
    : {
        ref: said.ref,
        ok: false,
        ...{ id: null, number: null, status: null, proof: null, scheduled: null },
        ...{ code: said.error.code, message: said.error.message, hint: said.error.hint },
      };
