import type { StepResult } from '../core/advance.ts';
import type { Adapter } from '../core/agent.ts';
import type { Config } from '../core/config.ts';
import type { Entry } from '../core/entry.ts';
import type { ScreenEmulator } from '../core/screen.ts';
import type { RetryBudget } from '../resilience/budget.ts';
import type { World } from '../world.ts';

/** What every step may use. */
export type StepNeeds = {
  readonly world: World;
  readonly config: Config;
  readonly adapterOf: (agent: string) => Adapter;
  /** Values that must never leave runs/<run>/: tokens, passwords, keys of the environment. */
  readonly secrets: readonly string[];
  readonly emulate: ScreenEmulator;
  /** Bounds the retries of all completions together against a store in trouble. */
  readonly storeRetries: RetryBudget;
  /** Flushes the contents of these files; completions of one wave do it together, after all have written theirs. */
  readonly flush: (paths: readonly string[]) => Promise<void>;
  /** Flushes the archive's names; completions of one wave share the call. */
  readonly syncArchive: () => Promise<void>;
  /** Names in spool/cur by run, looked at after this call; completions of one wave share the look. */
  readonly claimedMarkers: () => Promise<ReadonlyMap<string, readonly string[]>>;
};

/** Safe to run twice from the same fact: twice is the same as once (promise 6). */
export type Step = (entry: Entry, needs: StepNeeds, stop: AbortSignal) => Promise<StepResult>;
