import type { ComponentChildren } from 'preact';
import type { Part } from '../../core/dashboard.ts';
import { announce } from './announce.tsx';
import { shortDuration } from './duration.ts';
import { language, say } from './language.ts';
import { serverNowMs } from './now.ts';
import { lines, oneLine } from './plain.ts';
import { hashOf } from './route.ts';

/** Words of others, as plain text. They are the server's, in English, or a person's in whatever direction. */
export const Said = ({ text, most }: { readonly text: string; readonly most?: number }) => <span dir="auto">{oneLine(text, most)}</span>;

export const Plain = ({ text, label }: { readonly text: string; readonly label: string }) => (
  // biome-ignore-start lint/a11y: what scrolls must be reached by keyboard, and then it needs a name
  <pre class="term" tabIndex={0} role="group" aria-label={label} dir="auto">
    {lines(text)}
  </pre>
  // biome-ignore-end lint/a11y: as above
);

/** How long ago, or how long until then, as it ticks; the exact time is its title. */
export function Ago({ atMs }: { readonly atMs: number }) {
  const ms = serverNowMs() - atMs;
  const words = Math.abs(ms) < 1_000 ? say('now') : relative(-ms);
  return <Time atMs={atMs}>{words}</Time>;
}

export const Lasts = ({ sinceMs }: { readonly sinceMs: number }) => <Time atMs={sinceMs}>{shortDuration(serverNowMs() - sinceMs)}</Time>;

export const Time = ({ atMs, children }: { readonly atMs: number; readonly children: ComponentChildren }) => (
  <time dateTime={isoOf(atMs)} title={exactTime(atMs)}>
    {children}
  </time>
);

export const exactTime = (atMs: number): string => formatOf(language.value, { dateStyle: 'medium', timeStyle: 'long' }).format(atMs);
export const clockTime = (atMs: number): string =>
  formatOf(language.value, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }).format(atMs);
export const dayAndTime = (atMs: number): string => formatOf(language.value, { dateStyle: 'medium', timeStyle: 'short' }).format(atMs);

/** A time beyond what a Date holds is shown as the number that it is. */
const isoOf = (atMs: number): string => (Math.abs(atMs) <= 8.64e15 ? new Date(atMs).toISOString() : String(atMs));

const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale}${JSON.stringify(options)}`;
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, options);
  formats.set(key, format);
  return format;
}

const relatives = new Map<string, Intl.RelativeTimeFormat>();
export function relative(ms: number): string {
  const locale = language.value;
  const format = relatives.get(locale) ?? new Intl.RelativeTimeFormat(locale, { style: 'short', numeric: 'always' });
  relatives.set(locale, format);
  const seconds = Math.trunc(ms / 1_000);
  const size = Math.abs(seconds);
  if (size < 60) return format.format(seconds, 'second');
  if (size < 3_600) return format.format(Math.trunc(seconds / 60), 'minute');
  if (size < 48 * 3_600) return format.format(Math.trunc(seconds / 3_600), 'hour');
  return format.format(Math.trunc(seconds / 86_400), 'day');
}

type SectionProps = {
  readonly title: string;
  readonly id: string;
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
};

export const Section = ({ title, id, note, children }: SectionProps) => (
  <section aria-labelledby={id}>
    <div class="title">
      <h2 id={id}>{title}</h2>
      {note !== undefined && note !== null && <small>{note}</small>}
    </div>
    <div class="body">{children}</div>
  </section>
);

/** A part that is much older than the whole says so, and one that could not be looked at is no empty list. */
export function OfPart<T>({
  title,
  id,
  part,
  children,
}: {
  readonly title: string;
  readonly id: string;
  readonly part: Part<T>;
  readonly children: (value: T) => ComponentChildren;
}) {
  const age = part.asOfMs === null ? 0 : serverNowMs() - part.asOfMs;
  const note = part.value !== null && part.asOfMs !== null && age > agedMs && (
    <>
      {say('asOf')} <Ago atMs={part.asOfMs} />
    </>
  );
  return (
    <Section title={title} id={id} note={note || undefined}>
      {part.problem !== null && (
        <p class="note warn">
          <Said text={say('notSeen', { why: part.problem })} />
        </p>
      )}
      {part.value !== null ? children(part.value) : part.problem === null && <p class="note">{say('notSeenYet')}</p>}
    </Section>
  );
}

const agedMs = 30_000;

export const TodoLink = ({ id, number, title }: { readonly id: string; readonly number: number | null; readonly title?: string }) => (
  <a href={hashOf({ view: 'todo', id })}>
    {number === null ? oneLine(id, 20) : `#${number}`}
    {title !== undefined && <> {<Said text={title} most={200} />}</>}
  </a>
);

export function Copy({ text, label }: { readonly text: string; readonly label?: string }) {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      announce(say('copied', { what: text }), 'good');
    } catch {
      // No clipboard over plain http, or it was forbidden.
      announce(say('notCopied'), 'bad');
    }
  };
  return (
    <button
      type="button"
      class="copy"
      onClick={copy}
      title={`${say('copy')}: ${text}`}
      aria-label={label === undefined ? `${text}: ${say('copy')}` : `${label}: ${say('copy')} ${text}`}
    >
      <code>{label ?? text}</code>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d="M5.5 5.5V3a1 1 0 0 1 1-1H13a1 1 0 0 1 1 1v6.5a1 1 0 0 1-1 1h-2.5M3 5.5h6.5a1 1 0 0 1 1 1V13a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V6.5a1 1 0 0 1 1-1z" />
      </svg>
    </button>
  );
}
