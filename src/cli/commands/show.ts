import type { Command } from 'commander';
import type { Attachment, Comment } from '../../core/discussion.ts';
import { autoAgent } from '../../core/runners.ts';
import type { Scheduled } from '../../core/schedule.ts';
import type { Run, Todo } from '../../core/todo.ts';
import { isTerminal, type ShownStatus } from '../../core/words.ts';
import type { Call, CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { scheduledJson, scheduledOf, scheduledText } from '../schedule.ts';
import { inSnapshot, staleJson, staleLine } from '../stale.ts';
import { facts } from '../text/facts.ts';
import { plain } from '../text/plain.ts';
import { endText, statusText } from '../text/status.ts';
import { table } from '../text/table.ts';
import { clockText, momentText, spanText, tookText } from '../text/times.ts';
import { findTodo, refOf, shownStatus, todoJson, withRuns } from '../todos.ts';

export const command: CommandModule = {
  declare: (commander: Command) =>
    void commander
      .option('--launch', 'print exactly what would be started: command, prompt, environment (secrets masked)')
      .option('--history', 'print every change: when, what, from and to, by whom; comments and attachments')
      .option('--attachments', 'print what is attached to it')
      .option('--attachment <name>', 'write the attachment of that name (or start of its digest) to --out')
      .option('--out <file>', 'where --attachment goes'),
  async run(call) {
    const ref = refOf(call, 'show');
    await using opened = await call.open({ readOnly: true, snapshot: true });
    const found = await findTodo(opened.world.store, ref, 'looking up');
    if (call.options['launch']) return (await import('../launch.ts')).showLaunch(found, call, opened);
    if (call.options['history']) return await (await import('../history.ts')).showHistory(found, call, opened);
    const { attachments, attachment, out } = call.options as { attachments?: true; attachment?: string; out?: string };
    if (attachment !== undefined)
      return await (await import('../show-attachments.ts')).saveAttachment(found, attachment, out, call, opened);
    if (attachments) return await (await import('../show-attachments.ts')).showAttachments(found, call, opened);
    const { todo, runs } = await withRuns(found, opened.world.store);
    const status = shownStatus(todo, opened.world.journal);
    // Also what it waits for may be older than what the snapshot holds.
    const after = todo.after === null ? null : await inSnapshot(opened, null, () => opened.world.store.find(todo.after ?? ''));
    const scheduled = isTerminal(status) ? null : scheduledOf(todo.id, opened.world.journal);
    const { discussionOf } = await import('../discussion.ts');
    const said = await inSnapshot(opened, null, () => discussionOf(todo.id, opened.world.store));
    const stale = opened.stale();
    call.out.json('todo', {
      todo: { ...todoJson(todo, status, runs), scheduled: scheduledJson(scheduled, status) },
      comments: said?.comments.length ?? null,
      attachments: said?.attachments.length ?? null,
      ...staleJson(opened),
    });
    if (stale !== null) call.out.line(staleLine(stale));
    if (said === null) call.out.note('Its comments and attachments are in the store only.');
    for (const line of describe(
      todo,
      status,
      runs,
      { after, scheduled, comments: said?.comments ?? [], attachments: said?.attachments ?? [] },
      call,
    ))
      call.out.line(line);
    return exit.yes;
  },
};

type Beside = {
  readonly after: Todo | null;
  readonly scheduled: Scheduled | null;
  readonly comments: readonly Comment[];
  readonly attachments: readonly Attachment[];
};

function describe(
  todo: Todo,
  status: ShownStatus,
  runs: readonly Run[],
  { after, scheduled, comments, attachments }: Beside,
  { out }: Call,
): string[] {
  const nowMs = Date.now();
  const { paint } = out;
  const head = `${paint('bold', `${todo.number}  ${plain(todo.title)}`)}`;
  const prompt = plain(todo.prompt);
  const worker = todo.agent === autoAgent ? runs.at(-1)?.agent : undefined;
  const lines = facts(
    [
      [
        'status',
        `${statusText(status, todo.proof, paint)}${todo.proof ? `, ${todo.proof}` : ''}${todo.held && !isTerminal(status) ? paint('yellow', '  held') : ''}`,
      ],
      ['reason', todo.reason === null ? null : plain(todo.reason)],
      ['summary', todo.summary === null ? null : plain(todo.summary)],
      ['report', todo.report],
      [
        'prompt',
        prompt === plain(todo.title)
          ? null
          : prompt.length > promptShownMax
            ? `${prompt.slice(0, promptShownMax)}… (todo show ${todo.number} --json has all)`
            : prompt,
      ],
      [
        'agent',
        `${todo.agent}${worker === undefined ? '' : `, last ${worker}`}${todo.session ? ` in ${todo.session}` : ''}${todo.rounds > 1 ? `, at most ${todo.rounds} rounds` : ''}`,
      ],
      ['folder', todo.cwd],
      ['checks', todo.checks.length === 0 ? 'none: its end will be unverified' : todo.checks.map(plain).join('\n')],
      ['priority', String(todo.priority)],
      ['cap', todo.timeoutMs === null ? null : `${spanText(todo.timeoutMs)} a run`],
      ['after', after === null ? null : `todo ${after.number} (${endText(after.status, after.proof)}): ${plain(after.title)}`],
      ['not before', todo.notBeforeMs === null ? null : `${momentText(todo.notBeforeMs)} (in ${spanText(todo.notBeforeMs - nowMs)})`],
      ['scheduled', scheduled === null ? null : `${scheduledText(scheduled, nowMs)} (${momentText(scheduled.atMs)})`],
      ['added', `${momentText(todo.createdAtMs)} (${spanText(nowMs - todo.createdAtMs)} ago)`],
      ['ended', todo.endedAtMs === null ? null : `${momentText(todo.endedAtMs)} (${spanText(nowMs - todo.endedAtMs)} ago)`],
      [
        'comments',
        comments
          .map(({ author, text }) => `${plain(author)}: ${plain(text)}`)
          .slice(-commentsShownMax)
          .join('\n'),
      ],
      ['attached', attachments.map(({ name, sizeBytes }) => `${plain(name)} (${sizeBytes} bytes)`).join('\n')],
      ['id', paint('dim', todo.id)],
    ],
    out,
  );
  return [head, ...lines, ...(runs.length > 0 ? ['', ...runTable(runs, out, nowMs)] : []), ...next(todo, status, runs, out)];
}

/** The newest ones; `--history` has all. */
const commentsShownMax = 5;

/** More than this is no glance any more. */
const promptShownMax = 400;

function runTable(runs: readonly Run[], { columns, paint }: Call['out'], nowMs: number): string[] {
  return table(
    [
      { title: 'RUN' },
      { title: 'STARTED' },
      { title: 'TOOK' },
      { title: 'OUTCOME' },
      { title: 'SAID BY' },
      { title: 'RUN ID', grows: 'cut' },
    ],
    runs.map((run) => [
      `#${run.fence}`,
      clockText(run.startedAtMs, nowMs),
      tookText((run.endedAtMs ?? nowMs) - run.startedAtMs),
      run.outcome ?? 'runs',
      run.saidBy ?? '',
      { text: run.id, colour: 'dim' },
    ]),
    columns,
    paint,
  );
}

function next(todo: Todo, status: ShownStatus, runs: readonly Run[], { paint }: Call['out']): string[] {
  const helpful: Partial<Record<ShownStatus, string>> = {
    open: todo.held ? `todo unhold ${todo.number}` : `todo run ${todo.number}`,
    running: `todo logs ${todo.number} -f`,
    stalled: `todo logs ${todo.number} -f · todo emergency ${todo.number}`,
    blocked: `todo release ${todo.number}`,
    'dead-lettered': `todo why ${todo.number} · todo release ${todo.number}`,
    completed: `todo report ${todo.number} --open`,
    failed: `todo why ${todo.number} · todo report ${todo.number} --open`,
  };
  const command = helpful[status];
  return command && (runs.length > 0 || status === 'open') ? ['', paint('dim', `next: ${command}`)] : [];
}
