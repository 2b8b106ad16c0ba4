import { messageOf } from '../core/errors.ts';
import { newGuard } from '../resilience/guard.ts';
import { policies } from '../resilience/policy.ts';
import { Timeouts } from '../resilience/timeouts.ts';
import type { Needs, Told } from '../watchdog/context.ts';
import type { Log } from '../world.ts';
import type { Opened } from './command.ts';

const webhookTimeoutMs = 10_000;
/** While the store is away; what is more is in the log only. */
const untoldMax = 200;
const againMs = 15_000;

/** Rows of `self_healing_events`, in order; a store that is away costs nothing but that they come later. */
export function teller({ world: { store, clock, random } }: Opened, log: Pick<Log, 'warn'>) {
  const untold: { readonly id: string; readonly atMs: number; readonly row: Told }[] = [];
  const over = new AbortController();
  let working: Promise<void> | null = null;
  const work = async (): Promise<void> => {
    while (untold.length > 0) {
      const [next] = untold;
      if (next === undefined) return;
      try {
        const { what, detail } = next.row;
        await store.note({
          kind: 'healing',
          todoId: null,
          runId: null,
          atMs: next.atMs,
          what,
          detail: JSON.stringify(detail),
          id: next.id,
        });
        untold.shift();
      } catch (error) {
        if (over.signal.aborted) {
          log.warn('monitor', 'watchdog: rows not told to the store', { rows: untold.length, reason: messageOf(error) });
          return;
        }
        await clock.sleep(againMs, over.signal);
      }
    }
  };
  const start = (): void => {
    working ??= work().finally(() => {
      working = null;
    });
  };
  return {
    tell(row: Told): void {
      if (untold.length >= untoldMax) untold.shift();
      untold.push({ id: random.uuidv7(), atMs: clock.nowMs(), row });
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
