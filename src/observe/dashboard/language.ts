import { effect, signal } from '@preact/signals';
import { type Language, languages, type TextKey, textIn } from './texts.ts';

const kept = 'signoff.language';

/** As chosen here before, else as the browser asks for. */
export const language = signal<Language>(chosen());

effect(() => {
  document.documentElement.lang = language.value;
});

/** In the language that is chosen; a component that says something is drawn anew when that changes. */
export const say = (key: TextKey, values?: Readonly<Record<string, string | number>>): string => textIn(language.value, key, values);

export const number = (value: number): string => value.toLocaleString(language.value);

export function switchLanguage(): void {
  language.value = language.value === 'en' ? 'de' : 'en';
  try {
    localStorage.setItem(kept, language.value);
  } catch {
    // Storage is forbidden here: the choice holds until the page is left.
  }
}

function chosen(): Language {
  let before: string | null = null;
  try {
    before = localStorage.getItem(kept);
  } catch {
    // As above.
  }
  const wanted = [before, ...navigator.languages].map((it) => (it ?? '').slice(0, 2).toLowerCase());
  return languages.find((it) => it === wanted.find((each) => (languages as readonly string[]).includes(each))) ?? 'en';
}
