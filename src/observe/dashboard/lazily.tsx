import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { say } from './language.ts';

/** A part that is loaded when it is first shown, or when there is time. What cannot be loaded (the daemon is away) can be tried again. */
export function lazily<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  const loaded = signal<ComponentType<P> | null>(null);
  const problem = signal<string | null>(null);
  let loading = false;
  const get = async (): Promise<void> => {
    if (loading || loaded.value !== null) return;
    loading = true;
    problem.value = null;
    try {
      const part = await load();
      // A component is a function, which a signal takes as it is.
      loaded.value = part;
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    } finally {
      loading = false;
    }
  };
  // So that it is there when the daemon is not.
  addEventListener('load', () => setTimeout(get, 1_000));
  return function Lazy(props: P) {
    useEffect(() => void get(), []);
    const Part = loaded.value;
    if (Part !== null) return <Part {...props} />;
    if (problem.value === null) return <p class="note loading">{say('loading')}</p>;
    return (
      <p class="outcome bad" role="alert">
        <span>{say('couldNotAsk', { why: problem.value })}</span>
        <button type="button" class="small" onClick={get}>
          {say('tryAgain')}
        </button>
      </p>
    );
  };
}
