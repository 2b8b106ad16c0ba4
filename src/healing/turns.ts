/** One hand on a todo at a time. Whoever finds it taken leaves it, and finds it again at the next look. */
export type Turns = {
  /** Who has it now. */
  holder(todoId: string): string | null;
  /** Null: somebody has it. Given back by dispose. */
  take(todoId: string, who: string): Disposable | null;
  /** Stands in line for it. What was seen before may be over by then. */
  wait(todoId: string, who: string): Promise<Disposable>;
};

/** For one process: of a home only one daemon heals, and a todo's claim keeps other homes away. */
export function createTurns(): Turns {
  const held = new Map<string, { readonly who: string; readonly over: Promise<void> }>();
  const take = (todoId: string, who: string): Disposable | null => {
    if (held.has(todoId)) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    held.set(todoId, { who, over: promise });
    return {
      [Symbol.dispose]() {
        held.delete(todoId);
        resolve();
      },
    };
  };
  return {
    holder: (todoId) => held.get(todoId)?.who ?? null,
    take,
    async wait(todoId, who) {
      for (;;) {
        const turn = take(todoId, who);
        if (turn !== null) return turn;
        await held.get(todoId)?.over;
      }
    },
  };
}
