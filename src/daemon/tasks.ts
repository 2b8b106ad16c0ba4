import { isOperational } from '../core/errors.ts';
import type { Clock } from '../world.ts';

type Running = { readonly task: Promise<void>; readonly sinceMs: number };

/**
 * Work that goes on beside the loop, at most one per key. What a task throws as an operational error is its own business and was told;
 * anything else is a defect outside a completion: it leaves the loop and ends the process, and the journal makes that safe.
 */
export function createTasks(after: (ended: 'done' | 'refused') => void, monotonicMs: Clock['monotonicMs']) {
  const running = new Map<string, Running>();
  let defect: { readonly error: unknown } | null = null;
  return {
    busy: (key: string): boolean => running.has(key),
    /** How long it has been under way; 0: it is not. */
    ageMs: (key: string): number => monotonicMs() - (running.get(key)?.sinceMs ?? monotonicMs()),
    count: (prefix: string): number => [...running.keys()].filter((key) => key.startsWith(prefix)).length,
    start(key: string, work: () => Promise<void>, refused: (error: Error) => void): void {
      // After a defect memory may be ahead of the journal: nothing new is built on it while the loop finds its way out.
      if (running.has(key) || defect !== null) return;
      const task = work()
        .then(
          () => 'done' as const,
          (error: unknown) => {
            if (isOperational(error) && error.code !== 'JOURNAL_UNWRITABLE') {
              refused(error);
              return 'refused' as const;
            }
            defect ??= { error };
            return 'done' as const;
          },
        )
        .then((ended) => {
          running.delete(key);
          after(ended);
        });
      running.set(key, { task, sinceMs: monotonicMs() });
    },
    /** Throws the first defect, if there was one. */
    check(): void {
      if (defect !== null) throw defect.error;
    },
    /** Resolves when none with this prefix runs. */
    async settled(prefix = ''): Promise<void> {
      for (;;) {
        const left = [...running].filter(([key]) => key.startsWith(prefix)).map(([, { task }]) => task);
        if (left.length === 0) return;
        await Promise.all(left);
      }
    },
  };
}

export type Tasks = ReturnType<typeof createTasks>;
