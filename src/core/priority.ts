/** How the scheduler weighs the processes of a run, from -20 (before all others) to 19 (after them). */
export type Priorities = {
  /** session: the kernel divides the CPU among sessions first (autogroups), and that share is ours to change in both directions · thread: among threads. */
  readonly by: 'session' | 'thread';
  /** By what the platform calls a session or a thread. */
  readonly of: Readonly<Record<string, number>>;
};

/** Of the processes of somebody else's program: it does its work, and we and others do ours before it. */
export const givenWay = 10;

/** What is changed so that a run gives way; what is there or lower already stays as it is. */
export const lowered = ({ by, of }: Priorities): Priorities => ({
  by,
  of: Object.fromEntries(Object.entries(of).flatMap(([who, at]) => (at < givenWay ? [[who, givenWay]] : []))),
});

/** What is changed so that it is as before. Who came meanwhile has it from one that gave way; what somebody else set meanwhile stays. */
export function restored(before: Priorities, { by, of }: Priorities): Priorities {
  const usual = Math.min(givenWay, ...Object.values(before.of));
  const wanted = Object.entries(of).flatMap(([who, at]) => {
    const was = before.of[who] ?? usual;
    return at === givenWay && was < givenWay ? [[who, was]] : [];
  });
  return { by, of: Object.fromEntries(wanted) };
}
