import { userInfo } from 'node:os';
import { redactorOf } from '../completion/redactor-for.ts';
import { type Attachment, attachmentBytesMax, attachmentNameBytesMax, type Comment, commentBytesMax } from '../core/discussion.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import type { Todo } from '../core/todo.ts';
import type { Call, Opened } from './command.ts';
import { secretsOf } from './secrets.ts';

type Store = Opened['world']['store'];

/** Who speaks: inside a run its agent, else the person whose account this is. */
async function speaker({ env }: Pick<Call, 'env'>, store: Store): Promise<Pick<Comment, 'runId' | 'author'>> {
  const runId = env['TODO_RUN'] || null;
  if (runId !== null) return { runId, author: (await store.getRun(runId))?.agent ?? 'agent' };
  return { runId, author: env['USER'] || env['LOGNAME'] || userInfo().username };
}

/** What an agent writes may quote a secret it was given: it is taken out here, as in reports. BAD_DATA where there is nothing, or too much. */
export async function addComment(todo: Todo, given: string, call: Pick<Call, 'env'>, { world, config }: Opened): Promise<Comment> {
  const text = redactorOf(secretsOf({ world, config }), world.digest)(given.trim());
  const refused = (why: string, hint: string) =>
    new OperationalError('BAD_DATA', { operation: 'commenting on', subject: `todo ${todo.number}`, why, hint });
  if (text === '') throw refused('there is no text', 'Give the text, or - to read it from standard input.');
  if (Buffer.byteLength(text) > commentBytesMax)
    throw refused(
      `it has ${Buffer.byteLength(text)} bytes, at most ${commentBytesMax} are taken`,
      `Attach it as a file: todo attach ${todo.number} FILE`,
    );
  const row = { id: world.random.uuidv7(), todoId: todo.id, atMs: await world.store.nowMs(), ...(await speaker(call, world.store)), text };
  await world.store.comment(row);
  return row;
}

/** Keeps a file as it is, by its digest. BAD_DATA where its name or its size is out of bounds. */
export async function addAttachment(
  todo: Todo,
  file: { readonly name: string; readonly content: Uint8Array },
  call: Pick<Call, 'env'>,
  { world }: Opened,
): Promise<Attachment> {
  const refused = (why: string, hint: string) =>
    new OperationalError('BAD_DATA', { operation: 'attaching', subject: `${file.name} to todo ${todo.number}`, why, hint });
  if (file.content.length > attachmentBytesMax)
    throw refused(
      `it has ${file.content.length} bytes, at most ${attachmentBytesMax} are taken`,
      `Attach a part of it, or say where it lies: todo comment ${todo.number} TEXT`,
    );
  if (Buffer.byteLength(file.name) > attachmentNameBytesMax || /[\p{Cc}]/u.test(file.name))
    throw refused('its name is too long, or has control characters', 'Give it another name first.');
  const row: Attachment = {
    id: world.random.uuidv7(),
    todoId: todo.id,
    atMs: await world.store.nowMs(),
    ...(await speaker(call, world.store)),
    name: file.name,
    sizeBytes: file.content.length,
    sha256: world.digest.sha256(file.content),
  };
  await world.store.attach(row, file.content);
  return row;
}

/** A store that no newer program has opened for writing yet has neither, and who only looks makes no tables. */
export async function discussionOf(
  todoId: string,
  store: Store,
): Promise<{ readonly comments: readonly Comment[]; readonly attachments: readonly Attachment[] }> {
  try {
    return { comments: await store.commentsOf(todoId), attachments: await store.attachmentsOf(todoId) };
  } catch (error) {
    if (isOperational(error) && error.code === 'STORE_SCHEMA') return { comments: [], attachments: [] };
    throw error;
  }
}

/** The one that a name or a start of a digest means: of several with that name the newest. */
export function attachmentNamed(attachments: readonly Attachment[], name: string, todo: Todo): Attachment {
  const found =
    attachments.findLast((it) => it.name === name) ??
    (/^[0-9a-f]{8,64}$/.test(name) ? attachments.findLast(({ sha256 }) => sha256.startsWith(name)) : undefined);
  if (found !== undefined) return found;
  throw new OperationalError('NOT_FOUND', {
    operation: 'looking for the attachment',
    subject: `${name} of todo ${todo.number}`,
    why: attachments.length === 0 ? 'it has none' : `it has ${attachments.map((it) => it.name).join(', ')}`,
    hint: `See: todo show ${todo.number} --attachments`,
  });
}

/** What was attached, byte by byte, shown to be what its digest says. */
export async function contentOf({ name, sha256 }: Attachment, { world }: Pick<Opened, 'world'>): Promise<Uint8Array> {
  const content = await world.store.attached(sha256);
  if (content === null || world.digest.sha256(content) !== sha256)
    throw new OperationalError('BAD_DATA', {
      operation: 'reading',
      subject: `the attachment ${name}`,
      why: content === null ? 'its content is not in the store' : 'its content is not what was attached',
      hint: 'Somebody wrote the store by hand. Take it from a backup.',
    });
  return content;
}
