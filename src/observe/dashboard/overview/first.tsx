import { signal } from '@preact/signals';
import { say } from '../language.ts';

/** Of a long list the first are made; all of it when somebody asks. */
const most = 30;
const whole = signal<readonly string[]>([]);

export const firstOf = <T,>(list: string, items: readonly T[]): readonly T[] => (whole.value.includes(list) ? items : items.slice(0, most));

export const Rest = ({ of, items }: { readonly of: string; readonly items: readonly unknown[] }) =>
  items.length > most && !whole.value.includes(of) ? (
    <button type="button" class="small" onClick={() => (whole.value = [...whole.value, of])}>
      {say('showAll', { n: items.length })}
    </button>
  ) : null;
