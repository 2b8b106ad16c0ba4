import { isOperational, OperationalError } from '../core/errors.ts';
import { scheduledVerbs } from '../core/schedule.ts';
import type { BatchOptions, CompletionApi, HomeOption, IsOperationalError, SessionData, TodoRef, WordOptions } from './api-types.ts';
import type { Opened, OpenOptions } from './command.ts';
import type { Verb } from './say.ts';

/** What `import { completionApi } from 'signoff'` gives. Everything behind it is loaded by the first call that needs it. */
export const completionApi: CompletionApi = {
  async scheduleCompletion(todo, options) {
    const { verb = 'done' } = options;
    if (!(scheduledVerbs as readonly string[]).includes(verb)) throw usage('scheduleCompletion', `"${verb}" cannot be put off`);
    const atMs = timeOf(options);
    const words = wordsOf('scheduleCompletion', options);
    const { scheduleAll } = await import('./say.ts');
    await using opened = await open(options);
    const [said] = await scheduleAll(verb, [refOf('scheduleCompletion', todo)], { ...words, atMs }, opened);
    if (said?.ok !== true || said.scheduled === null) throw said?.ok === false ? said.error : new Error('nothing was scheduled');
    const daemon = await opened.wake();
    return { id: said.scheduled.id, todo: { id: said.todo.id, number: said.todo.number }, verb, atMs, daemon };
  },

  async cancelScheduledCompletion(todo, options = {}) {
    const ref = refOf('cancelScheduledCompletion', todo);
    refuseInsideRun('cancelScheduledCompletion');
    const [{ unschedule }, { findTodo }] = await Promise.all([import('./schedule.ts'), import('./todos.ts')]);
    await using opened = await open(options);
    const item = await unschedule(await findTodo(opened.world.store, ref, 'unscheduling'), opened);
    await opened.wake();
    return item !== null;
  },

  async batchComplete(todos, options = {}) {
    const { verb = 'done' } = options;
    if (!(verbs as readonly string[]).includes(verb)) throw usage('batchComplete', `"${verb}" is no word about a todo`);
    if (!Array.isArray(todos) || todos.length > batchMax) throw usage('batchComplete', `a list of at most ${batchMax} todos is needed`);
    const refs = todos.map((todo) => refOf('batchComplete', todo));
    const words = wordsOf('batchComplete', options);
    const { sayAll } = await import('./say.ts');
    await using opened = await open(options);
    const said = await sayAll(verb satisfies NonNullable<BatchOptions['verb']>, refs, { ...words, notBeforeMs: null }, opened);
    return {
      ok: said.every(({ ok }) => ok),
      results: said.map((it) => {
        if (!it.ok) return it;
        const { id, number, status, proof } = it.todo;
        return { ref: it.ref, ok: true, id, number, status, proof, error: null };
      }),
    };
  },

  async getCompletionMetrics(options = {}) {
    const range = { sinceMs: momentIn(options, 'sinceMs'), untilMs: momentIn(options, 'untilMs') };
    const { completionMetrics } = await import('../core/completion-metrics.ts');
    await using opened = await open(options, { readOnly: true });
    return completionMetrics(await opened.world.store.ended(range), range);
  },

  async exportSessionData(todo, options = {}) {
    const ref = refOf('exportSessionData', todo);
    const [{ exportTodo, saveExport }, { findTodo }, { resolve }] = await Promise.all([
      import('./export-todo.ts'),
      import('./todos.ts'),
      import('node:path'),
    ]);
    await using opened = await open(options, { readOnly: true });
    const document = await exportTodo(await findTodo(opened.world.store, ref, 'exporting'), opened);
    const saved = options.file === undefined ? null : saveExport(document, resolve(options.file), opened);
    return { data: { schemaVersion: 1, kind: 'export', ...document } satisfies SessionData, saved };
  },
};

export const isOperationalError: IsOperationalError = isOperational;

const verbs = [...scheduledVerbs, 'park'] as const satisfies readonly Verb[];
/** More than anybody means in one call. */
const batchMax = 10_000;
const delayMsMax = 366 * 86_400_000;

async function open({ home }: HomeOption, how: OpenOptions = {}): Promise<Opened> {
  const { openWorld } = await import('./world.ts');
  return openWorld({ home: home ?? null, env: process.env, cwd: process.cwd() }, how);
}

function wordsOf(operation: string, { summary, reason, force }: WordOptions) {
  refuseInsideRun(operation);
  for (const [name, text] of Object.entries({ summary, reason }))
    if (text !== undefined && typeof text !== 'string') throw usage(operation, `${name} is no text`);
  return { summary: summary ?? null, reason: reason ?? null, force: force === true };
}

/** As the commands do: an agent's word is `todo done` in its own run, and never about another todo. */
function refuseInsideRun(operation: string): void {
  if (!process.env['TODO_RUN']) return;
  throw new OperationalError('REFUSED', {
    operation: `calling completionApi.${operation} in`,
    subject: `run ${process.env['TODO_RUN']}`,
    why: 'a run speaks for its own todo only',
    hint: 'Inside a run say: todo done',
  });
}

function refOf(operation: string, todo: TodoRef): string {
  const fits = typeof todo === 'number' ? Number.isSafeInteger(todo) && todo > 0 : typeof todo === 'string' && todo !== '';
  if (!fits)
    throw usage(operation, `${JSON.stringify(todo) ?? 'nothing'} names no todo: its number, its id or a unique start of the id is needed`);
  return String(todo);
}

function timeOf({ inMs, atMs }: { readonly inMs?: number; readonly atMs?: number }): number {
  if ((inMs === undefined) === (atMs === undefined)) throw usage('scheduleCompletion', 'either inMs or atMs is needed');
  const time = atMs ?? Date.now() + Number(inMs);
  const fits = Number.isSafeInteger(Math.round(time)) && time > 0 && (inMs === undefined || (inMs > 0 && inMs <= delayMsMax));
  if (!fits) throw usage('scheduleCompletion', `${inMs ?? atMs} is no time: milliseconds from now, or UTC milliseconds`);
  return Math.round(time);
}

function momentIn(options: { readonly sinceMs?: number; readonly untilMs?: number }, name: 'sinceMs' | 'untilMs'): number | null {
  const value = options[name];
  if (value === undefined) return null;
  if (!Number.isFinite(value)) throw usage('getCompletionMetrics', `${name} is ${value}, not UTC milliseconds`);
  return Math.round(value);
}

const usage = (operation: string, why: string): OperationalError =>
  new OperationalError('USAGE', {
    operation: 'calling',
    subject: `completionApi.${operation}`,
    why,
    hint: 'See the types that come with signoff.',
  });
