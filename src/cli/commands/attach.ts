import { readFileSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Attachment } from '../../core/discussion.ts';
import { attachmentBytesMax } from '../../core/discussion.ts';
import { OperationalError } from '../../core/errors.ts';
import type { CommandModule } from '../command.ts';
import { addAttachment } from '../discussion.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { findTodo, usage } from '../todos.ts';

/** Lays files beside a todo: kept in the store, by digest, so that every host has them. */
export const command: CommandModule = {
  async run(call) {
    const [ref, ...paths] = call.args;
    if (ref === undefined || paths.length === 0) throw usage('attach', 'a todo and a file are needed', 'For example: todo attach ID FILE');
    const files = paths.map((path) => fileAt(resolve(call.cwd, path)));
    await using opened = await call.open();
    const todo = await findTodo(opened.world.store, ref, 'attaching to');
    const attachments: Attachment[] = [];
    for (const file of files) attachments.push(await addAttachment(todo, file, call, opened));
    call.out.json('attachments', { todo: todo.id, number: todo.number, attachments });
    for (const { name, sizeBytes, sha256 } of attachments)
      call.out.line(`Attached ${plain(name)} to todo ${todo.number} (${sizeBytes} bytes, sha256 ${sha256.slice(0, 12)}…)`);
    return exit.yes;
  },
};

/** Read whole before the store is asked, so that a file that cannot be read leaves nothing behind. */
function fileAt(path: string): { name: string; content: Uint8Array } {
  try {
    const { size } = statSync(path);
    if (size > attachmentBytesMax) {
      throw new OperationalError('BAD_DATA', {
        operation: 'attaching',
        subject: path,
        why: `it has ${size} bytes, at most ${attachmentBytesMax} are taken`,
        hint: 'Attach a part of it, or say in a comment where it lies.',
      });
    }
    return { name: basename(path), content: readFileSync(path) };
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError('FILE_UNREADABLE', { operation: 'attaching', subject: path, cause });
  }
}
