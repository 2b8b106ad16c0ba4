import { existsSync } from 'node:fs';
import { hasEnded } from '../../core/entry.ts';
import { OperationalError } from '../../core/errors.ts';
import { isInProgress } from '../../core/words.ts';
import { homeId } from '../../platform/home.ts';
import { takeLock } from '../../platform/lock.ts';
import { openDatabase } from '../../platform/sqlite.ts';
import type { Call, CommandModule, Opened, Spinner } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { table as textTable } from '../text/table.ts';
import { usage } from '../todos.ts';

type Options = { readonly to?: string; readonly passwordFile?: string; readonly prefix?: string; readonly apply?: true };

/** Moves the store of this home from SQLite to MySQL: a look first, then with --apply row by row, each compared. The source stays as it is. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--to <url>', 'migrate: mysql://user@host:port/database')
      .option('--password-file <file>', 'migrate: a file (0600) whose first line is the password')
      .option('--prefix <prefix>', 'migrate: before the names of the tables there')
      .option('--apply', 'migrate: do it; without it only look'),
  async run(call) {
    const { to, passwordFile, prefix, apply = false } = call.options as Options;
    if (to === undefined) throw usage('store migrate', 'where to?', 'Say: todo store migrate --to mysql://user@host:port/database');
    await using stack = new AsyncDisposableStack();
    const opened = stack.use(await call.open({ readOnly: true }));
    const { world, config } = opened;
    if (world.store.driver !== 'sqlite')
      throw new OperationalError('REFUSED', {
        operation: 'moving',
        subject: 'the store of this home',
        why: 'it is in MySQL already',
        hint: 'See: todo store check',
      });
    if (apply) await refuseLife(opened, stack);
    const [{ migrate }, { sqliteDriver }, { mysqlDriver }, { parseStoreUrl }, { random }] = await Promise.all([
      import('../../store/migrate.ts'),
      import('../../store/sqlite.ts'),
      import('../../store/mysql.ts'),
      import('../../store/url.ts'),
      import('../../platform/random.ts'),
    ]);
    const address = parseStoreUrl(to, passwordFile ?? null);
    if (address.kind !== 'mysql')
      throw usage('store migrate', 'the target is no MySQL address', 'Say: --to mysql://user@host:port/database');
    if (!existsSync(world.home.database))
      throw new OperationalError('STORE_SCHEMA', {
        operation: 'moving',
        subject: 'the store of this home',
        why: 'there is no store here yet',
        hint: 'Nothing needs to be moved. Set store.url and begin.',
      });
    const database = stack.adopt(openDatabase(world.home.database, { readOnly: true }), (it) => it.close());
    const { log, clock } = world;
    const target = mysqlDriver({ address, clock, random, log, deadlineMs: config.behavior.database_timeout * 1000, poolSize: 1 });
    stack.defer(() => target.close());
    // The source is opened for reading alone, so that nothing here could change it.
    const source = sqliteDriver(database, { write: () => Promise.reject(new Error('the source is never written to')), flush() {} }, clock);
    using spinner = await call.out.spin('looking at both stores');
    const moved = await migrate({
      from: { driver: source, prefix: config.store.table_prefix },
      to: { driver: target, prefix: prefix ?? config.store.table_prefix },
      origin: homeId(world.home.root),
      apply,
      sha256: world.digest.sha256,
      log,
      onProgress: progressOn(spinner),
    });
    spinner.end();
    const sum = (of: (row: (typeof moved.tables)[number]) => number): number => moved.tables.reduce((all, row) => all + of(row), 0);
    const totals = { rows: sum(({ rows }) => rows), there: sum(({ there }) => there), copied: sum(({ copied }) => copied) };
    call.out.json('store-migrate', {
      applied: apply,
      verified: moved.verified,
      to: address.describe(),
      ...totals,
      inPart: moved.inPart,
      tables: moved.tables,
    });
    showMoved(moved, call.out);
    if (apply) {
      call.out.line(`All ${totals.rows} rows are there and read back the same, ${totals.copied} of them copied now.`);
      call.out.line(`Use it: set "store": { "url": … } in hooks/config.json, or TODO_STORE_URL. The store here stays as it was.`);
    } else {
      call.out.line(`${totals.rows - totals.there} of ${totals.rows} rows would be copied to ${address.describe()}. Do it: --apply`);
    }
    return exit.yes;
  },
};

function showMoved(
  { tables }: { readonly tables: readonly { name: string; rows: number; there: number; copied: number }[] },
  out: Call['out'],
): void {
  const filled = tables.filter(({ rows }) => rows > 0);
  const columns = [{ title: 'table' }, ...['rows', 'there', 'copied'].map((title) => ({ title, align: 'right' as const }))];
  const cells = filled.map(({ name, rows, there, copied }) => [name, rows, there, copied].map(String));
  for (const line of textTable(columns, cells, out.columns, out.paint)) out.line(line);
}

/** Nobody may write to the store while it is moved: no daemon (its lock is held meanwhile), no run, no completion under way. */
async function refuseLife({ world }: Opened, stack: AsyncDisposableStack): Promise<void> {
  const lock = takeLock(world.home.lock, { ...world.processes.self(), startedAtMs: world.clock.nowMs() });
  stack.defer(() => lock.release());
  const { todos } = await world.store.list({ statuses: ['claimed', 'running', 'stalled'], limit: 5 });
  const live = world.journal.live().filter(({ fact }) => !hasEnded(fact));
  const busy = todos.filter(({ status }) => isInProgress(status)).map(({ number }) => `todo ${number}`);
  const under = live.map(({ todo }) => `todo ${todo.number}`);
  const all = [...new Set([...busy, ...under])];
  if (all.length === 0) return;
  throw new OperationalError('LOCKED', {
    operation: 'moving',
    subject: 'the store of this home',
    why: `${all.slice(0, 5).join(', ')} ${all.length === 1 ? 'is' : 'are'} being worked on`,
    hint: 'Let it end, or: todo emergency ID. See: todo list',
  });
}

const progressOn =
  (spinner: Spinner) =>
  ({ doing, table, done, of }: { doing: string; table: string; done: number; of: number }): void =>
    spinner.step(`${doing} ${table}: ${done} of ${of}`);
