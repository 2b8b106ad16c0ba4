import { OperationalError } from '../core/errors.ts';
import { coarseWords, priorityWord, type StoreMap } from '../core/store-map.ts';
import type { TerminalRecord, Todo } from '../core/todo.ts';
import { isTerminal, type TodoStatus, todoStatuses } from '../core/words.ts';
import { mysqlNow } from './dialect.ts';
import { type Fitted, fit } from './fit.ts';
import { type Layout, layoutOf, layoutProblems, literal, type TheirColumn, zoneSql } from './layout.ts';
import type { Tables } from './names.ts';
import { runColumns, runIn, selected, todoColumns } from './rows.ts';
import { type Condition, insertOwn, type Sets, type Shape, updateOwn } from './shape.ts';
import { affectedBy, type Row, rowOf, type Value, type Work } from './work.ts';

type Needs = {
  readonly map: StoreMap;
  readonly tables: Tables;
  /** A checked name, quoted. */
  readonly quote: (name: string) => string;
};

/** Runs that somebody took away by setting their row back; then it is blocked, so that two who disagree do not go on for hours (I-17). */
const resetsMax = 3;

/**
 * Somebody's table as the table of todos. Each thing has one place: what their table has a column for is theirs, all else (fence, run, counts,
 * times in milliseconds, which of our finer words) is in our own `todo` beside it, tied by their id as our number. A guarded write changes both in one
 * transaction. Their status column has the last word: whoever changes it by hand takes the todo from its run, and what that run still brings
 * is archived as superseded.
 */
export function mappedShape({ map, tables, quote }: Needs): Shape {
  const theirs = quote(map.table);
  const column = (name: string, alias = 'w'): string => `${alias}.${quote(name)}`;
  const words = coarseWords(map);
  const idOf = column(map.columns.id);
  const statusOf = column(map.columns.status);
  let layout: Layout | null = null;

  const known = (): Layout => {
    if (layout === null) throw new Error(`table ${map.table} was not looked at yet`);
    return layout;
  };
  const theirColumn = (name: string): TheirColumn => {
    const found = known().columns.get(name.toLowerCase());
    if (found !== undefined) return found;
    throw new OperationalError('STORE_SCHEMA', {
      operation: 'reading',
      subject: `table ${map.table}`,
      why: `it has no column ${name}`,
      hint: 'See: todo store map --check',
    });
  };

  const inStep = `(s.id IS NOT NULL AND (${words
    .map(({ word }) => {
      const finer = todoStatuses.filter((status) => map.statuses[status] === word);
      return `(${statusOf} = ${literal(word)} AND s.status IN (${finer.map((status) => `'${status}'`).join(', ')}))`;
    })
    .join(' OR ')}))`;
  const coarse = `CASE ${words.map(({ word, status }) => `WHEN ${statusOf} = ${literal(word)} THEN '${status}'`).join(' ')} END`;
  const ofOurs = (name: string): string => `CASE WHEN ${inStep} THEN s.${name} END`;
  const text = (name: string): string => `CONVERT(${column(name)} USING utf8mb4) COLLATE utf8mb4_bin`;
  const filled = (name: string): string => `NULLIF(${text(name)}, '')`;
  const held =
    map.release === null
      ? 'COALESCE(s.held, 0)'
      : `CASE WHEN ${inStep} AND s.status = 'dead-lettered' THEN s.held WHEN ${column(map.release.column)} = ${literal(map.release.value)} THEN 0 ELSE 1 END`;

  /** Their time as UTC milliseconds. DATETIME has no zone, so we were told one; of an hour that is there twice it is one of the two. */
  function msOf(name: string | null): string {
    if (name === null) return 'NULL';
    const at = theirColumn(name).kind === 'timestamp' ? column(name) : `CONVERT_TZ(${column(name)}, ${zoneSql(map)}, '+00:00')`;
    return `CAST(ROUND(UNIX_TIMESTAMP(${at}) * 1000) AS SIGNED)`;
  }

  /** A time of ours for one of their columns: whole seconds are not rounded up. */
  function timeFor(name: string, atMs: number): { readonly sql: string; readonly value: number } {
    const { kind, timePrecision } = theirColumn(name);
    const sql = kind === 'timestamp' ? 'FROM_UNIXTIME(? / 1000)' : `CONVERT_TZ(FROM_UNIXTIME(? / 1000), '+00:00', ${zoneSql(map)})`;
    const step = 10 ** Math.max(0, 3 - timePrecision);
    return { sql, value: Math.floor(atMs / step) * step };
  }

  function priority(): string {
    const { priority: name } = map.columns;
    if (name === null) return 'COALESCE(s.priority, 5)';
    const { priorities } = map;
    if (priorities === null) return `LEAST(9, GREATEST(0, COALESCE(${column(name)}, 5)))`;
    const finer = Array.from({ length: 10 }, (_, each) => `WHEN ${each} THEN ${literal(priorityWord(priorities, each))}`).join(' ');
    const coarser = Object.entries(priorities)
      .map(([word, each]) => `WHEN ${column(name)} = ${literal(word)} THEN ${each}`)
      .join(' ');
    return `CASE WHEN s.id IS NOT NULL AND ${column(name)} = CASE s.priority ${finer} END THEN s.priority ${coarser} ELSE 5 END`;
  }

  const expressions = (): Readonly<Record<keyof Todo, string>> => {
    const { columns, defaults } = map;
    const folder =
      columns.working_directory === null
        ? `COALESCE(s.cwd, ${literal(defaults.workingDirectory)})`
        : `COALESCE(${filled(columns.working_directory)}, ${literal(defaults.workingDirectory)})`;
    const agent = `COALESCE(s.agent, ${literal(defaults.agent)})`;
    return {
      id: 's.id',
      number: idOf,
      title: `COALESCE(${text(columns.title)}, '')`,
      prompt: `COALESCE(${columns.prompt.map(filled).join(', ')}, '')`,
      cwd: folder,
      project: `CASE WHEN s.cwd = ${folder} THEN s.project ELSE ${folder} END`,
      agent: columns.agent === null ? agent : `COALESCE(${filled(columns.agent)}, ${agent})`,
      session: 's.session',
      checks: "COALESCE(s.checks, '[]')",
      priority: priority(),
      timeoutMs: 's.timeout_ms',
      rounds: `COALESCE(s.rounds, ${defaults.rounds})`,
      after: 's.after_id',
      held,
      status: `CASE WHEN ${inStep} THEN s.status ELSE ${coarse} END`,
      proof: `CASE WHEN ${inStep} THEN s.proof WHEN ${statusOf} = ${literal(map.statuses.completed)} THEN 'overridden' END`,
      reason: ofOurs('reason'),
      fence: 'COALESCE(s.fence, 0)',
      runId: ofOurs('run_id'),
      notBeforeMs: ofOurs('not_before_ms'),
      attempts: 'COALESCE(s.attempts, 0)',
      resets: 'COALESCE(s.resets, 0)',
      summary: columns.summary === null ? 's.summary' : `CASE WHEN ${inStep} THEN s.summary ELSE ${filled(columns.summary)} END`,
      report: ofOurs('report'),
      createdAtMs: `COALESCE(s.created_at_ms, ${msOf(columns.created_at)}, 0)`,
      updatedAtMs: `COALESCE(${ofOurs('updated_at_ms')}, ${msOf(columns.updated_at)}, s.updated_at_ms, ${msOf(columns.created_at)}, 0)`,
      endedAtMs: `CASE WHEN ${inStep} THEN s.ended_at_ms WHEN ${coarse} IN ('completed', 'cancelled') THEN ${msOf(columns.completed_at)} END`,
    };
  };

  function* prepare(): Work<void> {
    if (layout !== null) return;
    const seen = yield* layoutOf(map);
    if (seen.engine === null)
      throw new OperationalError('STORE_SCHEMA', {
        operation: 'opening',
        subject: `table ${map.table}`,
        why: 'there is no such table in this database',
        hint: 'See: todo store map --check',
      });
    layout = seen;
  }

  /** Rows whose word means nothing here (cron) are no todos of ours. */
  function from(statuses: readonly TodoStatus[], more = ''): string {
    const columns = (Object.entries(expressions()) as [keyof Todo, string][]).map(([field, sql]) => `${sql} AS ${todoColumns[field]}`);
    const some = [...new Set(statuses.map((status) => map.statuses[status]))].map(literal);
    return `(SELECT ${columns.join(', ')} FROM ${theirs} w LEFT JOIN ${tables.todo} s ON s.number = ${idOf} WHERE ${statusOf} IN (${some.join(', ')})${more})`;
  }
  const rows: Shape['rows'] = (statuses = todoStatuses) => from(statuses);

  const isTheirId = (id: string): boolean => /^[0-9]{1,15}$/.test(id);
  const theirRow = `${quote(map.columns.id)} = (SELECT number FROM ${tables.todo} WHERE id = ?)`;

  /** Changes their row. What the server would change by itself stays as it is. */
  function* write(todoId: string, given: readonly (readonly [name: string, sql: string, value: Value])[]): Work<void> {
    if (given.length === 0) return;
    const set = new Set(given.map(([name]) => name.toLowerCase()));
    const kept = [...known().columns.values()]
      .filter((it) => it.changesByItself && !set.has(it.name.toLowerCase()))
      .map((it) => quote(it.name));
    const changed = yield* affectedBy(
      `UPDATE ${theirs} SET ${[...given.map(([name, sql]) => `${quote(name)} = ${sql}`), ...kept.map((name) => `${name} = ${name}`)].join(', ')} WHERE ${theirRow}`,
      ...given.map(([, , value]) => value),
      todoId,
    );
    if (changed !== 1)
      throw new OperationalError('STORE_CONFLICT', {
        operation: 'changing',
        subject: `todo ${todoId} in table ${map.table}`,
        why: 'its row went away meanwhile',
      });
  }

  const at = (name: string | null, atMs: number | null): [string, string, Value][] => {
    if (name === null) return [];
    if (atMs === null) return [[name, '?', null]];
    const { sql, value } = timeFor(name, atMs);
    return [[name, sql, value]];
  };

  function* mirror(todoId: string, sets: Sets, nowMs: number): Work<void> {
    const { columns, release } = map;
    const status = sets['status'] as TodoStatus | undefined;
    const given: [string, string, Value][] = at(columns.updated_at, nowMs);
    if (status !== undefined) given.push([columns.status, '?', map.statuses[status]]);
    if (status === 'claimed') given.push(...at(columns.started_at, nowMs), ...at(columns.completed_at, null));
    // Dead-lettered ones are held by our own word: a person who opens theirs again need not know of it.
    if (release !== null && sets['held'] !== undefined && status !== 'dead-lettered')
      given.push([release.column, '?', sets['held'] === 1 ? release.otherwise : release.value]);
    const why = sets['reason'];
    if (columns.summary !== null && typeof why === 'string' && status !== undefined && mustLook.has(status)) {
      const fitted = yield* fitted1(columns.summary, why, false);
      given.push([columns.summary, '?', fitted.text]);
    }
    yield* write(todoId, given);
  }

  /** What a person finds in their table with nothing else to tell him why. */
  const mustLook: ReadonlySet<TodoStatus> = new Set<TodoStatus>(['blocked', 'dead-lettered', 'failed', 'cancelled']);

  const fitted1 = (name: string, value: string, isHtml: boolean): Work<Fitted> =>
    fit(theirColumn(name), value, { isHtml, bytesMax: known().valueBytesMax });

  function* adopt(number: number): Work<void> {
    const values = (Object.entries(todoColumns) as [keyof Todo, string][]).map(([field, name]) =>
      field === 'id' ? 'CAST(t.number AS CHAR)' : field === 'title' || field === 'prompt' ? "''" : `t.${name}`,
    );
    yield* affectedBy(
      `INSERT IGNORE INTO ${tables.todo} (${Object.values(todoColumns).join(', ')}) SELECT ${values.join(', ')} FROM ${rows()} t WHERE t.number = ?`,
      number,
    );
  }

  const both = `SELECT s.id AS id, s.status AS status, s.run_id AS run_id, s.held AS held, s.resets AS resets, ${idOf} AS number, ${statusOf} AS word,
    ${inStep} AS in_step, ${coarse} AS coarse, ${held} AS their_held FROM ${tables.todo} s LEFT JOIN ${theirs} w ON ${idOf} = s.number`;

  function* lockBoth(todoId: string): Work<Row | null> {
    const where = isTheirId(todoId) ? { sql: 's.number = ?', value: Number(todoId) } : { sql: 's.id = ?', value: todoId };
    return yield* rowOf(`${both} WHERE ${where.sql} FOR UPDATE`, where.value);
  }

  function* align(todoId: string, nowMs: number, patient = false): Work<boolean> {
    let row = yield* lockBoth(todoId);
    if (row === null && isTheirId(todoId)) {
      yield* adopt(Number(todoId));
      row = yield* lockBoth(todoId);
    }
    if (row === null) return true;
    const id = String(row['id']);
    if (row['in_step'] === 1) {
      if (row['held'] !== row['their_held'])
        yield* affectedBy(`UPDATE ${tables.todo} SET held = ? WHERE id = ?`, row['their_held'] as number, id);
      return true;
    }
    const run =
      row['run_id'] === null
        ? null
        : yield* rowOf(`SELECT ${selected('r', runColumns)} FROM ${tables.run} r WHERE r.id = ? FOR UPDATE`, String(row['run_id']));
    const live = run === null || runIn(run).endedAtMs !== null ? null : runIn(run);
    // Its holder finds out by renewing, and ends its agent first: two agents must not work on one todo.
    if (patient && live !== null && (live.kind === 'child' || live.kind === 'tmux') && live.leaseUntilMs > nowMs) return false;
    const isGone = row['number'] === null;
    const coarseStatus = row['coarse'] as TodoStatus | null;
    const reopened = !isGone && coarseStatus === 'open' && live !== null;
    const resets = reopened ? Number(row['resets']) + 1 : 0;
    const worn = resets > resetsMax;
    const status: TodoStatus = isGone ? 'cancelled' : worn ? 'blocked' : (coarseStatus ?? 'blocked');
    const what = isGone ? `its row in ${map.table} was deleted` : `somebody set it to ${String(row['word'])} in ${map.table}`;
    const reason = worn ? `${what} while an agent worked on it, for the ${resets}th time` : what;
    if (live !== null) {
      yield* affectedBy(
        `UPDATE ${tables.run} SET outcome = 'superseded', ended_at_ms = ?, token_sha256 = '' WHERE id = ? AND ended_at_ms IS NULL`,
        nowMs,
        live.id,
      );
      yield* tell(live.id, 'taken', id, nowMs, 'taken by hand', { reason, status });
    }
    yield* affectedBy(
      `UPDATE ${tables.todo} SET status = ?, run_id = NULL, proof = ?, reason = ?, not_before_ms = NULL, attempts = 0, resets = ?, held = COALESCE(?, held), ended_at_ms = ?, updated_at_ms = ? WHERE id = ?`,
      status,
      status === 'completed' ? 'overridden' : null,
      reason,
      resets,
      isGone ? null : (row['their_held'] as number),
      isTerminal(status) ? nowMs : null,
      nowMs,
      id,
    );
    if (worn) yield* mirror(id, { status, reason }, nowMs);
    return true;
  }

  function* tell(runId: string, kind: string, todoId: string, nowMs: number, what: string, detail: unknown): Work<void> {
    yield* affectedBy(
      `INSERT IGNORE INTO ${tables.audit} (id, todo_id, run_id, at_ms, what, detail) VALUES (?, ?, ?, ?, ?, ?)`,
      `${runId}-${kind}`,
      todoId,
      runId,
      nowMs,
      what,
      JSON.stringify(detail),
    );
  }

  return {
    prepare,
    forget() {
      layout = null;
    },
    *problems() {
      layout = null;
      const ours = Object.values(tables).includes(theirs)
        ? [`table ${map.table} is one of our own: choose another store.table_prefix`]
        : [];
      return [...ours, ...layoutProblems(map, yield* layoutOf(map))];
    },
    signature: signatureOf(map.table),
    table: map.table,
    rows,
    get ends() {
      const { status, proof } = expressions();
      return `(SELECT s.id AS id, s.number AS number, ${status} AS status, ${proof} AS proof FROM ${tables.todo} s JOIN ${theirs} w ON ${idOf} = s.number)`;
    },
    get kept() {
      return [rows(), tables.todo];
    },
    isShared: true,
    get waitingRows() {
      const released = map.release === null ? '' : ` AND ${column(map.release.column)} = ${literal(map.release.value)}`;
      // Set back by hand while an agent works on it: not before that agent's host has heard of it, or its lease is over.
      const untold = `EXISTS (SELECT 1 FROM ${tables.run} r WHERE r.id = s.run_id AND r.ended_at_ms IS NULL AND r.kind IN ('child', 'tmux') AND r.lease_until_ms > ${mysqlNow})`;
      return from(['open', 'parked'], `${released} AND (s.run_id IS NULL OR NOT ${untold})`);
    },
    order: { sql: 't.priority, t.number', compare: (a, b) => a.priority - b.priority || a.number - b.number },
    byId: (id): Condition => (isTheirId(id) ? { sql: 't.number = ?', values: [Number(id)] } : { sql: 't.id = ?', values: [id] }),
    align,
    *update(todoId, sets, guard, nowMs) {
      const changed = yield* updateOwn(tables, todoId, sets, guard);
      if (changed === 1) yield* mirror(todoId, sets, nowMs);
      return changed;
    },
    *insert(todo) {
      const { columns, release, priorities } = map;
      const given: [string, string, Value][] = [
        ...at(columns.created_at, todo.createdAtMs),
        ...at(columns.updated_at, todo.updatedAtMs),
        [columns.status, '?', map.statuses[todo.status]],
      ];
      const texts: [string | null, string][] = [
        [columns.title, todo.title],
        [columns.prompt[0]!, todo.prompt],
        [columns.working_directory, todo.cwd],
        [columns.agent, todo.agent],
      ];
      for (const [name, value] of texts) {
        if (name === null || given.some(([other]) => other === name)) continue;
        const fitted = yield* fitted1(name, value, false);
        // A prompt that is not what was said must never reach an agent.
        if (fitted.replaced + fitted.cut > 0)
          throw new OperationalError('STORE_REFUSED', {
            operation: 'adding',
            subject: `a todo to table ${map.table}`,
            why: `column ${name} (${theirColumn(name).charset ?? theirColumn(name).type}) cannot hold ${fitted.replaced + fitted.cut} of its characters`,
            hint: `Say it in other characters, or shorter; or: ALTER TABLE ${map.table} CONVERT TO CHARACTER SET utf8mb4`,
          });
        given.push([name, '?', fitted.text]);
      }
      if (columns.priority !== null)
        given.push([columns.priority, '?', priorities === null ? todo.priority : priorityWord(priorities, todo.priority)]);
      if (release !== null) given.push([release.column, '?', todo.held ? release.otherwise : release.value]);
      yield* affectedBy(
        `INSERT INTO ${theirs} (${given.map(([name]) => quote(name)).join(', ')}) VALUES (${given.map(([, sql]) => sql).join(', ')})`,
        ...given.map(([, , value]) => value),
      );
      const made = yield* rowOf('SELECT LAST_INSERT_ID() AS number');
      if (todo.after !== null && isTheirId(todo.after)) yield* adopt(Number(todo.after));
      yield* insertOwn(tables, { ...todo, title: '', prompt: '', number: Number(made?.['number']) });
    },
    *show(record, nowMs) {
      const { columns } = map;
      const ends = isTerminal(record.todoStatus) || record.todoStatus === 'blocked';
      if (!ends) return;
      const noted: Record<string, { replaced: number; cut: number }> = {};
      const values: [name: string | null, text: string, isHtml: boolean][] = [
        [columns.summary, summaryOf(record), false],
        [columns.text, record.output, false],
        [columns.html, record.reportHtml, true],
      ];
      // Each by itself, so that a server's bound on one packet bounds one value and not their sum.
      for (const [name, value, isHtml] of values) {
        if (name === null) continue;
        const { text: fitting, replaced, cut } = yield* fitted1(name, value, isHtml);
        if (replaced + cut > 0) noted[name] = { replaced, cut };
        yield* write(record.todoId, [[name, '?', fitting], ...at(columns.updated_at, nowMs)]);
      }
      if (record.todoStatus === 'completed')
        yield* write(record.todoId, [...at(columns.completed_at, record.endedAtMs), ...at(columns.updated_at, nowMs)]);
      if (Object.keys(noted).length > 0)
        yield* tell(record.runId, 'fitted', record.todoId, nowMs, 'fitted to the columns', {
          table: map.table,
          columns: noted,
          whole: record.reportPath,
        });
    },
  };
}

/** Whoever reads only their table must see first that nobody reported this success, or why it stands where it stands. */
const summaryOf = ({ reason, summary }: TerminalRecord): string =>
  reason === null || summary.startsWith(reason) ? summary : `${reason} — ${summary}`;

/** Of a table's name, so that a store made beside one table is not opened beside another. */
function signatureOf(table: string): number {
  let hash = 0x811c9dc5;
  for (const char of table.toLowerCase()) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash + 1;
}
