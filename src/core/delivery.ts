/** One failed attempt at a delivery. */
export type DeliveryAttempt = {
  readonly atMs: number;
  readonly errorClass: string;
  readonly message: string;
  readonly delayMs: number | null;
};

/** How a delivery was given up. */
export type DeliveryDeath = {
  readonly atMs: number;
  readonly errorClass: string;
  readonly message: string;
  readonly causes: readonly string[];
  readonly fingerprint: string;
  readonly attempts: readonly DeliveryAttempt[];
};

/** Something that must reach somebody outside, kept until it has. Sent at least once; `id` is its idempotency key. */
export type Delivery = {
  readonly v: 1;
  readonly id: string;
  readonly to: 'webhook';
  readonly what: string;
  readonly todoId: string | null;
  readonly runId: string | null;
  readonly body: Readonly<Record<string, unknown>>;
  /** SHA-256 of the body as JSON. */
  readonly sha256: string;
  readonly createdAtMs: number;
  /** Since it was made or requeued. */
  readonly attempts: readonly DeliveryAttempt[];
  readonly nextAtMs: number;
  /** Newest last. Dead now where `isDead`. */
  readonly deaths: readonly DeliveryDeath[];
  readonly isDead: boolean;
};
