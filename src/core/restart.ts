/** Who asks for a new start of the daemon: a person, the ladder of the health monitor, a defect in itself; the watchdog does it and is counted here. */
export type RestartAsker = 'person' | 'ladder' | 'sentinel' | 'watchdog' | 'defect';
export type RestartAsked = { readonly by: RestartAsker; readonly why: string };

/** One that was accepted, or that the watchdog did; by the wall clock. */
export type PastRestart = RestartAsked & { readonly atMs: number };

export type RestartLimits = {
  /** Between two of them. */
  readonly cooldownMs: number;
  readonly perHourMax: number;
  readonly perDayMax: number;
};

export type RestartAnswer = { readonly accepted: true } | { readonly accepted: false; readonly why: string; readonly retryAfterMs: number };

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Whether one may be made now, with those that have been, in any order. A clock that was set back makes none of them younger than now. */
export function mayRestart(past: readonly Pick<PastRestart, 'atMs'>[], limits: RestartLimits, nowMs: number): RestartAnswer {
  const ages = past.map(({ atMs }) => Math.max(0, nowMs - atMs)).sort((a, b) => a - b);
  const bounds = [
    { withinMs: limits.cooldownMs, max: 1, name: 'restart.cooldown' },
    { withinMs: hourMs, max: limits.perHourMax, name: 'restart.per_hour' },
    { withinMs: dayMs, max: limits.perDayMax, name: 'restart.per_day' },
  ];
  // The bound that lasts longest is the one to tell.
  const refused = bounds
    .map((bound) => ({ ...bound, recent: ages.filter((age) => age < bound.withinMs) }))
    .filter(({ recent, max }) => recent.length >= max)
    .map(({ withinMs, max, name, recent }) => ({
      why: `${name}: ${recent.length === 1 ? 'one restart' : `${recent.length} restarts`} within ${spanText(withinMs)}`,
      // Until so many are left that one more fits; where none ever fits, a whole window.
      retryAfterMs: max === 0 ? withinMs : withinMs - (recent.at(-(recent.length - max + 1)) ?? 0),
    }))
    .sort((a, b) => b.retryAfterMs - a.retryAfterMs)[0];
  return refused === undefined ? { accepted: true } : { accepted: false, ...refused };
}

const spanText = (ms: number): string => (ms % hourMs === 0 ? `${ms / hourMs} h` : `${Math.round(ms / 1000)} s`);

/** What the next one needs of them. */
export const restartsOfToday = (past: readonly PastRestart[], nowMs: number): readonly PastRestart[] =>
  past.filter(({ atMs }) => nowMs - atMs < dayMs);
