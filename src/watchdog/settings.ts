/** How the health of a command is seen. `alive`: nobody says; that it runs is all there is. */
export type ProbeKind =
  | { readonly kind: 'http'; readonly url: string }
  /** Exit 0 is healthy, as is 1 (degraded); anything else is unhealthy. */
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  /** A file that the command touches while it works. */
  | { readonly kind: 'heartbeat'; readonly path: string }
  /** Our own daemon, asked over its socket. */
  | { readonly kind: 'daemon' }
  | { readonly kind: 'alive' };

/** What a person may set for one supervised command. */
export type Settings = {
  /** One watchdog a name and home. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Beside our own, which a child gets without what is Signoff's. */
  readonly env: Readonly<Record<string, string>>;
  readonly probe: ProbeKind;
  /** Between the starts of two probes. */
  readonly intervalMs: number;
  /** Without a good answer for so long it is restarted; twice as long where load explains the silence. */
  readonly timeoutMs: number;
  /** What one probe may take. An answer within it is good, however slow; after half of it another one is sent beside it. */
  readonly probeMs: number;
  /** Probes of one check: it is bad when none of them was good. */
  readonly tries: number;
  /** Between a bad or late answer and the next try. */
  readonly againMs: number;
  /** From its start to its first good answer; null = learned from its last starts. */
  readonly startupMs: number | null;
  /** Between TERM and KILL. */
  readonly graceMs: number;
  /** The same where a person ends the watch: nobody waits for another start, and work may be brought to its end. */
  readonly leaveMs: number;
  /** What follows `todo` in the call of this watchdog: for who starts another one when it is dead. */
  readonly startedAs: readonly string[];
  /** Restarts within `windowMs`, after which it is held. */
  readonly restartsMax: number;
  readonly restartsADayMax: number;
  /** Healthy for so long = recovered. */
  readonly steadyMs: number;
  /** It ended with 0: start it again all the same. */
  readonly always: boolean;
  /** `own`: only the process itself is ended and not what it started, which is to live on (agents of a daemon). */
  readonly ends: 'all' | 'own';
};

/** The window of `restartsMax`. */
export const windowMs = 600_000;
/** A run that was good for so long makes the restarts before it forgotten (but for those of the day). */
export const forgiveMs = 600_000;
/** A held command is tried once in so long. */
export const heldTryMs = 300_000;
/** Before anything is known of how long it takes to start. */
export const startupDefaultMs = 60_000;
export const startupLeastMs = 10_000;
/** However often it took too long: one that never comes up is found all the same. */
export const startupMostMs = 1_800_000;
/** Starts from which the time to start is learned. */
export const startsKept = 10;

/**
 * How long a start may take: twice the slowest of the last ones, which with ten of them is their 99th percentile. One that took too long is among
 * them with the time it had, so a boot that has become slower gets twice as much each time, until it comes up.
 */
export function startupMsOf({ startupMs }: Pick<Settings, 'startupMs'>, startsMs: readonly number[]): number {
  if (startupMs !== null) return startupMs;
  return startsMs.length === 0 ? startupDefaultMs : Math.min(startupMostMs, Math.max(startupLeastMs, 2 * Math.max(...startsMs)));
}
