/** What may be done about it, from the least to the most. None of them ends a run. */
export type Rung =
  /** Log what is there, and where the CPU time goes. */
  | 'profile'
  /** Drop caches, collect garbage, measure again. */
  | 'trim'
  /** Close what is idle: sockets, connections. */
  | 'close-idle'
  /** Remove what was left in temporary folders. */
  | 'sweep'
  /** The agent's processes give way to all others. */
  | 'give-way'
  /** Fewer agents at once, and those that run give way to others. */
  | 'throttle'
  /** Take no new todo. */
  | 'pause'
  | 'restart';

/** What is wrong. `agent` is about the tree of one run. */
export type Cause = 'memory' | 'cpu' | 'pool' | 'files' | 'machine-cpu' | 'machine-memory' | 'machine-disk' | 'agent-cpu' | 'agent-memory';

/** A restart helps only against what is in the daemon itself. A machine whose CPU is full divides it: work goes on with fewer agents, and never stops for what a neighbour does. */
export const ladders: Readonly<Record<Cause, readonly Rung[]>> = {
  memory: ['trim', 'pause', 'restart'],
  cpu: ['profile', 'throttle', 'restart'],
  pool: ['profile', 'restart'],
  files: ['close-idle', 'pause', 'restart'],
  'machine-cpu': ['throttle'],
  'machine-memory': ['trim', 'throttle', 'pause'],
  'machine-disk': ['sweep'],
  'agent-cpu': ['give-way'],
  'agent-memory': ['throttle'],
};

/** How far one cause has come. Times by the monotonic clock. */
export type Climb = { readonly rungs: number; readonly actedAtMs: number; readonly notBeforeMs: number };

export type Trouble = {
  readonly nowMs: number;
  readonly cooldownMs: number;
  /** There is no time to wait: what comes next comes with the next look. */
  readonly urgent: boolean;
};

/** The next thing to do about a cause that is there, or null: not yet, or all was done. The last rung, where it is the restart, is asked for again. */
export function nextRung(cause: Cause, climb: Climb | null, { nowMs, cooldownMs, urgent }: Trouble): Rung | null {
  if (climb === null) return ladders[cause][0] ?? null;
  const rungs = ladders[cause];
  const rung = rungs[climb.rungs] ?? (rungs.at(-1) === 'restart' ? 'restart' : null);
  if (rung === null || nowMs < climb.notBeforeMs) return null;
  return urgent || nowMs - climb.actedAtMs >= cooldownMs ? rung : null;
}

/** After a rung was taken; `retryAfterMs`: it was refused and may be asked for again then. */
export const climbed = (cause: Cause, climb: Climb | null, nowMs: number, retryAfterMs = 0): Climb => ({
  rungs: Math.min((climb?.rungs ?? 0) + 1, ladders[cause].length),
  actedAtMs: nowMs,
  notBeforeMs: nowMs + retryAfterMs,
});

/** What counts as better: a tenth less than before, or no longer wrong at all. */
export const outcomeOf = (before: number | null, after: number | null, isOver: boolean): 'improved' | 'unchanged' | 'unknown' => {
  if (isOver) return 'improved';
  if (before === null || after === null) return 'unknown';
  return after <= before * 0.9 ? 'improved' : 'unchanged';
};
