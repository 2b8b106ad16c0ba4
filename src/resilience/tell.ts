/**
 * Tells a listener. What it throws is a defect of the listener: it leaves the program as any defect does, and never becomes the result
 * of the call that was under way.
 */
export function tell<E>(listener: ((event: E) => void) | null | undefined, event: E): void {
  if (listener === null || listener === undefined) return;
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
