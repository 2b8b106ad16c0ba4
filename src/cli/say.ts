import type { ControlReply, ControlRequest } from '../core/control.ts';
import { type ErrorCode, errorTable, isOperational, OperationalError } from '../core/errors.ts';
import type { Scheduled, ScheduledVerb } from '../core/schedule.ts';
import type { Todo } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import type { Opened } from './command.ts';
import { scheduleWord } from './schedule.ts';
import { findTodo } from './todos.ts';

export type Verb = Extract<ControlRequest, { op: 'verb' }>['verb'];

/** How a verb is told of: "todo 7 is …". */
export const gerunds: Readonly<Record<Verb, string>> = {
  done: 'completing',
  fail: 'failing',
  block: 'blocking',
  park: 'parking',
  release: 'releasing',
  cancel: 'cancelling',
};

export type Words = {
  readonly summary: string | null;
  readonly reason: string | null;
  /** For park: when it comes back. */
  readonly notBeforeMs: number | null;
  /** End its live run first. */
  readonly force: boolean;
};

/** What became of one of several; each has its own. `todo` is as the store has it afterwards. */
export type Said =
  | { readonly ref: string; readonly ok: true; readonly todo: Todo; readonly scheduled: Scheduled | null }
  | { readonly ref: string; readonly ok: false; readonly error: OperationalError };

/** A person's word about each of them, one after the other: a bad one stops none of the others. Errors without a code are defects and leave. */
export async function sayAll(verb: Verb, refs: readonly string[], words: Words, opened: Opened): Promise<readonly Said[]> {
  return await each(refs, async (ref) => {
    const { store } = opened.world;
    const todo = await findTodo(store, ref, gerunds[verb]);
    const { summary, reason, force, notBeforeMs } = words;
    const reply = await askOrDo({ op: 'verb', verb, todoId: todo.id, summary, reason, force, notBeforeMs }, todo.id, opened);
    if (!reply.ok) throw refusal(reply, gerunds[verb], `todo ${todo.number}`);
    return { todo: (await store.find(todo.id)) ?? todo, scheduled: null };
  });
}

/** The same word, put off: durable in the journal when this resolves, said by the daemon of this home when its time has come. */
export async function scheduleAll(
  verb: ScheduledVerb,
  refs: readonly string[],
  words: Omit<Words, 'notBeforeMs'> & { readonly atMs: number },
  opened: Opened,
): Promise<readonly Said[]> {
  const said = await each(refs, async (ref) => {
    const todo = await findTodo(opened.world.store, ref, `scheduling the ${gerunds[verb]} of`);
    if (isTerminal(todo.status))
      throw new OperationalError('REFUSED', {
        operation: `scheduling the ${gerunds[verb]} of`,
        subject: `todo ${todo.number}`,
        why: `it has ended: ${todo.status}`,
      });
    const { summary, reason, force, atMs } = words;
    return { todo, scheduled: await scheduleWord(todo, { verb, summary, reason, force, atMs }, opened) };
  });
  return said;
}

async function each(
  refs: readonly string[],
  act: (ref: string) => Promise<{ readonly todo: Todo; readonly scheduled: Scheduled | null }>,
): Promise<readonly Said[]> {
  const said: Said[] = [];
  for (const ref of refs) {
    try {
      said.push({ ref, ok: true, ...(await act(ref)) });
    } catch (error) {
      if (!isOperational(error)) throw error;
      said.push({ ref, ok: false, error });
    }
  }
  return said;
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
