/** Where the server of the dashboard keeps what it remembers for itself, the best place first. */
export const keptPlaces = ['redis', 'sqlite', 'memory'] as const;
export type KeptPlace = (typeof keptPlaces)[number];

/** Text by key, until a time (UTC milliseconds). Null as value: gone for good, whatever is put there afterwards. */
export type Kept = { readonly key: string; readonly value: string | null; readonly untilMs: number };

/** A place in this process or on its disk. Each call answers at once, or throws an OperationalError. */
export type NearPlace = {
  readonly name: KeptPlace;
  get(key: string): Kept | null;
  /** Nothing changes where the key is gone. */
  put(kept: Kept): void;
  /** One more of these; how many that is. Begins anew when the time is over. */
  count(key: string, untilMs: number): number;
  /** All whose key begins so, the gone ones too. */
  all(prefix: string): readonly Kept[];
};

/** A place in another process. Each call answers within the bound that it was made with, or rejects with an OperationalError. */
export type FarPlace = {
  readonly name: KeptPlace;
  ping(): Promise<void>;
  get(key: string): Promise<Kept | null>;
  put(kept: readonly Kept[]): Promise<void>;
  count(key: string, untilMs: number): Promise<number>;
  close(): void;
};

/** As health and people are told. */
export type KeptState = {
  readonly in: KeptPlace;
  /** The best that is configured. */
  readonly wanted: KeptPlace;
  /** Why it is not there; null: it is. */
  readonly problem: string | null;
  readonly sinceMs: number;
  /** How often it had to be kept elsewhere since the server began. */
  readonly fallbacks: number;
};

/** Of two that are known of one key: what is gone stays gone, else the first. */
export function settled(first: Kept | null, second: Kept | null): Kept | null {
  if (first === null || second === null) return first ?? second;
  return second.value === null ? second : first;
}
