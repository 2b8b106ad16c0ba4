/** Calls with 1 at the first Ctrl-C (or TERM, or a terminal that goes away), with 2 at the next. Answers with how to stop listening. */
export function onInterrupt(act: (count: number) => void): () => void {
  let count = 0;
  const listener = () => act(++count);
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, listener);
  return () => {
    for (const name of names) process.off(name, listener);
  };
}
