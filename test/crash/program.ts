import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What `bin/todo` starts; traced without the shell before it. */
export const program = join(root, 'dist', 'todo.cjs');

/**
 * Nothing of an outer run, and caches of our own, warm after the first start: a cold one would make durable calls when it ends, and so would one that
 * another program has filled under other flags meanwhile.
 */
export function childEnvironment(home: string): NodeJS.ProcessEnv {
  const outer = Object.entries(process.env).filter(([name]) => !name.startsWith('TODO_') && name !== 'NODE_COMPILE_CACHE');
  return {
    ...Object.fromEntries(outer),
    TODO_HOME: home,
    HOME: join(home, 'work'),
    XDG_CACHE_HOME: join(root, '.todo-test', 'crash-cache'),
  };
}
