import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewTodo } from '../core/todo.ts';
import type { World } from '../world.ts';
import { plainShell } from './add-shell.ts';
import type { Call } from './command.ts';

type Wanted = {
  /** In the folder's name: todo-NAME-…. */
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Where it is made; the folder of temporary files unless given. */
  readonly on?: string;
};

/** A home for what tests, breaks or shows something: nobody's work, and never the machine's own markers. Whoever makes it takes it away. */
export function makeOwnHome({ name, config, on = tmpdir() }: Wanted): string {
  const folder = mkdtempSync(join(on, `todo-${name}-`));
  const legacy = join(folder, 'legacy');
  for (const path of [join(folder, 'hooks'), join(folder, 'work'), legacy]) mkdirSync(path);
  const paths = {
    task_completed: join(legacy, 'TASK_COMPLETED'),
    current_todo: join(legacy, 'CURRENT_TODO_ID'),
    session_prefix: join(legacy, 'claude_session_'),
  };
  writeFileSync(join(folder, 'hooks', 'config.json'), `${JSON.stringify({ paths, ...config }, null, 2)}\n`);
  return folder;
}

/** What the person's environment says of another home or store is not for there. */
export const withoutOurs = (env: Call['env']): Call['env'] =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TODO_')));

type Asked = Pick<NewTodo, 'title' | 'prompt'> & Partial<NewTodo>;

/** A todo of agent shell in such a home, with a working directory of its own, called as it is or as asked. */
export function shellTodo(folder: string, { random }: Pick<World, 'random'>, asked: Asked, place: string | null = null): NewTodo {
  const id = random.uuidv7();
  const cwd = join(folder, 'work', place ?? id);
  mkdirSync(cwd);
  return {
    id,
    cwd,
    project: cwd,
    session: 'child',
    ...plainShell,
    ...asked,
  };
}
