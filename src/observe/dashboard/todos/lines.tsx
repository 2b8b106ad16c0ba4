import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { TodoLine } from '../../../core/dashboard.ts';
import { say } from '../language.ts';
import { Status, wordOfProof } from '../mark.tsx';
import { Ago, Copy, Said } from '../parts.tsx';
import { oneLine } from '../plain.ts';
import { hashOf } from '../route.ts';
import { heightOf, linesInSight, topOf, type Windowed } from '../window.ts';

/** Only what is in sight is made, so a list of a hundred thousand is as quick as one of fifty. The page scrolls, not the list. */
export function Lines({ todos }: { readonly todos: readonly TodoLine[] }) {
  const list = useRef<HTMLUListElement>(null);
  const [sight, setSight] = useState({ top: 0, bottom: 1000 });
  const [lineHeight, setLineHeight] = useState(44);
  const [open, setOpen] = useState<{ readonly id: string; readonly extra: number } | null>(null);
  const [focused, setFocused] = useState<string | null>(null);

  useEffect(() => {
    let frame = 0;
    const look = (): void => {
      frame = 0;
      if (list.current === null) return;
      const { top } = list.current.getBoundingClientRect();
      // The height of a line is that of the style sheet, which makes it two rows of text where the page is narrow.
      setLineHeight(Number.parseFloat(getComputedStyle(list.current).getPropertyValue('line-height')) || 44);
      setSight((before) =>
        before.top === -top && before.bottom === innerHeight - top ? before : { top: -top, bottom: innerHeight - top },
      );
    };
    const soon = (): void => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    return () => {
      removeEventListener('scroll', soon);
      removeEventListener('resize', soon);
      cancelAnimationFrame(frame);
    };
  }, []);

  const openIndex = open === null ? -1 : todos.findIndex(({ id }) => id === open.id);
  const windowed: Windowed = {
    count: todos.length,
    lineHeight,
    opened: open === null || openIndex < 0 ? null : { index: openIndex, extra: open.extra },
  };
  const { from, to } = linesInSight(windowed, sight);
  const shown = todos.map((_, index) => index).slice(from, to);
  // A line that has the focus stays, wherever it is scrolled to, or the focus would be lost.
  const focusIndex = todos.findIndex(({ id }) => id === focused);
  if (focusIndex >= 0 && (focusIndex < from || focusIndex >= to)) shown.push(focusIndex);
  return (
    <ul class="lines" ref={list} style={{ height: `${heightOf(windowed)}px` }} onFocusOut={() => setFocused(null)}>
      {shown.map((index) => {
        const todo = todos[index]!;
        return (
          <Line
            key={todo.id}
            todo={todo}
            topPx={topOf(index, windowed)}
            place={{ index, of: todos.length }}
            isOpen={open?.id === todo.id}
            onOpen={() => setOpen(open?.id === todo.id ? null : { id: todo.id, extra: 0 })}
            onMeasured={(extra) => open?.id === todo.id && open.extra !== extra && setOpen({ id: todo.id, extra })}
            onFocus={() => setFocused(todo.id)}
          />
        );
      })}
    </ul>
  );
}

type LineProps = {
  readonly todo: TodoLine;
  readonly topPx: number;
  readonly place: { readonly index: number; readonly of: number };
  readonly isOpen: boolean;
  readonly onOpen: () => void;
  readonly onMeasured: (extra: number) => void;
  readonly onFocus: () => void;
};

function Line({ todo, topPx, place, isOpen, onOpen, onMeasured, onFocus }: LineProps) {
  const more = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (isOpen) onMeasured(more.current?.offsetHeight ?? 0);
  });
  const { id, number, title, status, proof, agent, held, updatedAtMs } = todo;
  return (
    <li class="entry" style={{ top: `${topPx}px` }} aria-setsize={place.of} aria-posinset={place.index + 1} onFocusIn={onFocus}>
      <div class="short">
        <button type="button" class="expand" aria-expanded={isOpen} aria-label={say('expand', { n: String(number) })} onClick={onOpen}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M6 3.5l4.5 4.5L6 12.5" />
          </svg>
        </button>
        <Status status={status} proof={proof} />
        <a href={hashOf({ view: 'todo', id })} class="name-of">
          <span class="name">#{number}</span> <Said text={title} most={200} />
        </a>
        <span class="aside">
          {held && <span class="tag">{say('held')}</span>} <span class="agent">{oneLine(agent, 60)}</span> · <Ago atMs={updatedAtMs} />
        </span>
      </div>
      {isOpen && (
        <div class="long" ref={more}>
          <More todo={todo} />
        </div>
      )}
    </li>
  );
}

const More = ({ todo }: { readonly todo: TodoLine }) => (
  <dl class="facts">
    <dt>ID</dt>
    <dd>
      <a href={hashOf({ view: 'todo', id: todo.id })}>{say('openTodo')}</a> · <Copy text={todo.id} />
    </dd>
    {todo.proof !== null && (
      <>
        <dt>{say('outcome')}</dt>
        <dd>{wordOfProof(todo.proof)}</dd>
      </>
    )}
    {todo.summary !== null && todo.summary !== '' && (
      <>
        <dt>{say('summary')}</dt>
        <dd>
          <Said text={todo.summary} most={600} />
        </dd>
      </>
    )}
    {todo.reason !== null && todo.reason !== '' && (
      <>
        <dt>{say('reason')}</dt>
        <dd>
          <Said text={todo.reason} most={600} />
        </dd>
      </>
    )}
    <dt>{say('project')}</dt>
    <dd>
      <Said text={todo.project} />
    </dd>
    <dt>{say('created')}</dt>
    <dd>
      <Ago atMs={todo.createdAtMs} />
    </dd>
    {todo.endedAtMs !== null && (
      <>
        <dt>{say('ended')}</dt>
        <dd>
          <Ago atMs={todo.endedAtMs} />
        </dd>
      </>
    )}
  </dl>
);
