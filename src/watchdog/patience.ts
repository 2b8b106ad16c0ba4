import type { Settings } from './settings.ts';
import type { Verdict } from './verdict.ts';

/** What the probes of one life have said so far. Times are of the monotonic clock. */
export type Silence = {
  /** When the first probe was sent that no good answer has followed since; null: the last word was good. */
  readonly sinceMs: number | null;
  /** CPU that the command had used by then; null where it could not be seen. */
  readonly cpuMs: number | null;
  /** Size of what it had printed by then; null where that could not be seen. */
  readonly outputBytes: number | null;
  /** Bad answers in a row, and the last of them. */
  readonly bad: number;
  readonly last: Verdict | null;
};

export const noSilence: Silence = { sinceMs: null, cpuMs: null, outputBytes: null, bad: 0, last: null };

/** What a command had done when a silence began. */
export type Done = Pick<Silence, 'cpuMs' | 'outputBytes'>;

/** A probe goes out: unless the last word was bad already, silence begins with it. */
export const asked = (silence: Silence, atMs: number, done: () => Done): Silence =>
  silence.sinceMs === null ? { ...silence, ...done(), sinceMs: atMs } : silence;

/** We ourselves did not run for a while (stopped, starved, asleep): nobody could have answered us. */
export const without = (silence: Silence, missedMs: number): Silence =>
  silence.sinceMs === null ? silence : { ...silence, sinceMs: silence.sinceMs + missedMs };

export const answered = (silence: Silence, verdict: Verdict): Silence =>
  verdict.kind === 'good' ? noSilence : { ...silence, bad: silence.bad + 1, last: verdict };

/** What else the machine and the command do while it is silent. */
export type Busy = Done & {
  /** Share of the last ten seconds in which somebody waited for a CPU (PSI, `some avg10`), 0 to 100; null where the kernel does not say. */
  readonly pressure: number | null;
  readonly load: number;
  readonly cpus: number;
};

/** Half of the time somebody waits for a CPU. */
const pressureHigh = 50;
const loadHigh = 4;
/** A fifth of a core while nothing is answered is work, or a loop without end; which of the two, twice the time tells. */
const cpuShareBusy = 0.2;

/** In words; null: nothing explains the silence. */
export function excuseOf(silence: Silence, busy: Busy, nowMs: number): string | null {
  if (silence.sinceMs === null) return null;
  if (busy.pressure !== null && busy.pressure >= pressureHigh) return `the machine is short of CPU (pressure ${busy.pressure} %)`;
  if (busy.pressure === null && busy.load >= loadHigh * busy.cpus)
    return `the machine's load is ${busy.load.toFixed(1)} on ${busy.cpus} CPUs`;
  if (busy.outputBytes !== null && silence.outputBytes !== null && busy.outputBytes !== silence.outputBytes) return 'it prints';
  if (busy.cpuMs === null || silence.cpuMs === null) return null;
  const share = (busy.cpuMs - silence.cpuMs) / Math.max(1, nowMs - silence.sinceMs);
  return share >= cpuShareBusy ? `it works (${Math.round(share * 100)} % of a core)` : null;
}

/** Why a start is given up; null: not yet. What refuses while it boots is not up yet: that is no reason, and work is an excuse. */
export function startsTooLong(birth: Silence, startupMs: number, nowMs: number, excuse: () => string | null): string | null {
  const tookMs = nowMs - (birth.sinceMs ?? nowMs);
  if (tookMs < startupMs || (tookMs < 2 * startupMs && excuse() !== null)) return null;
  return `no good answer within ${Math.round(tookMs / 100) / 10} s of its start`;
}

/** Why it must be restarted now; null: not yet. `excuse` is asked for only where the answer hangs on it. */
export function lostPatience(
  silence: Silence,
  settings: Pick<Settings, 'timeoutMs'>,
  nowMs: number,
  excuse: () => string | null,
): string | null {
  if (silence.sinceMs === null) return null;
  const silentMs = nowMs - silence.sinceMs;
  if (silentMs < settings.timeoutMs) return null;
  const said = silence.last === null ? 'the last probe has no answer' : silence.last.kind === 'good' ? '' : silence.last.why;
  const why = `no good answer for ${Math.round(silentMs / 100) / 10} s (${said})`;
  // Who refuses is not busy.
  if (silence.last?.kind === 'hard') return why;
  if (silentMs >= 2 * settings.timeoutMs) return why;
  return excuse() === null ? why : null;
}
