import type { Launch, LaunchContext } from '../core/agent.ts';
import { asArgument, promptOf, shellWord } from './prompt.ts';

/** As it is found on PATH. */
export const claudeProgram = 'claude';

const settingsFile = 'claude-settings.json';
const promptFile = 'prompt.txt';
/** After the wait for the verdict of the checks the hook needs a moment to say it. */
const hookMarginS = 30;
/** Claude overrides the ninth block in a row; how often a run is sent back is for behavior.max_rounds to say. */
const stopBlocksMax = 1_000;

/**
 * Headless: the prompt on standard input, stream-json on standard output. In tmux: the prompt as argument, so that nothing is typed.
 * The run's hooks come by `--settings`, for this run alone; it stands behind the user's arguments because the last one wins whole.
 */
export function launchClaude(context: LaunchContext): Launch {
  const { session, settings, runFolder, conversationId, round } = context;
  const prompt = promptOf(context);
  const command = settings.command ?? claudeProgram;
  const own = [
    ...permissionMode(settings.args),
    round === 1 ? '--session-id' : '--resume',
    conversationId,
    '--settings',
    `${runFolder}/${settingsFile}`,
  ];
  const files = [
    { name: settingsFile, content: `${JSON.stringify(settingsOf(context), null, 2)}\n` },
    { name: promptFile, content: prompt },
  ];
  const env = { ...settings.env, TODO_HOOK_WAIT_MS: String(context.hookWaitMs), CLAUDE_CODE_STOP_HOOK_BLOCK_CAP: String(stopBlocksMax) };
  if (session === 'child') {
    return {
      argv: [command, ...settings.args, '-p', '--output-format', 'stream-json', '--verbose', ...own],
      env,
      files,
      stdin: promptFile,
    };
  }
  const first = asArgument(prompt, context.todo.number, `${runFolder}/${promptFile}`);
  return { argv: [command, ...settings.args, ...own, '--', first], env, files, stdin: null };
}

/** Without a mode nothing may be written headless, and `auto` may ask a service. What the user chose stays. */
const permissionMode = (args: readonly string[]): readonly string[] =>
  args.some((arg) => /^--(permission-mode|dangerously-skip-permissions|allow-dangerously-skip-permissions)(=|$)/.test(arg))
    ? []
    : ['--permission-mode', 'acceptEdits'];

type Hook = { readonly type: 'command'; readonly command: string; readonly args: readonly string[]; readonly timeout: number };

/** Hooks of this run, and leave to say a word. Frequent events cost a shell; only those that decide start Node. */
function settingsOf({ session, hooksFolder, todoCommand, hookWaitMs, runFolder }: LaunchContext): unknown {
  const [program = 'todo', ...first] = todoCommand;
  const tell = (event: string, timeout = 30): Hook => ({
    type: 'command',
    command: program,
    args: [...first, 'hook', 'claude', event],
    timeout,
  });
  const progress: Hook = { type: 'command', command: '/bin/sh', args: [`${hooksFolder}/progress`], timeout: 5 };
  const on = (hook: Hook, matcher?: string) => [{ ...(matcher === undefined ? {} : { matcher }), hooks: [hook] }];
  return {
    hooks: {
      SessionStart: on(progress),
      UserPromptSubmit: on(tell('user-prompt-submit')),
      PreToolUse: on(progress),
      PostToolUse: on(progress),
      PostToolUseFailure: on(progress),
      SubagentStop: on(progress),
      // Headless nobody can be asked, so nothing waits.
      ...(session === 'tmux' ? { Notification: on(tell('notification'), 'permission_prompt') } : {}),
      Stop: on(tell('stop', Math.ceil(hookWaitMs / 1000) + hookMarginS)),
      StopFailure: on(tell('stop-failure')),
    },
    permissions: {
      allow: [
        ...['done', 'fail', 'block', 'park', 'release'].map((verb) => `Bash(${todoCommand.map(shellWord).join(' ')} ${verb}:*)`),
        `Bash(${shellWord(`${hooksFolder}/mark-done`)}:*)`,
        `Read(/${runFolder}/${promptFile})`,
      ],
    },
  };
}
