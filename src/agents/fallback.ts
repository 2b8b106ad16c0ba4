import type { Adapter } from '../core/agent.ts';
import { fallbackRunner } from '../core/runners.ts';
import { shellWord } from './prompt.ts';

const scriptFile = 'fallback.sh';

/**
 * The last runner of every chain. It needs nothing but a shell, calls nobody and changes nothing: it writes down that no agent worked on the todo and
 * why, and how its working directory stands. Whatever comes of it, the daemon takes its end for `parked`: it never finishes anything.
 */
export const fallback: Adapter = {
  name: fallbackRunner,
  defaultSession: 'child',
  program: '/bin/sh',
  reportsTurns: false,
  conversational: false,
  launch: ({ todo, runFolder, why }) => ({
    argv: [fallback.program, `${runFolder}/${scriptFile}`],
    env: {},
    files: [{ name: scriptFile, content: script(todo.number, todo.title, why ?? 'no runner is well') }],
    stdin: null,
  }),
  hook: () => ({ kind: 'ignored', why: 'the fallback has no hooks' }),
  exitSays: () => ({ says: 'parked', summary: null, reason: null }),
  transcripts: () => [],
  structured: () => null,
  readable: () => null,
};

const linesMax = 40;

const script = (number: number, title: string, why: string): string => `# Written for a run that no agent could take.
printf '%s\\n' ${shellWord(`NO AGENT WORKED ON TODO ${number}: ${title}`)} ${shellWord(`Why: ${why}`)} 'Nothing was done and nothing is finished: the todo is put off.' ''
printf 'Its working directory, as it is: %s\\n' "$PWD"
if command -v git >/dev/null 2>&1 && git rev-parse --git-dir >/dev/null 2>&1; then
  git --no-optional-locks log -1 --oneline 2>/dev/null
  git --no-optional-locks status --short --branch 2>/dev/null | head -n ${linesMax}
else
  ls -A 2>/dev/null | head -n ${linesMax}
fi
exit 0
`;
