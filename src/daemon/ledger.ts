import type { Entry, Owner } from '../core/entry.ts';
import { isOperational } from '../core/errors.ts';
import type { World } from '../world.ts';

/** The journal is full: nothing may go on that could not be saved, so we wait for room and say so once. */
const fullRetryMs = 2000;

export type LiveLedger = {
  all(): readonly Entry[];
  has(runId: string): boolean;
  get(runId: string): Entry;
  /** False while a change waits for its save: nothing that cannot be taken back may be begun on it. */
  settled(runId: string): boolean;
  /** Changes what stands here now and saves it; a lazy change waits for the next durable one. NOT_OWNER when another process took it over. */
  update(runId: string, change: (entry: Entry) => Entry, lazy?: boolean): Promise<Entry>;
  /** A run that is ours from now on; here only when the journal has it, because what stands here is started. */
  open(entry: Entry): Promise<void>;
  /** Takes over what a dead process left; null when somebody was quicker. */
  adopt(entry: Entry, owner: Owner): Promise<Entry | null>;
  /** Ended or taken over: no business of ours any more. */
  drop(runId: string): void;
};

/** The entries that this process owns, in memory and in the journal. Memory may be ahead of the journal only until `update` resolves. */
export function createLedger(world: Pick<World, 'journal' | 'clock' | 'log'>, changed: () => void): LiveLedger {
  const entries = new Map<string, Entry>();
  const saving = new Map<string, number>();

  const get = (runId: string): Entry => {
    const entry = entries.get(runId);
    if (entry === undefined) throw new Error(`run ${runId} is not in this ledger`);
    return entry;
  };

  /** What stands here at each try; `first` where nothing stands here yet. */
  async function save(runId: string, first?: Entry): Promise<void> {
    for (let told = false; ; ) {
      const entry = first ?? entries.get(runId);
      if (entry === undefined) return;
      try {
        return await world.journal.save(entry);
      } catch (error) {
        if (!isOperational(error) || error.code !== 'DISK_FULL') throw error;
        if (!told) world.log.critical('completion', 'the journal has no room; waiting', { run: runId, hint: error.hint });
        told = true;
        await world.clock.sleep(fullRetryMs);
      }
    }
  }

  async function whileSaving(runId: string): Promise<void> {
    saving.set(runId, (saving.get(runId) ?? 0) + 1);
    try {
      await save(runId);
    } finally {
      const left = (saving.get(runId) ?? 1) - 1;
      if (left > 0) saving.set(runId, left);
      else saving.delete(runId);
    }
  }

  return {
    all: () => [...entries.values()],
    has: (runId) => entries.has(runId),
    get,
    settled: (runId) => !saving.has(runId),
    async update(runId, change, lazy = false) {
      const next = withSilence(get(runId), change(get(runId)));
      entries.set(runId, next);
      if (!lazy) await whileSaving(runId);
      changed();
      return next;
    },
    async open(entry) {
      await save(entry.ref.runId, entry);
      entries.set(entry.ref.runId, entry);
      changed();
    },
    async adopt(entry, owner) {
      if (!(await world.journal.adopt(entry.ref.runId, entry.owner, owner))) return null;
      const adopted = { ...entry, owner };
      entries.set(entry.ref.runId, adopted);
      return adopted;
    },
    drop(runId) {
      entries.delete(runId);
      changed();
    },
  };
}

/** A sign after a silence, or the end: how long that was is kept if it was the longest. */
function withSilence(before: Entry, next: Entry): Entry {
  const untilMs = before.signal === null && next.signal !== null ? next.signal.atMs : next.lastSignAtMs;
  const silentMs = untilMs - before.lastSignAtMs;
  return before.fact === 'running' && silentMs > (before.silentMaxMs ?? 0) ? { ...next, silentMaxMs: silentMs } : next;
}
