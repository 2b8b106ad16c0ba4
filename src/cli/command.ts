import type { Command as Commander } from 'commander';
import type { Config } from '../core/config.ts';
import type { ControlReply, ControlRequest } from '../core/control.ts';
import type { World } from '../world.ts';

/**
 * One file a command in `commands/`, each exporting `command`. The table below is all that a start knows of them: main.ts loads the asked
 * one and no other, gives it commander to declare its options, and calls `run`.
 */
export type CommandModule = {
  /** Declares operands and own options. `--json`, `--home` and `--help` stand on every command already. */
  declare?(commander: Commander): void;
  /**
   * Answers with the exit code. Throws OperationalError: main.ts prints it (two lines, or one JSON document) with the code of exit-codes.ts.
   * What it opens it closes, also when it throws.
   */
  run(call: Call): Promise<number>;
};

/** One call of `todo`. */
export type Call = {
  /** Operands in order; a variadic one comes flattened. */
  readonly args: readonly string[];
  /** As commander named them: `--dry-run` is `dryRun`. Without `json` and `home`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  /** `--home`, else null. */
  readonly home: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly out: Out;
  /** Wires the real world of the home (cli/world.ts, loaded here and not before). `readOnly` creates and changes nothing: no database, no folder, no log. */
  open(options?: { readonly readOnly?: boolean }): Promise<Opened>;
};

export type Opened = AsyncDisposable & {
  readonly world: World;
  readonly config: Config;
  /** Retired keys and the like: one line each. */
  readonly warnings: readonly string[];
  /** Asks the live daemon of this home; null where none answers. Default 10 s. */
  ask(request: ControlRequest, timeoutMs?: number): Promise<ControlReply | null>;
};

/** Where words go: data to stdout, all else to stderr. */
export type Out = {
  /** The one JSON document: `{"schemaVersion":1,"kind":kind,…fields}`. */
  json(kind: string, fields: Readonly<Record<string, unknown>>): void;
  /** A line on stdout; swallowed with --json. */
  line(text?: string): void;
  /** A line on stderr; swallowed with --json. */
  note(text: string): void;
  /** Colours on a terminal without NO_COLOR, else the text as it is. */
  readonly paint: Paint;
  /** Width of the terminal, 80 where there is none. */
  readonly columns: number;
  /** True where stdout is a terminal and --json is not asked for. */
  readonly isTerminal: boolean;
  /** A spinner (ora) on stderr naming the current step: only on a terminal, without NO_COLOR and --json. Else it does nothing. */
  spin(step: string): Promise<Spinner>;
};

export type Spinner = Disposable & {
  step(text: string): void;
  /** Takes the spinner off the screen; a second call does nothing. */
  end(): void;
};

export type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan' | 'grey' | 'bold' | 'dim';
export type Paint = (colour: Colour, text: string) => string;

export type CommandEntry = {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Operands as commander reads them: `[ID]`, `<AGENT> <EVENT>`, `[ID...]`. */
  readonly operands?: string;
  /** One line of `todo --help`. */
  readonly about: string;
  readonly load: () => Promise<{ readonly command: CommandModule }>;
};

/** In the order of `todo --help`. */
export const commands: readonly CommandEntry[] = [
  { name: 'health', about: 'does it work? 0 healthy, 1 degraded, 2 unhealthy, 3 unknown', load: () => import('./commands/health.ts') },
  { name: 'monitor', about: 'the complete system check', load: () => import('./commands/monitor.ts') },
  { name: 'recover', about: 'what could be mended; --apply mends it', load: () => import('./commands/recover.ts') },
  { name: 'test', about: 'self-test of the basic functions in a store of its own', load: () => import('./commands/test.ts') },
];
