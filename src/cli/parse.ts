import { Command, CommanderError } from 'commander';
import about from '../../package.json' with { type: 'json' };
import { OperationalError } from '../core/errors.ts';
import { type CommandEntry, type CommandModule, commands } from './command.ts';

export type Parsed =
  | { readonly kind: 'call'; readonly args: readonly string[]; readonly options: Readonly<Record<string, unknown>> }
  /** Help or version was asked for. */
  | { readonly kind: 'text'; readonly text: string };

/** Reads the arguments of one command. USAGE, with what was probably meant, when they are not its own. */
export async function parseCommand(entry: CommandEntry, module: CommandModule, argv: readonly string[]): Promise<Parsed> {
  const command = withCommonOptions(new Command(`todo ${entry.name}`).description(entry.about));
  for (const operand of entry.operands?.match(/[[<][^\]>]+[\]>]/g) ?? []) command.argument(operand);
  await module.declare?.(command);
  return parse(command, argv, `todo ${entry.name}`);
}

/** `todo --help`, `todo --version`, `todo help`, and what nobody knows. */
export function parseProgram(argv: readonly string[]): Parsed {
  const program = withCommonOptions(new Command('todo').description(about.description)).version(about.version, '-V, --version');
  for (const entry of commands) {
    if (entry.hidden) continue;
    const command = program
      .command(entry.name)
      .summary(entry.about)
      .usage(entry.operands ?? '');
    // Never run: here it only lends its name to the help and to suggestions.
    command.action(() => {});
    if (entry.aliases) command.aliases([...entry.aliases]);
  }
  program.addHelpText('after', closingWords);
  return parse(program, argv, 'todo');
}

const closingWords = `
ID is the number, the id or a unique start of it; inside a run it is known ($TODO_ID).
Exit codes: 0 yes/done, 1 no/failed, 64 usage, 65 bad data, 69 not reachable, 75 try again later, 78 configuration.
Start with: todo demo`;

function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON document on stdout and nothing else')
    .option('--home <folder>', 'home with store, journal and archive (else $TODO_HOME)')
    .helpOption('-h, --help', 'show this help');
}

function parse(command: Command, argv: readonly string[], name: string): Parsed {
  let text = '';
  command.exitOverride().configureOutput({
    writeOut: (it) => {
      text += it;
    },
    writeErr: () => {},
  });
  try {
    command.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'text', text };
    throw usage(error.message, name);
  }
  const { json: _json, home: _home, ...options } = command.opts<Record<string, unknown>>();
  return { kind: 'call', args: command.processedArgs.flat().filter((it) => it !== undefined) as string[], options };
}

function usage(message: string, name: string): OperationalError {
  const [first = '', suggestion = ''] = message.replace(/^error: /, '').split('\n');
  const meant = /Did you mean (.*)\?\)/.exec(suggestion)?.[1];
  return new OperationalError('USAGE', {
    operation: 'reading the arguments of',
    subject: name,
    why: first.replace(/\.$/, ''),
    hint: meant ? `Did you mean ${meant}? See: ${name} --help` : `See: ${name} --help`,
  });
}
