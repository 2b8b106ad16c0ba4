import type { Condition, Obstacles, StoreFigures } from '../world.ts';
import type { Dialect } from './dialect.ts';
import type { Statement, Work } from './work.ts';

/** What is being done on what, for the text of an error: "recording", "todo 42". */
export type About = { readonly operation: string; readonly subject: string };

/** What a store is read with; a snapshot of one is all of this too. */
export type Source = Pick<Driver, 'dialect' | 'read'>;

/** Reads that all see one moment, however long they take and whoever writes meanwhile. Its first error ends it. */
export type Snapshot = Source & AsyncDisposable;

/** All that the store's logic asks of a database. Errors leave as OperationalError (world.ts, `Store`). */
export type Driver = {
  readonly name: 'sqlite' | 'mysql';
  readonly dialect: Dialect;
  /** Statements each by itself; nothing is written. */
  read<T>(about: About, work: () => Work<T>): Promise<T>;
  /** One transaction, durable when it resolves. STORE_IN_DOUBT where its commit may have happened. */
  write<T>(about: About, work: () => Work<T>): Promise<T>;
  /** Work outside a transaction, for servers whose schema changes commit by themselves. */
  define<T>(about: About, work: () => Work<T>): Promise<T>;
  /** The database's clock; it stands inside work because leases are compared with it. */
  now(): Work<number>;
  /** The same as part of a statement, so that it costs no journey of its own. */
  nowSql(): Statement;
  /** Bytes of UTF-8 that one bound value may have. Asks the server where it is not known yet. */
  valueBytesMax(): Promise<number>;
  figures(): StoreFigures;
  /** As `Store.care`; the names are quoted. */
  readonly care: {
    obstacles(): Promise<Obstacles>;
    reset(): Promise<string>;
    optimize(tables: readonly string[]): Promise<string>;
    conditions(tables: readonly string[]): Promise<readonly Condition[]>;
  };
  close(): Promise<void>;
};
