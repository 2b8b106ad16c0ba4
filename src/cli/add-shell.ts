import type { NewTodo, Todo } from '../core/todo.ts';
import type { Call, Opened } from './command.ts';
import { projectOf } from './places.ts';
import { fit } from './text/plain.ts';

const titleColumns = 80;

/** A todo of agent shell of which nothing more is asked. */
export const plainShell = {
  agent: 'shell',
  checks: [],
  priority: 5,
  timeoutMs: null,
  rounds: 1,
  after: null,
  held: false,
} as const satisfies Partial<NewTodo>;

/** `todo run -- CMD…`: a todo of agent shell whose prompt is that command line. */
export function addShell(argv: readonly string[], { cwd }: Pick<Call, 'cwd'>, { world }: Opened): Promise<Todo> {
  const prompt = argv.map(quoted).join(' ');
  return world.store.add({
    id: world.random.uuidv7(),
    title: fit(prompt.replace(/\s+/g, ' '), titleColumns),
    prompt,
    cwd,
    project: projectOf(cwd),
    session: null,
    ...plainShell,
  });
}

/** Each word of the command line stays the one word that it was. */
export const quoted = (word: string): string => (/^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
