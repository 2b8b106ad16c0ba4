import { isOperational } from '../core/errors.ts';
import { type Call, type CommandEntry, commands } from './command.ts';
import { exit, exitCodeOf } from './exit-codes.ts';
import { makeOut, write } from './out.ts';

// The first lines of every call, so only what every call needs is loaded here: the asked command, commander and the world come by
// dynamic import when they are needed (bin/build.ts makes a file of each).
main(process.argv.slice(2)).then((code) => process.exit(code));
process.on('uncaughtException', (error) => process.exit(failure(error, process.argv.includes('--json'))));

async function main(argv: readonly string[]): Promise<number> {
  const { own, rest } = splitAtDashes(argv);
  const json = own.includes('--json');
  try {
    // An agent waits for its hooks: they go past all that follows, and outside of a run they do not even read their event.
    if (own[0] === 'hook' && !own.includes('--help'))
      return process.env['TODO_RUN'] ? await (await import('./hook.ts')).runHook(own.slice(1), process.env) : exit.yes;
    const { entry, args } = commandOf(own);
    if (entry === null) return await program(own, json);
    const module = (await entry.load()).command;
    const parsed =
      (rest === null ? quickParse(entry, args) : null) ??
      (await (await import('./parse.ts')).parseCommand(entry, module, operands(entry, args, rest)));
    if (parsed.kind === 'text') return help(parsed.text, json);
    return await module.run(call({ ...parsed, rest: entry.takesRest ? rest : null, json, home: optionValue(own, '--home') }));
  } catch (error) {
    return failure(error, json);
  }
}

function call(given: Pick<Call, 'args' | 'options' | 'rest' | 'json' | 'home'>): Call {
  const { env } = process;
  const out = makeOut({ json: given.json, env });
  const self: Call = {
    ...given,
    env,
    cwd: process.cwd(),
    out,
    open: async (options) => (await import('./world.ts')).openWorld(self, options),
  };
  return self;
}

/** What stands after the first `--` is somebody else's command line. */
function splitAtDashes(argv: readonly string[]): { own: readonly string[]; rest: readonly string[] | null } {
  const at = argv.indexOf('--');
  return at < 0 ? { own: argv, rest: null } : { own: argv.slice(0, at), rest: argv.slice(at + 1) };
}

/** The first word that is no option names the command; options may stand before it. */
function commandOf(argv: readonly string[]): { entry: CommandEntry | null; args: readonly string[] } {
  const at = argv.findIndex((word, index) => !word.startsWith('-') && argv[index - 1] !== '--home');
  if (at < 0) {
    const asksForHelp = argv.some((word) => word !== '--json' && word.startsWith('-') && !word.startsWith('--home'));
    return { entry: asksForHelp ? null : (commands.find(({ name }) => name === 'overview') ?? null), args: argv };
  }
  const entry = commands.find(({ name, aliases }) => name === argv[at] || aliases?.includes(argv[at] ?? '')) ?? null;
  return { entry, args: argv.toSpliced(at, 1) };
}

function operands(entry: CommandEntry, args: readonly string[], rest: readonly string[] | null): readonly string[] {
  return rest === null || entry.takesRest ? args : [...args, '--', ...rest];
}

/** The calls that scripts and agents make most often need no commander: nothing but `--json` and `--home`, and operands that no option precedes. */
function quickParse(
  entry: CommandEntry,
  args: readonly string[],
): { kind: 'call'; args: readonly string[]; options: Record<string, unknown> } | null {
  if (!entry.quick) return null;
  const words = args.filter((word, index) => word !== '--json' && word !== '--home' && args[index - 1] !== '--home');
  const max = entry.operands?.split(' ').length ?? 0;
  return words.length > max || words.some((word) => word.startsWith('-')) ? null : { kind: 'call', args: words, options: {} };
}

function optionValue(argv: readonly string[], option: string): string | null {
  const at = argv.findIndex((word) => word === option || word.startsWith(`${option}=`));
  if (at < 0) return null;
  const word = argv[at] ?? '';
  return word === option ? (argv[at + 1] ?? null) : word.slice(option.length + 1);
}

async function program(argv: readonly string[], json: boolean): Promise<number> {
  const { parseProgram } = await import('./parse.ts');
  const parsed = parseProgram(argv);
  return help(parsed.kind === 'text' ? parsed.text : '', json);
}

function help(text: string, json: boolean): number {
  write(1, json ? `${JSON.stringify({ schemaVersion: 1, kind: 'help', text })}\n` : text);
  return exit.yes;
}

/** Two lines: what was tried, on what, why; and what to do. A defect shows where it is. */
function failure(error: unknown, json: boolean): number {
  if (!isOperational(error)) return defect(error, json);
  const { code, message, hint } = error;
  if (json) write(1, `${JSON.stringify({ schemaVersion: 1, kind: 'error', code, message, hint })}\n`);
  else write(2, `todo: ${message}\n${hint}\n`);
  return exitCodeOf[code];
}

function defect(error: unknown, json: boolean): number {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const hint = 'This is a defect of signoff. Nothing that a fact names is lost; please report it with these lines.';
  if (json) write(1, `${JSON.stringify({ schemaVersion: 1, kind: 'error', code: 'DEFECT', message, hint })}\n`);
  else write(2, `todo: ${message}\n${hint}\n`);
  return exit.no;
}
