import type { BreakerProfile } from './breaker.ts';

/** So many failures in a row open it, so many probes in a row close it, and so long it is open at first. */
function profile(failures: number, successes: number, openMs: number): BreakerProfile {
  return {
    window: { kind: 'consecutive', failures },
    slow: null,
    openMs,
    openFactor: 2,
    openMaxMs: Math.max(openMs, openMaxMs),
    openSpread: 0.1,
    successes,
    probeLeaseMs: Math.min(openMs, probeLeaseMaxMs),
  };
}

/** Longer nobody should wait to learn that a service is back. */
const openMaxMs = 300_000;
/** No call that we make may take longer than half a minute (`behavior.database_timeout`, `ssh_timeout`). */
const probeLeaseMaxMs = 30_000;

/** The profiles with the numbers of their rows. `default`, `aggressive`, `conservative` are for what has no name of its own. */
export const profiles = {
  /** P-01 */
  default: profile(5, 2, 30_000),
  /** P-44 */
  aggressive: profile(3, 2, 10_000),
  /** P-45 */
  conservative: profile(10, 5, 60_000),
  /** H-15: what starts agents (the printer of the earlier system). */
  runner: profile(5, 3, 30_000),
  /** One of those who can work on todos: runs that it loses, one after the other. */
  agent: profile(3, 1, 60_000),
  /** H-16: the task source. */
  engine: profile(3, 2, 60_000),
  /** H-16: the service that an agent needs. */
  provider: profile(3, 2, 60_000),
  /** H-17: one test mail. */
  smtp: profile(2, 1, 120_000),
  /** H-17 */
  webhook: profile(2, 1, 120_000),
  /** As `runner`: the other thing without which nothing goes on. */
  store: profile(5, 3, 30_000),
} as const satisfies Record<string, BreakerProfile>;

export type ProfileName = keyof typeof profiles;
