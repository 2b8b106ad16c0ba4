import type { StepNeeds } from '../completion/needs.ts';
import type { Adapter } from '../core/agent.ts';
import type { Config } from '../core/config.ts';
import type { ServerStatus } from '../core/control.ts';
import type { Owner } from '../core/entry.ts';
import type { ScreenEmulator } from '../core/screen.ts';
import type { ShownProgram } from '../core/trial.ts';
import type { Turns } from '../healing/turns.ts';
import type { Settings, World } from '../world.ts';
import type { Bounds } from './bounds.ts';
import type { Deliveries } from './deliveries.ts';
import type { LiveLedger } from './ledger.ts';
import type { Notebook } from './notebook.ts';
import type { Outside } from './outside.ts';
import type { Sessions } from './recovery-session.ts';
import type { Reloading } from './reload.ts';
import type { Watch } from './resources.ts';
import type { Restarting } from './restart.ts';
import type { RunnerMemory } from './runners.ts';
import type { Service } from './service.ts';
import type { DaemonTally } from './tally.ts';
import type { Tasks } from './tasks.ts';
import type { createChanges, createWakeup } from './wakeup.ts';
import type { HealthMemory } from './watched.ts';

/**
 * daemon: everything of this home, claims by itself. run: one todo only, like another host: a worker that claims by lease,
 * never holds lock.db, takes only its own run's markers.
 */
export type Scope =
  /** `brief`: a command that acts where no daemon lives; what an earlier one could not call it tries itself, all but what a person isolated. */
  { readonly kind: 'daemon'; readonly once?: boolean; readonly brief?: boolean } | { readonly kind: 'run'; readonly todoId: string | null };

export type EngineNeeds = {
  readonly world: World;
  readonly config: Config;
  /** Those that need no configuration. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly scope: Scope;
  readonly secrets: readonly string[];
  readonly emulate: ScreenEmulator;
  readonly version: string;
  /** Absent: what is installed. */
  readonly program?: ShownProgram;
  /** Null: the configuration stays as it is for this engine's life. */
  readonly settings?: Settings | null;
};

/** What the parts of the engine share. */
export type Context = Omit<EngineNeeds, 'config' | 'secrets' | 'settings' | 'adapters'> & {
  /** In use now: it changes when the file does (`reload.ts`). */
  config: Config;
  /** Also those that it defines, or did when a run began. */
  adapters: ReadonlyMap<string, Adapter>;
  secrets: readonly string[];
  readonly settings: Settings | null;
  readonly reloading: Reloading;
  /** A new start of this daemon, for who finds that it needs one. */
  readonly restarting: Restarting;
  readonly owner: Owner;
  readonly startedAtMs: number;
  readonly ledger: LiveLedger;
  readonly tasks: Tasks;
  readonly wakeup: ReturnType<typeof createWakeup>;
  readonly changes: ReturnType<typeof createChanges>;
  readonly steps: StepNeeds;
  /** Takes the registered secrets out of text that no run's own redactor has seen. */
  redactAll: (text: string) => string;
  readonly stop: AbortSignal;
  readonly outside: Outside;
  readonly bounds: Bounds;
  readonly notebook: Notebook;
  readonly deliveries: Deliveries;
  readonly sessions: Sessions;
  /** One hand on a todo at a time, of all that heal. */
  readonly turns: Turns;
  /** Who started us, where that is a service manager. */
  readonly service: Service;
  readonly tally: DaemonTally;
  readonly watch: Watch;
  readonly health: HealthMemory;
  readonly runners: RunnerMemory;
  readonly state: {
    draining: boolean;
    /** Requests that may have changed something in the store, counted. */
    asked: number;
    /** A person keeps this host from taking todos; as the store said at the last look for one. */
    drained: boolean;
    lastPassAtMs: number;
    passes: number;
    /** When the loop goes round again at the latest, by the monotonic clock. */
    passDueMs: number;
    lastSweepAtMs: number | null;
    store: { reachable: 'yes' | 'no' | 'unknown'; sinceMs: number; error: string | null };
    /** Runs whose agent was told once, through its waiting hook, to say a word. */
    nudges: Set<string>;
    /** Hooks that wait for a verdict, by run. */
    waitingHooks: Map<string, number>;
    /** Status words that the store has not heard yet. */
    untold: Map<string, { status: 'running' | 'stalled'; reason: string | null }>;
    /** What was last said about the legacy marker: said once, not every two seconds. */
    legacyTold: string;
    /** Pointer files that were looked at, by identity: each is adopted or left once. */
    pointersSeen: Set<string>;
    /** When a pointer that nobody of us wrote is asked for in the store next; by the monotonic clock. */
    pointerDueMs: number;
    /** When the store is asked for the next todo, if nothing asks for it sooner: a run ended, a todo was added. By the monotonic clock. */
    claimDueMs: number;
    server: ServerStatus | null;
  };
};
