import { signal } from '@preact/signals';

/** What came of something that somebody did: shown for a while, and read aloud. */
export const announced = signal<{ readonly text: string; readonly tone: 'good' | 'bad' | 'plain' } | null>(null);

const shownForMs = 10_000;
let timer: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string, tone: 'good' | 'bad' | 'plain' = 'plain'): void {
  announced.value = { text, tone };
  clearTimeout(timer);
  // A refusal stays until the next word or until it is closed.
  if (tone !== 'bad') timer = setTimeout(() => (announced.value = null), shownForMs);
}

/** One thing at a time: the state of the whole, at most each ten seconds, so that a storm of changes is not a storm of words. */
export const spoken = signal('');

const betweenMs = 10_000;
let next: string | null = null;
let waiting = false;

export function speak(text: string): void {
  next = text;
  if (waiting) return;
  waiting = true;
  spoken.value = next;
  next = null;
  setTimeout(() => {
    waiting = false;
    if (next !== null && next !== spoken.value) speak(next);
  }, betweenMs);
}
