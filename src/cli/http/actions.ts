import type { ActionReply, ActionRequest, Asker, TodoAction } from '../../core/dashboard.ts';
import { isOperational, OperationalError } from '../../core/errors.ts';
import { livingStatuses, type ShownStatus } from '../../core/words.ts';
import type { Engine } from '../../daemon/engine.ts';
import { noteEvent } from '../../daemon/notebook.ts';
import { configurationStatus } from '../../daemon/reload.ts';
import type { Actions, HealingConfig } from '../../observe/shown.ts';
import { letterBy, lettersOf } from '../dead-letters.ts';
import { setHeld } from '../held.ts';
import { gerunds, refusal } from '../say.ts';
import { findTodo, listShown } from '../todos.ts';
import { healingConfigOf } from './healing-config.ts';
import { onceIn } from './once.ts';

/** Of one request; more is said (`truncated`). */
const todosMax = 1_000;
/** Words that are said at once: each may wait for its end. */
const atOnceMax = 16;

/** What a person does over HTTP: the requests that the commands make, and who asked for it and why in the audit trail. */
export function actionsOf(engine: Engine): Actions {
  const { context } = engine;
  const { world } = context;

  return {
    once: onceIn(world),

    async onTodos(request, by) {
      const { refs, truncated } = await meant(request);
      const results = await inParallel(refs, (ref) => onOne(ref, request, by));
      return { schemaVersion: 1, kind: 'action', results, truncated };
    },

    async requeue(ref, { reason, force = false }, by) {
      const { letters } = await lettersOf(world);
      const letter = letterBy(ref, letters);
      const id = letter?.id ?? ref;
      const reply = await engine.request({ op: 'requeue', id, force }, context.stop);
      audit(by, 'dead-letter requeue asked for', { letter: id, reason, outcome: reply.ok ? 'done' : reply.code }, letter?.todoId ?? null);
      if (!reply.ok) throw refusal(reply, 'requeuing', `dead letter ${ref}`);
      return { schemaVersion: 1, kind: 'requeued', id, already: reply.kind === 'requeued' && reply.already };
    },

    async breaker(name, { action, reason }, by) {
      // Its own line in the audit trail says why.
      const reply = await engine.request({ op: 'breaker', action, name, why: `${reason} (${by.actor})` }, context.stop);
      if (!reply.ok) throw refusal(reply, action === 'reset' ? 'resetting' : 'isolating', `breaker ${name}`);
      return { schemaVersion: 1, kind: 'breakers', breakers: reply.kind === 'breakers' ? reply.breakers : [] };
    },

    async heal({ what, dryRun, reason }, by) {
      const reply = await engine.request({ op: 'heal', what, dryRun }, context.stop);
      if (!dryRun) audit(by, 'heal', { what, reason, outcome: reply.ok ? 'done' : reply.code });
      if (!reply.ok && reply.retryAfterMs !== undefined) return { retryAfterMs: reply.retryAfterMs, message: reply.message };
      if (!reply.ok) throw refusal(reply, 'healing', what ?? 'all');
      if (reply.kind !== 'healed') throw new Error(`heal was answered with ${reply.kind}`);
      return { schemaVersion: 1, kind: 'heal', dryRun, ...reply.healed };
    },

    async configure({ key, value, version, reason }, by) {
      const before = healingConfigNow(engine);
      if (version !== undefined && version !== before.version)
        throw new OperationalError('REFUSED', {
          operation: 'setting',
          subject: key,
          why: `the configuration is of version ${before.version} by now, not ${version}`,
          hint: 'Look at it again: GET /self-healing/config',
        });
      const reply = await engine.request({ op: 'configure', key, value: value === null ? null : JSON.stringify(value) }, context.stop);
      audit(by, 'configure', { key, value, reason, outcome: reply.ok ? 'done' : reply.code });
      if (!reply.ok) throw refusal(reply, 'setting', key);
      return healingConfigNow(engine);
    },
  };

  async function meant({ todos }: ActionRequest): Promise<{ readonly refs: readonly string[]; readonly truncated: boolean }> {
    if ('ids' in todos) return { refs: [...new Set(todos.ids)], truncated: false };
    const { status, q, agent, project } = todos.matching;
    const statuses = (status ?? livingStatuses) as readonly ShownStatus[];
    const filter = { statuses, text: q ?? null, agent: agent ?? null, project: project ?? null, limit: todosMax };
    const found = await listShown(world, filter);
    return { refs: found.todos.map(({ id }) => id), truncated: found.truncated };
  }

  async function onOne(ref: string, request: ActionRequest, by: Asker): Promise<ActionReply['results'][number]> {
    let about: { id: string; number: number | null } = { id: ref, number: null };
    try {
      const { id, number } = await findTodo(world.store, ref, words[request.action]);
      about = { id, number };
      const status = await act(id, number, request);
      audit(by, `asked: ${request.action}`, { reason: request.reason, outcome: status ?? 'goes on' }, id);
      return { ...about, ok: true, status, code: null, message: null };
    } catch (error) {
      if (!isOperational(error)) throw error;
      if (about.number !== null) audit(by, `asked: ${request.action}`, { reason: request.reason, outcome: error.code }, about.id);
      return { ...about, ok: false, status: null, code: error.code, message: error.message };
    }
  }

  /** The status it came to; null where its end is still to come. */
  async function act(todoId: string, number: number, request: ActionRequest): Promise<string | null> {
    const { action, reason } = request;
    if (action === 'hold' || action === 'unhold') {
      const { status } = await setHeld(todoId, action === 'hold', world.store);
      if (action === 'unhold') engine.wake();
      return status;
    }
    const reply = await engine.request(
      action === 'emergency'
        ? { op: 'emergency', todoId, action: request.emergency ?? 'complete', reason }
        : {
            ...{ op: 'verb', verb: action, todoId, reason },
            ...{ summary: request.summary ?? null, force: request.force ?? false, notBeforeMs: request.untilMs ?? null },
          },
      context.stop,
    );
    if (!reply.ok) throw refusal(reply, words[action], `todo ${number}`);
    return reply.kind === 'ended' ? reply.status : null;
  }

  function audit(by: Asker, what: string, detail: Readonly<Record<string, unknown>>, todoId: string | null = null): void {
    noteEvent(context, { kind: 'audit', todoId, what, detail: JSON.stringify({ by: by.actor, via: `http, ${by.via}`, ...detail }) });
  }
}

export function healingConfigNow({ context }: Engine): HealingConfig {
  return healingConfigOf(context.config, configurationStatus(context).needsRestart, context.world.digest);
}

const words: Readonly<Record<TodoAction, string>> = {
  ...gerunds,
  hold: 'holding',
  unhold: 'unholding',
  emergency: 'ending',
};

async function inParallel<T, U>(items: readonly T[], work: (item: T) => Promise<U>): Promise<readonly U[]> {
  const results: U[] = [];
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of left) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
  return results;
}
