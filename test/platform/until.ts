/** Waits for what the machine does in its own time; a test that waits in vain says for what. */
export async function until<T>(what: string, look: () => T | null | undefined | false | ''): Promise<T> {
  for (const endsAtMs = performance.now() + 10_000; ; ) {
    const found = look();
    if (found) return found;
    if (performance.now() > endsAtMs) throw new Error(`waited 10 s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
