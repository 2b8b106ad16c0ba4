import type { Adapter, AgentSettings, ExitWord, LaunchContext } from '../core/agent.ts';
import { asArgument, promptOf } from './prompt.ts';

const promptFile = 'prompt.txt';

/** What `agents.NAME` of kind `command` says beside the settings that all agents have. */
export type CommandSettings = AgentSettings & { readonly exit_codes: Readonly<Record<string, 'auth' | 'limit'>> };

/**
 * Any program as an agent, by configuration. The prompt stands where the arguments say {prompt} or {prompt_file}, else on standard input. As with
 * a shell its exit code is its word (0 finished, else failed) unless it said one before: many programs exit 0 whatever came of it, so what they
 * claim is worth what the checks say. Nothing it prints is searched for words.
 */
export const commandAgent = (name: string, { command, exit_codes }: CommandSettings): Adapter => ({
  name,
  defaultSession: 'child',
  program: command ?? name,
  reportsTurns: false,
  conversational: false,
  launch(context) {
    const { settings, runFolder, todo } = context;
    const prompt = wholePrompt(context);
    const path = `${runFolder}/${promptFile}`;
    const put = (arg: string): string =>
      arg.replaceAll(/\{prompt(_file)?\}/g, (_, file) => (file ? path : asArgument(prompt, todo.number, path)));
    return {
      argv: [settings.command ?? name, ...settings.args.map(put)],
      env: settings.env,
      files: [{ name: promptFile, content: prompt }],
      stdin: settings.args.some((arg) => /\{prompt(_file)?\}/.test(arg)) ? null : promptFile,
    };
  },
  hook: () => ({ kind: 'ignored', why: `${name} has no hooks` }),
  exitSays: ({ code }) => spokenBy(code, exit_codes[String(code)]),
  transcripts: () => [],
  structured: () => null,
  readable: () => null,
});

/** It remembers nothing of the round before, so each gets all of the task. */
const wholePrompt = (context: LaunchContext): string => {
  const task = promptOf({ ...context, round: 1 });
  return context.round === 1 ? task : `${task}\nAn earlier round was not enough:\n${context.feedback ?? 'The acceptance checks failed.'}\n`;
};

function spokenBy(code: number, means: 'auth' | 'limit' | undefined): ExitWord {
  const word = { summary: null, reason: code === 0 ? null : `exit code ${code}` } as const;
  if (code === 0) return { ...word, says: 'done' };
  if (means === 'limit') return { ...word, says: 'parked', limit: { resetsAtMs: null } };
  if (means === 'auth') return { ...word, says: 'blocked', reason: `exit code ${code}: its key or account was refused`, fault: 'auth' };
  return { ...word, says: 'failed' };
}
