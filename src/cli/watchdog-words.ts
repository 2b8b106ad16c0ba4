import { isOperational, messageOf, retryOf } from '../core/errors.ts';
import { type Untold, untoldLine, untoldRows } from '../core/untold.ts';
import { newGuard } from '../resilience/guard.ts';
import { policies } from '../resilience/policy.ts';
import { Timeouts } from '../resilience/timeouts.ts';
import type { Needs, Told } from '../watchdog/context.ts';
import type { Log } from '../world.ts';
import type { Opened } from './command.ts';

const webhookTimeoutMs = 10_000;
/** While the store is away: the beginning tells the story, and what is more is in the log only. */
const untoldMax = 200;
const againMs = 15_000;

/**
 * Rows of `self_healing_events`, in order; a store that is away costs nothing but that they come later. What it has not heard of stands in the file at
 * `path`: should this watchdog die, the next one, or the daemon, tells it.
 */
export function teller({ world: { store, clock, random, files } }: Opened, log: Pick<Log, 'warn'>, path: string) {
  const untold: Untold[] = [...untoldRows(files.readText(path) ?? '')];
  const over = new AbortController();
  let working: Promise<void> | null = null;
  const work = async (): Promise<void> => {
    for (let next = untold[0]; next !== undefined; next = untold[0]) {
      try {
        await store.note(next);
        untold.shift();
      } catch (error) {
        if (!isOperational(error)) throw error;
        if (retryOf(error.code) === 'never') {
          log.warn('monitor', 'watchdog: a row was refused for good', { what: next.what, reason: error.message });
          untold.shift();
          continue;
        }
        if (over.signal.aborted) {
          log.warn('monitor', 'watchdog: rows not told to the store', { rows: untold.length, reason: error.message });
          return;
        }
        await clock.sleep(againMs, over.signal);
      }
    }
    files.unlink(path);
  };
  const start = (): void => {
    working ??= work()
      .catch((error: unknown) =>
        log.warn('monitor', 'watchdog: rows not told to the store', { rows: untold.length, reason: messageOf(error) }),
      )
      .finally(() => {
        working = null;
      });
  };
  const keep = (row: Untold): void => {
    try {
      files.append(path, untoldLine(row));
    } catch (error) {
      if (!isOperational(error)) throw error;
      log.warn('monitor', 'watchdog: event not kept', { what: row.what, reason: error.message });
    }
  };
  if (untold.length > 0) start();
  return {
    tell({ what, detail }: Told): void {
      if (untold.length >= untoldMax) return;
      const row: Untold = {
        id: random.uuidv7(),
        kind: 'healing',
        todoId: null,
        runId: null,
        atMs: clock.nowMs(),
        what,
        detail: JSON.stringify({ actor: 'watchdog', after: what.slice(what.indexOf('.') + 1), ...detail }),
      };
      untold.push(row);
      keep(row);
      start();
    },
    /** One more try for what is left. */
    async close(): Promise<void> {
      over.abort();
      await working;
    },
  };
}

/** To the webhook, where there is one; the log has it in any case. */
export function pager({ world: { network, clock, random, host }, config }: Opened, log: Pick<Log, 'warn'>): Needs['page'] {
  const guard = newGuard(
    { name: 'webhook', policy: policies.default, timeoutMs: webhookTimeoutMs },
    { clock, random: random.next, timeouts: new Timeouts(clock) },
  );
  return (text, detail) => {
    const url = config.monitoring.webhook_url;
    if (url === null) return;
    const body = { kind: 'watchdog', level: 'CRITICAL', text, host: host.name, atMs: clock.nowMs(), detail };
    void guard
      .run(() => network.post(url, body, webhookTimeoutMs))
      .catch((error: unknown) => log.warn('emergency', 'webhook not reached', { text, reason: messageOf(error) }));
  };
}
