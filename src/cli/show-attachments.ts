import type { Todo } from '../core/todo.ts';
import type { Call, Opened } from './command.ts';
import { attachmentNamed, contentOf, discussionOf } from './discussion.ts';
import { exit } from './exit-codes.ts';
import { plain } from './text/plain.ts';
import { table } from './text/table.ts';
import { clockText } from './text/times.ts';
import { usage } from './todos.ts';

/** What lies beside a todo. */
export async function showAttachments(todo: Todo, { out }: Call, { world }: Opened): Promise<number> {
  const { attachments } = await discussionOf(todo.id, world.store);
  out.json('attachments', { todo: todo.id, number: todo.number, attachments });
  if (attachments.length === 0) {
    out.note(`Todo ${todo.number} has no attachments. Add one: todo attach ${todo.number} FILE`);
    return exit.yes;
  }
  const nowMs = world.clock.nowMs();
  const columns = [
    { title: 'WHEN' },
    { title: 'BY' },
    { title: 'BYTES', align: 'right' as const },
    { title: 'SHA-256' },
    { title: 'NAME', grows: 'cut' as const },
  ];
  const rows = attachments.map((it) => [
    clockText(it.atMs, nowMs),
    plain(it.author),
    String(it.sizeBytes),
    it.sha256.slice(0, 12),
    plain(it.name),
  ]);
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  return exit.yes;
}

/** The content of one, into a file. */
export async function saveAttachment(todo: Todo, name: string, file: string | undefined, { out }: Call, opened: Opened): Promise<number> {
  if (file === undefined) throw usage('show', '--attachment needs --out FILE');
  const { world } = opened;
  const attachment = attachmentNamed((await discussionOf(todo.id, world.store)).attachments, name, todo);
  world.files.write(file, await contentOf(attachment, opened), 0o600);
  world.files.sync(file);
  out.json('attachment', { todo: todo.id, number: todo.number, file, ...attachment });
  out.line(`${plain(attachment.name)} of todo ${todo.number} is in ${file} (${attachment.sizeBytes} bytes)`);
  return exit.yes;
}
