import type { ProcessId } from '../core/entry.ts';
import { isOperational } from '../core/errors.ts';
import type { HttpProbe, ProbeAnswer } from '../core/probe.ts';
import type { Digest, World } from '../world.ts';
import type { Restart } from './limits.ts';
import type { Settings } from './settings.ts';
import { type Phase, type State, writeState } from './state.ts';

/** What a watchdog does that somebody should know of later: a row of `self_healing_events`. */
export type Told = { readonly what: string; readonly detail: Readonly<Record<string, unknown>> };

export type Needs = Pick<World, 'clock' | 'random' | 'digest' | 'files' | 'processes' | 'log'> & {
  readonly http: HttpProbe;
  /** The daemon of this home, asked whether it is there. */
  readonly daemon: (timeoutMs: number) => Promise<ProbeAnswer>;
  /** How a command that this process started has ended, told once; null: it has not, or it was started by another. */
  readonly takeEnd: (pid: number) => { readonly exitCode: number | null; readonly osSignal: string | null } | null;
  /** What a Node process tells of itself when it is asked by an OS signal and listens to it; null: none of them does, or not in time. */
  readonly nodeReport: (processes: readonly ProcessId[], timeoutMs: number) => Promise<Readonly<Record<string, unknown>> | null>;
  /** Restarts that the command did by itself: they count as ours do. */
  readonly itsOwn: () => readonly Restart[];
  /** Rung when a command ends, and by whoever asks for something. */
  readonly bell: { ring(): void; sleepUntil(atMs: number, stop: AbortSignal): Promise<void> };
  /** Kept and told to the store when it can be; never fails. */
  readonly tell: (row: Told) => void;
  /** To a person, now; never fails. */
  readonly page: (text: string, detail: Readonly<Record<string, unknown>>) => void;
  readonly paths: {
    readonly state: string;
    /** What the command prints. */
    readonly output: string;
    /** A folder: what was found before each restart. */
    readonly incidents: string;
  };
};

/** Things that a person may ask of a living watchdog. */
export type Wishes = {
  /** End the command and then this watchdog. */
  readonly stop: AbortSignal;
  /** Start it again: who asked; null = nobody. Several at once are one, and a look takes the wish away. */
  takeRestart(): string | null;
};

export type Context = { readonly needs: Needs; readonly settings: Settings; readonly wishes: Wishes; state: State };

export const commandDigest = ({ argv, cwd }: Pick<Settings, 'argv' | 'cwd'>, digest: Pick<Digest, 'sha256'>): string =>
  digest.sha256(JSON.stringify([argv, cwd]));

/** Changes what is known, durably. A disk that takes nothing is told and does not end the watch: this process knows it still. */
export function set(context: Context, changes: Partial<State>): void {
  context.state = { ...context.state, ...changes };
  const { files, log, paths } = context.needs;
  try {
    writeState(paths.state, context.state, files);
  } catch (error) {
    if (!isOperational(error)) throw error;
    log.warn('monitor', 'watchdog state not written', { name: context.state.name, reason: error.message });
  }
}

const serious: ReadonlySet<Phase> = new Set(['unresponsive', 'held']);

/** To another phase, with the reason; told once a change. */
export function to(context: Context, phase: Phase, why: string | null, more: Partial<State> = {}): void {
  const { needs, state } = context;
  const before = state.phase;
  set(context, { ...more, phase, why, sinceMs: needs.clock.nowMs() });
  if (before === phase) return;
  const fields = { name: state.name, from: before, reason: why, pid: context.state.child?.process.pid ?? null };
  needs.log[serious.has(phase) ? 'warn' : 'info']('monitor', `watchdog: ${phase}`, fields);
  needs.tell({ what: `watchdog.${phase}`, detail: fields });
}
