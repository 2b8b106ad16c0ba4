import type { LaunchContext } from '../core/agent.ts';

/** Starts with words of ours: a first word that an agent takes for a command of its own would never reach the model. */
export function promptOf({
  todo,
  round,
  feedback,
  todoCommand,
}: Pick<LaunchContext, 'todo' | 'round' | 'feedback' | 'todoCommand'>): string {
  const verb = (word: string): string => `${todoCommand.map(shellWord).join(' ')} ${word}`;
  const task = todo.prompt.trim() === todo.title.trim() ? '' : todo.prompt.trim();
  const body = round > 1 ? [feedback?.trim() || 'The acceptance checks failed.'] : [`Todo ${todo.number}: ${todo.title}`, task];
  const checks =
    todo.checks.length === 0
      ? ''
      : `These acceptance checks run afterwards, and what fails comes back to you:\n${todo.checks.map((check) => `  ${check}`).join('\n')}`;
  const contract = [
    `When all of it is done, run as your last command:\n  ${verb('done')} --summary 'one sentence on what you did'`,
    `If you cannot finish it, run in its place\n  ${verb('block')} --reason 'what is missing'   (a person can help)\n  ${verb('fail')} --reason 'why it cannot be done'`,
    'Then end your turn, and leave nothing running in the background.',
    round > 1 ? '' : checks,
  ];
  return `${[...body, ...contract].filter((part) => part !== '').join('\n\n')}\n`;
}

export const shellWord = (word: string): string => (/^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** Linux takes 128 KiB as one argument; a longer prompt is read from its file. */
const argumentBytesMax = 100 * 1024;

export const asArgument = (prompt: string, number: number, path: string): string =>
  new TextEncoder().encode(prompt).length <= argumentBytesMax ? prompt : `Todo ${number}: read ${path} and do what it says.`;
