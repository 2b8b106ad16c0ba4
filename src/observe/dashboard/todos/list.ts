import { computed, effect, signal } from '@preact/signals';
import type { TodoLine, TodoPage } from '../../../core/dashboard.ts';
import { actsDone } from '../act.tsx';
import { get } from '../ask.ts';
import { say } from '../language.ts';
import { overview, refreshes } from '../live.ts';
import { route } from '../navigate.ts';
import { type Filter, queryOf } from '../route.ts';

export type Listed = {
  readonly filter: Filter;
  readonly todos: readonly TodoLine[];
  readonly next: string | null;
  /** The store is away: what was last seen of it. */
  readonly stale: { readonly asOf: string | null; readonly why: string } | null;
};

/** Null: nothing came yet. */
export const listed = signal<Listed | null>(null);
export const problem = signal<string | null>(null);
export const isAskingOlder = signal(false);

const pageSize = 100;
const mostAtOnce = 1000;
/** A storm of changes is one question. */
const againMs = 2_000;

const filterNow = computed(() => (route.value.view === 'todos' ? route.value.filter : null));
/** What makes another answer likely. */
const changes = computed(() => `${overview.value?.todosVersion ?? 0} ${actsDone.value} ${refreshes.value}`);

let asked: AbortController | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let lastAskedMs = 0;

// Another filter is asked for at once, changes of what is shown a little later.
effect(() => {
  const filter = filterNow.value;
  if (filter === null) return;
  if (!isOf(listed.peek(), filter)) listed.value = null;
  problem.value = null;
  void load(filter);
});
let seen = changes.peek();
effect(() => {
  if (seen === changes.value) return;
  seen = changes.value;
  clearTimeout(timer);
  timer = setTimeout(reload, Math.max(0, lastAskedMs + againMs - Date.now()));
});

export function reload(): void {
  const filter = filterNow.peek();
  if (filter !== null) void load(filter);
}

/** As much of it as is shown, newest first. What lies beyond the most that one question brings stays as it was. */
async function load(filter: Filter): Promise<void> {
  asked?.abort();
  asked = new AbortController();
  const { signal: stop } = asked;
  clearTimeout(timer);
  lastAskedMs = Date.now();
  const before = isOf(listed.peek(), filter) ? listed.peek()!.todos : [];
  const limit = Math.min(mostAtOnce, Math.max(pageSize, before.length));
  const answer = await get<TodoPage>(`/api/todos?limit=${limit}&${queryOf(filter)}`, stop);
  if (stop.aborted) return;
  if (!answer.ok) {
    problem.value = said(answer);
    return;
  }
  problem.value = null;
  const { todos, next } = answer.value;
  const last = todos.at(-1)?.number ?? 0;
  const beyond = next === null ? [] : before.filter(({ number }) => number < last);
  listed.value = {
    filter,
    todos: [...todos, ...beyond],
    next: beyond.length > 0 ? listed.peek()!.next : next,
    stale: staleOf(answer.value),
  };
}

/** The next page below. What is above may be asked for anew meanwhile. */
export async function loadOlder(): Promise<void> {
  const from = listed.peek();
  if (from?.next == null || isAskingOlder.peek()) return;
  isAskingOlder.value = true;
  const answer = await get<TodoPage>(`/api/todos?limit=${pageSize}&before=${encodeURIComponent(from.next)}&${queryOf(from.filter)}`);
  isAskingOlder.value = false;
  const now = listed.peek();
  if (now?.next !== from.next || !isOf(now, from.filter)) return;
  if (!answer.ok) {
    problem.value = said(answer);
    return;
  }
  const { todos, next } = answer.value;
  listed.value = { ...now, todos: [...now.todos, ...todos], next };
}

function isOf(shown: Listed | null, filter: Filter): boolean {
  return shown !== null && queryOf(shown.filter).toString() === queryOf(filter).toString();
}

function said({ message, code, status }: { readonly message: string; readonly code: string; readonly status: number }): string {
  return say('couldNotAsk', { why: status === 0 ? message : `${message} (${code})` });
}

function staleOf({ stale, asOf, storeError }: TodoPage): Listed['stale'] {
  return stale === true ? { asOf: asOf ?? null, why: storeError ?? '' } : null;
}
