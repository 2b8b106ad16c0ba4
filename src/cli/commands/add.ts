import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { OperationalError } from '../../core/errors.ts';
import { defaultAgent } from '../../core/runners.ts';
import type { NewTodo } from '../../core/todo.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { collect, oneOf, seconds, wholeNumber } from '../options.ts';
import { patiently } from '../patient.ts';
import { agentNamed, existingFolder, projectOf } from '../places.ts';
import { plain } from '../text/plain.ts';
import { findTodo, todoJson, usage } from '../todos.ts';

type Options = {
  readonly prompt?: string;
  readonly cwd?: string;
  readonly agent?: string;
  readonly session?: 'child' | 'tmux';
  readonly check?: readonly string[];
  readonly rounds: number;
  readonly priority: number;
  readonly timeout?: number;
  readonly after?: string;
  readonly hold?: true;
};

/** What an agent can be handed in one go; more belongs in a file that the prompt names. */
const promptBytesMax = 1024 * 1024;

export const command: CommandModule = {
  declare: (commander: Command) =>
    void commander
      .option('--prompt <text>', 'what the agent is told (else the title); - reads it from standard input')
      .option('--cwd <folder>', 'where it works (else here)')
      .option(
        '--agent <name>',
        'who works: claude, shell (the prompt is a command line), one of agents.* in the config, or auto: the best of its runners (else auto where there are runners, or claude)',
      )
      .option('--session <kind>', 'child or tmux (else what the agent is used to)', oneOf('child', 'tmux'))
      .option('--check <command>', 'acceptance command, run when the agent says done; may be given again', collect)
      .option('--rounds <n>', 'how often the command of agent shell runs at most when checks fail', wholeNumber(1, 100), 1)
      .option('--priority <n>', '0 first … 9 last', wholeNumber(0, 9), 5)
      .option('--timeout <seconds>', 'hard cap of one run', seconds(365 * 86_400))
      .option('--after <id>', 'starts when that todo is completed')
      .option('--hold', 'keep it from agents until: todo unhold'),
  async run(call) {
    const options = call.options as Options;
    const title = call.args[0]?.trim() ?? '';
    if (title === '') throw usage('add', 'the title is empty');
    const cwd = existingFolder(options.cwd ?? call.cwd, call.cwd);
    const prompt = promptOf(options.prompt, title);
    await using opened = await call.open();
    const { world, config } = opened;
    const agent = options.agent ?? defaultAgent(config);
    await agentNamed(agent, config);
    const after = options.after === undefined ? null : (await findTodo(world.store, options.after, 'adding after')).id;
    const todo: NewTodo = {
      id: world.random.uuidv7(),
      title,
      prompt,
      cwd,
      project: projectOf(cwd),
      agent,
      session: options.session ?? null,
      checks: options.check ?? [],
      priority: options.priority,
      timeoutMs: options.timeout === undefined ? null : Math.round(options.timeout * 1000),
      rounds: options.rounds,
      after,
      held: options.hold ?? false,
    };
    // Its id makes twice the same as once.
    const added = await patiently(
      () => world.store.add(todo),
      world,
      (text) => call.out.note(text),
    );
    const daemon = await opened.wake();
    call.out.json('todo', { todo: todoJson(added, added.status, []) });
    call.out.line(`Added todo ${added.number}: ${plain(added.title)}`);
    call.out.note(
      added.held
        ? `It is held. Free it with: todo unhold ${added.number}`
        : daemon
          ? `The daemon takes it from here. See: todo show ${added.number}`
          : `No daemon runs. Start it with: todo run ${added.number}`,
    );
    return exit.yes;
  },
};

function promptOf(given: string | undefined, title: string): string {
  const prompt = given === undefined ? title : given === '-' ? readFileSync(0, 'utf8') : given;
  if (prompt.trim() === '')
    throw new OperationalError('BAD_DATA', { operation: 'adding', subject: `todo "${plain(title)}"`, why: 'the prompt is empty' });
  if (Buffer.byteLength(prompt) > promptBytesMax) {
    throw new OperationalError('BAD_DATA', {
      operation: 'adding',
      subject: `todo "${plain(title)}"`,
      why: `the prompt has ${Buffer.byteLength(prompt)} bytes, at most ${promptBytesMax} are taken`,
      hint: 'Put it in a file of the working directory and let the prompt name the file.',
    });
  }
  return prompt;
}
