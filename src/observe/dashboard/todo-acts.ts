import type { ActionReply, ActionRequest, TodoAction, TodoPage } from '../../core/dashboard.ts';
import { livingStatuses } from '../../core/words.ts';
import type { Act, Choice, Given, Told } from './act.tsx';
import { type Answer, get, post } from './ask.ts';
import { say } from './language.ts';
import { wordOfStatus } from './mark.tsx';
import { type Filter, queryOf } from './route.ts';

const choices: Readonly<Record<TodoAction, Omit<Choice, 'action'>>> = {
  done: { label: 'done', will: 'doneWill', fields: ['summary', 'force'] },
  fail: { label: 'fail', will: 'failWill', fields: ['force'] },
  block: { label: 'block', will: 'blockWill', fields: ['force'] },
  park: { label: 'park', will: 'parkWill', fields: ['until', 'force'] },
  release: { label: 'release', will: 'releaseWill', fields: ['force'] },
  cancel: { label: 'cancelTodo', will: 'cancelWill', fields: [] },
  hold: { label: 'hold', will: 'holdWill', fields: [] },
  unhold: { label: 'unhold', will: 'unholdWill', fields: [] },
  emergency: { label: 'emergencyDo', will: 'emergencyWill', fields: ['emergency'] },
};

export const labelOf = (action: TodoAction): string => say(choices[action].label);

export const actOn = (todo: { readonly id: string; readonly number: number; readonly title: string }, action: TodoAction): Act => ({
  title: `${labelOf(action)}: #${todo.number}`,
  subject: todo.title,
  choices: [{ action, ...choices[action] }],
  send: (given, key) => send({ ids: [todo.id] }, given, key),
});

/** In one request; the server takes no more. */
const mostAtOnce = 1000;
const bulkActions: readonly TodoAction[] = ['hold', 'unhold', 'release', 'park', 'block', 'cancel', 'fail', 'emergency'];

/** Of what has ended nothing can be done any more, so without a status those that live are meant. */
const meant = (filter: Filter): Filter => ({ ...filter, status: filter.status.length > 0 ? filter.status : livingStatuses });

export const actOnAll = (filter: Filter): Act => {
  const { status, q, agent, project } = meant(filter);
  const given = { status, q: q.trim(), agent: agent.trim(), project: project.trim() };
  const matching = Object.fromEntries(Object.entries(given).filter(([, value]) => value.length > 0));
  return {
    title: say('bulk'),
    subject: [...status.map(wordOfStatus), q, agent, project].filter((it) => it !== '').join(' · '),
    choices: bulkActions.map((action) => ({ action, ...choices[action] })),
    count: async () => {
      const answer = await get<TodoPage>(`/api/todos?limit=${mostAtOnce}&${queryOf(meant(filter))}`);
      return answer.ok ? { ...answer, value: { count: answer.value.todos.length, isMore: answer.value.truncated } } : answer;
    },
    send: (given, key) => send({ matching }, given, key),
  };
};

async function send(
  todos: ActionRequest['todos'],
  { action, reason, summary, untilMs, emergency, force }: Given,
  key: string,
): Promise<Answer<Told>> {
  const request: ActionRequest = {
    action: action as TodoAction,
    todos,
    reason,
    ...(summary === null ? {} : { summary }),
    ...(untilMs === null ? {} : { untilMs }),
    ...(emergency === null ? {} : { emergency }),
    ...(force ? { force } : {}),
  };
  const answer = await post<ActionReply>('/api/todos/actions', request, key);
  return answer.ok ? { ...answer, value: told(request.action, answer.value) } : answer;
}

function told(action: TodoAction, { results }: ActionReply): Told {
  const not = results.filter(({ ok }) => !ok);
  const [only] = not;
  if (only === undefined)
    return results.length === 1
      ? { text: say('did', { action: labelOf(action) }), tone: 'good' }
      : { text: say('didMany', { action: labelOf(action), ok: results.length, not: 0 }), tone: 'good' };
  const why = [...new Set(not.map(({ message, code }) => message ?? code ?? '?'))].slice(0, 3).join(' · ');
  if (results.length === 1) return { text: say('refused', { action: labelOf(action), why }), tone: 'bad' };
  return { text: `${say('didMany', { action: labelOf(action), ok: results.length - not.length, not: not.length })}: ${why}`, tone: 'bad' };
}
