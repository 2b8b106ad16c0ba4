import { refusedWaitMs } from '../core/advance.ts';
import { causesOf, fingerprintOf } from '../core/dead-letter.ts';
import type { Delivery } from '../core/delivery.ts';
import { isOperational, type OperationalError } from '../core/errors.ts';
import { parsedJson } from '../core/shape.ts';
import { classOf } from '../resilience/error-class.ts';
import { Refused } from '../resilience/errors.ts';
import { retryDecision } from '../resilience/policy.ts';
import { retryAfterOf } from '../resilience/retry-after.ts';
import type { Context } from './context.ts';
import { noteLater } from './notebook.ts';
import { policyFor } from './policy-for.ts';
import { wentThrough } from './recovery-session.ts';

const webhookTimeoutMs = 10_000;
const prefix = 'delivery:';
/** Alerts that wait: more says no more, and each is in emergency.log too. */
const waitingMax = 1000;
const deadMax = 500;
const deathsMax = 20;

export type Deliveries = { all: Map<string, Delivery>; kicked: boolean };
export const newDeliveries = (): Deliveries => ({ all: new Map(), kicked: false });

const keyOf = ({ createdAtMs, id }: Delivery): string => `${prefix}${String(createdAtMs).padStart(15, '0')}:${id}`;

/** All that are kept, oldest first: what waits, and dead letters. */
export function keptDeliveries(journal: Pick<Context['world']['journal'], 'notes'>): Delivery[] {
  return journal.notes(prefix).flatMap(({ value }) => {
    const delivery = parsedJson(value) as Delivery | null;
    return delivery?.v === 1 ? [delivery] : [];
  });
}

/** What an earlier process had no time to deliver. */
export function readDeliveries({ world, deliveries }: Pick<Context, 'world' | 'deliveries'>): void {
  deliveries.all = new Map(keptDeliveries(world.journal).map((delivery) => [delivery.id, delivery]));
}

type What = Pick<Delivery, 'what' | 'todoId' | 'runId' | 'body'>;

/** Kept first, then sent, one after the other: at least once, with its id as the idempotency key. */
export function deliver(context: Context, { what, todoId, runId, body }: What): void {
  const { world, deliveries } = context;
  const waiting = [...deliveries.all.values()].filter(({ isDead }) => !isDead);
  if (waiting.length >= waitingMax) {
    world.log.warn('emergency', 'too many deliveries wait; this one is in the log only', { what });
    return;
  }
  const nowMs = world.clock.nowMs();
  const id = world.random.uuidv7();
  const whole = { ...body, delivery: id };
  const sha256 = world.digest.sha256(JSON.stringify(whole));
  const about = { v: 1, id, to: 'webhook', what, todoId, runId, body: whole, sha256, createdAtMs: nowMs } as const;
  put(context, { ...about, attempts: [], nextAtMs: nowMs, deaths: [], isDead: false });
  deliverWaiting(context);
}

/** What a person must hear of the daemon itself. Where there is no receiver it stands in the log alone. */
export function deliverAlert(
  context: Context,
  what: string,
  severity: 'WARNING' | 'CRITICAL',
  message: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  if (context.config.monitoring.webhook_url === null) return;
  const body = { schemaVersion: 1, kind: 'alert', severity, atMs: context.world.clock.nowMs(), message, ...fields };
  deliver(context, { what, todoId: null, runId: null, body });
}

/** Journal and memory. */
function put(context: Context, delivery: Delivery): void {
  context.deliveries.all.set(delivery.id, delivery);
  const { world } = context;
  keep(context, delivery.id, () => world.journal.setNote(keyOf(delivery), JSON.stringify(delivery)));
}

function drop(context: Context, delivery: Delivery): void {
  context.deliveries.all.delete(delivery.id);
  keep(context, delivery.id, () => context.world.journal.dropNotes([keyOf(delivery)]));
}

let turn = 0;
function keep(context: Context, id: string, work: () => Promise<void>): void {
  context.tasks.start(`keep:${id}.${++turn}`, work, (error) =>
    context.world.log.warn('emergency', 'a delivery could not be kept', { delivery: id, reason: error.message }),
  );
}

const nextOf = ({ deliveries }: Context): Delivery | undefined => [...deliveries.all.values()].find(({ isDead }) => !isDead);

/** One at a time, in order: whoever waits behind one that failed has the same receiver. */
export function deliverWaiting(context: Context): void {
  if (context.config.monitoring.webhook_url === null || nextOf(context) === undefined) return;
  context.tasks.start(
    'deliver',
    async () => {
      for (let next = nextOf(context); next !== undefined; next = nextOf(context)) {
        const { deliveries, changes, stop, world } = context;
        if (next.nextAtMs > world.clock.nowMs()) {
          deliveries.kicked = false;
          await changes.until(() => deliveries.kicked, next.nextAtMs, stop);
        }
        if (stop.aborted) return;
        const now = deliveries.all.get(next.id);
        if (now !== undefined && !now.isDead) await attempt(context, now);
      }
    },
    () => {},
  );
}

/** The receiver may be back: what waits is sent now. */
export function kickDeliveries({ deliveries, changes }: Pick<Context, 'deliveries' | 'changes'>): void {
  deliveries.kicked = true;
  changes.tell();
}

async function attempt(context: Context, delivery: Delivery): Promise<void> {
  const { world, config } = context;
  const url = config.monitoring.webhook_url;
  if (url === null) return;
  try {
    await world.network.post(url, delivery.body, webhookTimeoutMs);
    drop(context, delivery);
    context.bounds.budgets.webhook.succeeded();
    wentThrough(context, 'webhook', 'deliveries');
  } catch (error) {
    if (!isOperational(error)) throw error;
    // Nothing was sent, so it is no attempt.
    if (error instanceof Refused) put(context, { ...delivery, nextAtMs: world.clock.nowMs() + refusedWaitMs(error.retryAfterMs) });
    else failed(context, delivery, error);
  }
}

function failed(context: Context, delivery: Delivery, error: OperationalError): void {
  const { world, config } = context;
  const atMs = world.clock.nowMs();
  const errorClass = classOf(error);
  const attemptNumber = delivery.attempts.length + 1;
  const policy = policyFor('default', config);
  const decision = retryDecision(
    policy,
    {
      errorClass,
      attempt: attemptNumber,
      noTries: 0,
      previousMs: delivery.attempts.at(-1)?.delayMs ?? null,
      retryAfterMs: retryAfterOf(error),
      leftMs: Number.POSITIVE_INFINITY,
      // It is kept here, so it can wait: where retries are used up for now it waits the longest, and is not given up for that.
      tokens: Number.POSITIVE_INFINITY,
    },
    world.random.next,
  );
  const rule = policy.rules[errorClass];
  const isPaid = decision.kind === 'give-up' || context.bounds.budgets.webhook.take(rule.budgetCost);
  const delayMs = decision.kind === 'give-up' ? null : isPaid ? decision.delayMs : Math.max(decision.delayMs, rule.backoff.maxMs);
  const attempts = [...delivery.attempts, { atMs, errorClass, message: error.message, delayMs }];
  world.log.warn('emergency', 'webhook failed', { delivery: delivery.id, attempt: attemptNumber, reason: error.message });
  noteLater(context, {
    kind: 'retry',
    id: `${delivery.id}.${delivery.deaths.length}.${attemptNumber}`,
    todoId: delivery.todoId,
    runId: delivery.runId,
    atMs,
    what: 'webhook',
    detail: error.message,
    failed: {
      of: 'delivery',
      errorClass,
      attempt: attemptNumber,
      attemptsMax: Number.isFinite(rule.attempts) ? rule.attempts : null,
      nextAtMs: delayMs === null ? null : atMs + delayMs,
    },
  });
  if (delayMs !== null) {
    put(context, { ...delivery, attempts, nextAtMs: atMs + delayMs });
    return;
  }
  const fingerprint = fingerprintOf(errorClass, delivery.to, error.message);
  const death = { atMs, errorClass, message: error.message, causes: causesOf(error), fingerprint, attempts };
  wentThrough(context, 'webhook', 'dead');
  put(context, { ...delivery, attempts, isDead: true, deaths: [...delivery.deaths, death].slice(-deathsMax) });
  world.log.critical('emergency', 'dead letter', {
    delivery: delivery.id,
    todo: delivery.body['todo'] ?? null,
    class: errorClass,
    reason: error.message,
    hint: `todo dead-letter show ${delivery.id}`,
  });
  const dead = [...context.deliveries.all.values()].filter(({ isDead }) => isDead);
  for (const oldest of dead.slice(0, Math.max(0, dead.length - deadMax))) drop(context, oldest);
}

/** New attempts for a delivery that was given up; its deaths stay linked to it. */
export function requeueDelivery(context: Context, delivery: Delivery): void {
  put(context, { ...delivery, attempts: [], nextAtMs: context.world.clock.nowMs(), isDead: false });
  deliverWaiting(context);
}
