import type { ControlReply, ControlRequest } from '../core/control.ts';
import { type ErrorCode, errorTable, isOperational, OperationalError } from '../core/errors.ts';
import { isTerminal, type Says } from '../core/words.ts';
import type { Call, CommandModule, Opened } from './command.ts';
import { exit, exitCodeOf } from './exit-codes.ts';
import { duration, moment } from './options.ts';
import { plain } from './text/plain.ts';
import { endText } from './text/status.ts';
import { findTodo, todoJson, usage } from './todos.ts';

export type Verb = Extract<ControlRequest, { op: 'verb' }>['verb'];

const saysOf: Readonly<Record<Verb, Says>> = {
  done: 'done',
  fail: 'failed',
  block: 'blocked',
  park: 'parked',
  release: 'released',
  cancel: 'cancelled',
};

/** How a verb is told of: "todo 7 is …". */
const gerundOf: Readonly<Record<Verb, string>> = {
  done: 'completing',
  fail: 'failing',
  block: 'blocking',
  park: 'parking',
  release: 'releasing',
  cancel: 'cancelling',
};

type Options = {
  readonly summary?: string;
  readonly reason?: string;
  readonly force?: true;
  readonly in?: number;
  readonly until?: number;
};

/**
 * Inside a run a verb is the agent's word about its own todo: a durable marker. Outside it is a person's: asked of the daemon,
 * or done by an engine in this process where none lives.
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
    }
  },
  async run(call) {
    const options = call.options as Options;
    const words = {
      summary: options.summary ?? null,
      reason: options.reason ?? null,
      notBeforeMs: options.until ?? (options.in === undefined ? null : Date.now() + options.in),
    };
    const own = ownRun(call);
    if (own !== null && isOwn(call.args, own)) return sayInRun(verb, words, own, call);
    if (own !== null) {
      throw new OperationalError('REFUSED', {
        operation: gerundOf[verb],
        subject: `todo ${call.args.join(' ')}`,
        why: `this is the run of todo ${own.number ?? own.todoId}, and a run speaks for its own todo only`,
        hint: `Without an ID it is your own: todo ${verb}`,
      });
    }
    if (call.args.length === 0)
      throw usage(verb, 'which todo? no ID given, and this is not inside a run', `Give a number or id: todo ${verb} ID. See: todo list`);
    return sayAsPerson(verb, { ...words, force: options.force ?? false }, call);
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

type Words = { readonly summary: string | null; readonly reason: string | null; readonly notBeforeMs: number | null };

async function sayInRun(verb: Verb, words: Words, own: OwnRun, { out }: Call): Promise<number> {
  const [{ writeMarker }, { wake }] = await Promise.all([import('../platform/marker-writer.ts'), import('./hook-socket.ts')]);
  writeMarker(own, { says: saysOf[verb], ...words });
  await wake(own.home);
  out.json('signal', { todo: own.todoId, run: own.runId, says: saysOf[verb] });
  out.line(`Noted: ${saysOf[verb]}. ${verb === 'done' ? 'The checks decide.' : 'This run ends here.'}`);
  return exit.yes;
}

type Said = { readonly ref: string; readonly error: OperationalError | null; readonly id: string | null };

async function sayAsPerson(verb: Verb, words: Words & { force: boolean }, call: Call): Promise<number> {
  const { out } = call;
  await using opened = await call.open();
  const said: Said[] = [];
  // One after the other, so that each has its own result and a bad one stops none of the others.
  for (const ref of call.args) said.push(await sayOne(verb, ref, words, opened));
  const only = said.length === 1 ? said[0] : undefined;
  if (only?.error) throw only.error;
  const todos = await Promise.all(said.map(async ({ id }) => (id === null ? null : await opened.world.store.find(id))));
  const shown = await Promise.all(
    todos.map(async (todo) => (todo === null ? null : todoJson(todo, todo.status, await opened.world.store.runsOf(todo.id)))),
  );
  if (only) out.json('todo', { todo: shown[0] });
  else
    out.json('todos', {
      todos: shown.filter((todo) => todo !== null),
      results: said.map(({ ref, id, error }) => ({
        ref,
        id,
        ok: error === null,
        code: error?.code ?? null,
        message: error?.message ?? null,
      })),
    });
  said.forEach(({ error }, index) => {
    const todo = todos[index];
    if (error) out.note(`todo: ${error.message}\n${error.hint}`);
    else if (todo)
      out.line(
        `Todo ${todo.number} is ${endText(todo.status, todo.proof)}${isTerminal(todo.status) || todo.reason === null ? '' : ` (${plain(todo.reason)})`}: ${plain(todo.title)}`,
      );
  });
  return said.reduce<number>((worst, { error }) => (error && worst === exit.yes ? exitCodeOf[error.code] : worst), exit.yes);
}

async function sayOne(
  verb: Verb,
  ref: string,
  { summary, reason, notBeforeMs, force }: Words & { force: boolean },
  opened: Opened,
): Promise<Said> {
  try {
    const todo = await findTodo(opened.world.store, ref, gerundOf[verb]);
    const reply = await askOrDo({ op: 'verb', verb, todoId: todo.id, summary, reason, force, notBeforeMs }, todo.id, opened);
    if (!reply.ok) throw refusal(reply, gerundOf[verb], `todo ${todo.number}`);
    return { ref, error: null, id: todo.id };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { ref, error, id: null };
  }
}

/** Verbs wait for the end of what they began, up to a minute; the daemon says so by then. */
const verbWaitMs = 90_000;

export async function askOrDo(request: ControlRequest, todoId: string, opened: Opened): Promise<ControlReply> {
  const asked = await opened.ask(request, verbWaitMs);
  if (asked !== null) return asked;
  const { inProcess } = await import('./engine.ts');
  return inProcess(opened, todoId, (engine) => engine.serve(request));
}

/** What an engine refused, as an error of ours: what was tried and on what stands in front, as everywhere. */
export function refusal(
  { code, message, hint }: Extract<ControlReply, { ok: false }>,
  operation = 'recovering',
  subject = 'this home',
): OperationalError {
  const known: ErrorCode = code in errorTable ? (code as ErrorCode) : 'REFUSED';
  const why = message.replace(new RegExp(`^${code} while [^:]*: `), '').replace(`${subject} `, 'it ');
  return new OperationalError(known, { operation, subject, why, hint: hint.replace(/\bID\b/, subject.replace(/^todo /, '')) });
}
