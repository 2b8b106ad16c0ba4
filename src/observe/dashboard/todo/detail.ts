import { computed, effect, signal } from '@preact/signals';
import type { TodoDetail } from '../../../core/dashboard.ts';
import { isInProgress } from '../../../core/words.ts';
import { actsDone } from '../act.tsx';
import { type Answer, get } from '../ask.ts';
import { overview, refreshes } from '../live.ts';
import { route } from '../navigate.ts';

/** What was last asked for: which todo, and what is known of it; null: not answered yet. */
export const detail = signal<{ readonly id: string; readonly answer: Answer<TodoDetail> | null } | null>(null);

const idNow = computed(() => (route.value.view === 'todo' ? route.value.id : null));
const changes = computed(() => `${overview.value?.todosVersion ?? 0} ${actsDone.value} ${refreshes.value} ${factOf(idNow.value)}`);
/** Its completion goes on without the store hearing of each step. */
const factOf = (id: string | null): string => {
  const run = overview.value?.live.find(({ todoId, number }) => todoId === id || String(number) === id);
  return run === undefined ? '' : `${run.fact} ${run.runId} ${run.round}`;
};

/** What a live run prints is asked for so often, while somebody looks. */
const outputEveryMs = 3_000;
const betweenMs = 1_000;

let asked: AbortController | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let lastAskedMs = 0;

effect(() => {
  const id = idNow.value;
  asked?.abort();
  clearTimeout(timer);
  if (id === null) return;
  if (detail.peek()?.id !== id) detail.value = { id, answer: null };
  void load(id);
});
let seen = changes.peek();
effect(() => {
  if (seen === changes.value) return;
  seen = changes.value;
  again(Math.max(0, lastAskedMs + betweenMs - Date.now()));
});

function again(inMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const id = idNow.peek();
    if (id !== null) void load(id);
  }, inMs);
}

export async function load(id: string): Promise<void> {
  asked?.abort();
  asked = new AbortController();
  const { signal: stop } = asked;
  lastAskedMs = Date.now();
  const answer = await get<TodoDetail>(`/api/todos/${encodeURIComponent(id)}`, stop);
  if (stop.aborted) return;
  const before = detail.peek();
  // No answer now: what was known stays, and the banner says that nothing is heard.
  const keeps = !answer.ok && answer.status !== 404 && before?.id === id && before.answer?.ok === true;
  if (!keeps) detail.value = { id, answer };
  if (answer.ok && isInProgress(answer.value.todo.status) && document.visibilityState === 'visible') again(outputEveryMs);
}
