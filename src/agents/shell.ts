import type { Adapter } from '../core/agent.ts';

const promptFile = 'command.sh';

/**
 * Any command line: the prompt is for `sh`, its exit is its word (0 finished, else failed) unless it said one before.
 * It has no conversation; a further round (`--rounds`) runs it again with TODO_ROUND and TODO_FEEDBACK.
 */
export const shell: Adapter = {
  name: 'shell',
  defaultSession: 'child',
  program: '/bin/sh',
  probe: ['-c', ':'],
  reportsTurns: false,
  conversational: false,
  // A file, because one argument ends at 128 KiB and is shown to every user of the machine.
  launch: ({ todo, settings, runFolder }) => ({
    argv: [settings.command ?? shell.program, ...settings.args, `${runFolder}/${promptFile}`],
    env: settings.env,
    files: [{ name: promptFile, content: `${todo.prompt}\n` }],
    stdin: null,
  }),
  hook: () => ({ kind: 'ignored', why: 'a shell has no hooks' }),
  exitSays: ({ code }) =>
    code === 0 ? { says: 'done', summary: null, reason: null } : { says: 'failed', summary: null, reason: `exit code ${code}` },
  transcripts: () => [],
  structured: () => null,
  readable: () => null,
};
