import type { Command as Commander } from 'commander';
import type { Config } from '../core/config.ts';
import type { ControlReply, ControlRequest } from '../core/control.ts';
import type { Tried } from '../resilience/fallback.ts';
import type { ProcessEnd, Settings, World } from '../world.ts';

/**
 * One file a command in `commands/`, each exporting `command`. The table below is all that a start knows of them: main.ts loads the asked
 * one and no other, gives it commander to declare its options, and calls `run`.
 */
export type CommandModule = {
  /** Declares operands and own options. `--json`, `--home` and `--help` stand on every command already. */
  declare?(commander: Commander): void | Promise<void>;
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
  /** What stood after `--`; null where there was none, or where the command does not take it. */
  readonly rest: readonly string[] | null;
  readonly json: boolean;
  /** `--home`, else null. */
  readonly home: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly out: Out;
  /** Wires the real world of the home (cli/world.ts, loaded here and not before). */
  open(options?: OpenOptions): Promise<Opened>;
};

export type OpenOptions = {
  /** Creates and changes nothing: no database, no folder, no log. */
  readonly readOnly?: boolean;
  /** Who moves runs writes to the logs of the home; all others log nothing. */
  readonly log?: boolean;
  /** Logs everything, whatever logging.level says. */
  readonly debug?: boolean;
  /** While the store is away, answer from what this home last saw of it, and say so (`Opened.stale`). */
  readonly snapshot?: boolean;
  /** Gets each log line for a person, too. */
  readonly mirror?: (line: string) => void;
  /** `--max-memory`; says over the configuration, also when that changes. */
  readonly maxMemoryBytes?: number;
};

/** What was answered is of an earlier moment. */
export type Stale = {
  readonly asOfMs: number;
  /** The store's error. */
  readonly why: string;
  /** Who was asked before the snapshot answered. */
  readonly tried: readonly Tried[];
};

export type Opened = AsyncDisposable & {
  readonly world: World;
  readonly config: Config;
  /** Where that came from, for who logs and may go on living while it changes; else null. */
  readonly settings: Settings | null;
  /** Retired keys and the like: one line each. */
  readonly warnings: readonly string[];
  /** Asks the live daemon of this home; null where none answers. Default 10 s. */
  ask(request: ControlRequest, timeoutMs?: number): Promise<ControlReply | null>;
  /** Tells a live daemon to look now; false where none lives. Never fails: its next scan finds it anyway. */
  wake(): Promise<boolean>;
  /** Null while the store itself has answered. */
  stale(): Stale | null;
  /** A process that was started here has ended. */
  onProcessEnd(listener: (end: ProcessEnd) => void): void;
};

/** Where words go: data to stdout, all else to stderr. */
export type Out = {
  /** The one JSON document, `{"schemaVersion":1,"kind":kind,…fields}`; swallowed without --json. */
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
  /** Whether `spin` shows anything. */
  readonly spins: boolean;
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
  /** What follows `--` is somebody else's command line (`call.rest`), not more operands. */
  readonly takesRest?: boolean;
  /** Called so often that plain calls of it are read without commander. */
  readonly quick?: boolean;
  /** Left out of `todo --help`. */
  readonly hidden?: boolean;
  readonly load: () => Promise<{ readonly command: CommandModule }>;
};

/** In the order of `todo --help`. */
export const commands: readonly CommandEntry[] = [
  { name: 'add', operands: '<TITLE>', about: 'add a todo for an agent', load: () => import('./commands/add.ts') },
  { name: 'list', about: 'all todos, newest first', quick: true, load: () => import('./commands/list.ts') },
  { name: 'show', operands: '[ID]', about: 'one todo and its runs', load: () => import('./commands/show.ts') },
  {
    name: 'why',
    operands: '[ID]',
    about: 'why it stands where it stands: its story, layer by layer',
    load: () => import('./commands/why.ts'),
  },
  { name: 'report', operands: '[ID]', about: 'where its report is', load: () => import('./commands/report.ts') },
  {
    name: 'logs',
    operands: '[ID]',
    about: "what the agent printed; without ID the daemon's log",
    load: () => import('./commands/logs.ts'),
  },
  { name: 'watch', about: 'the list, kept fresh', load: () => import('./commands/watch.ts') },
  { name: 'status', about: 'daemon, live runs, next deadlines', load: () => import('./commands/status.ts') },
  {
    name: 'run',
    operands: '[ID]',
    about: 'start the next todo, or that one, or -- a command; follow it to the end',
    takesRest: true,
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'claim',
    operands: '[ID]',
    about: 'take a todo to work on it by hand or in a session of your own',
    load: () => import('./commands/claim.ts'),
  },
  { name: 'hold', operands: '[ID]', about: 'keep it from agents', load: () => import('./commands/hold.ts') },
  { name: 'unhold', operands: '[ID]', about: 'give it back to agents', load: () => import('./commands/unhold.ts') },
  {
    name: 'done',
    aliases: ['complete'],
    operands: '[ID...]',
    about: 'say that it is done (checks are run)',
    load: () => import('./commands/done.ts'),
  },
  { name: 'fail', operands: '[ID...]', about: 'say that it failed', load: () => import('./commands/fail.ts') },
  { name: 'block', operands: '[ID...]', about: 'say that somebody else must act first', load: () => import('./commands/block.ts') },
  { name: 'park', operands: '[ID...]', about: 'put it off; it comes back by itself', load: () => import('./commands/park.ts') },
  { name: 'release', operands: '[ID...]', about: 'give it back: open again', load: () => import('./commands/release.ts') },
  { name: 'cancel', operands: '[ID...]', about: 'end it for good, undone', load: () => import('./commands/cancel.ts') },
  {
    name: 'unschedule',
    operands: '[ID]',
    about: 'take back what done, fail … --in put off',
    load: () => import('./commands/unschedule.ts'),
  },
  { name: 'emergency', operands: '<ID>', about: 'end a run now, whatever state it is in', load: () => import('./commands/emergency.ts') },
  {
    name: 'comment',
    operands: '[ID] [TEXT]',
    about: 'note something on it; - reads standard input',
    load: () => import('./commands/comment.ts'),
  },
  { name: 'attach', operands: '[ID] [FILE...]', about: 'keep files with it', load: () => import('./commands/attach.ts') },
  { name: 'export', operands: '[ID]', about: 'all that is known of a todo, in one file', load: () => import('./commands/export.ts') },
  {
    name: 'start',
    about: 'watchdog and daemon in the foreground, looked after until Ctrl-C',
    load: () => import('./commands/start.ts'),
  },
  {
    name: 'daemon',
    operands: '[ACTION]',
    about: 'run, start, stop, status, reload, restart or resume what takes todos to their end; alone = run',
    load: () => import('./commands/daemon.ts'),
  },
  {
    name: 'config',
    operands: '[ACTION] [KEY] [VALUE]',
    about: 'show the configuration and where each value is from; set, unset: change it while the daemon runs',
    load: () => import('./commands/config.ts'),
  },
  { name: 'health', about: 'does it work? 0 healthy, 1 degraded, 2 unhealthy, 3 unknown', load: () => import('./commands/health.ts') },
  {
    name: 'doctor',
    about: 'what may keep it from working, with evidence and the command that mends it; --fix mends',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'agents',
    about: 'who can work on todos; --health asks each of them now',
    load: () => import('./commands/agents.ts'),
  },
  { name: 'metrics', about: 'what the daemon counts and measures, as Prometheus reads it', load: () => import('./commands/metrics.ts') },
  {
    name: 'dashboard',
    operands: '[ACTION] [ID]',
    about: 'the way into it: an address that lets in once; sessions, revoke ID',
    load: () => import('./commands/dashboard.ts'),
  },
  { name: 'monitor', about: 'the complete system check', load: () => import('./commands/monitor.ts') },
  {
    name: 'store',
    operands: '<ACTION>',
    about: 'check: is the store a safe system of record, and what to change',
    load: () => import('./commands/store.ts'),
  },
  {
    name: 'heal',
    operands: '[WHAT]',
    about: 'heal a component or a todo now; --history: what was healed so far',
    load: () => import('./commands/heal.ts'),
  },
  {
    name: 'backup',
    operands: '<TARGET>',
    about: 'the whole home into a folder or a .tar.gz, verified, while its daemon works',
    load: () => import('./commands/backup.ts'),
  },
  {
    name: 'restore',
    operands: '<FROM>',
    about: 'a backup into an empty home',
    load: () => import('./commands/restore.ts'),
  },
  { name: 'recover', about: 'what could be mended; --apply mends it', load: () => import('./commands/recover.ts') },
  {
    name: 'retry',
    operands: '[ACTION]',
    about: 'status: what failed and waits for its next attempt',
    load: () => import('./commands/retry.ts'),
  },
  {
    name: 'dead-letter',
    operands: '[ACTION] [ID...]',
    about: 'list, show or requeue what was given up',
    load: () => import('./commands/dead-letter.ts'),
  },
  {
    name: 'breaker',
    operands: '[ACTION] [NAME]',
    about: 'list, isolate or reset the circuit breakers',
    load: () => import('./commands/breaker.ts'),
  },
  {
    name: 'host',
    operands: '[ACTION] [HOST]',
    about: 'list the hosts that share the store; drain one, so that it takes nothing new, or resume it',
    load: () => import('./commands/host.ts'),
  },
  {
    name: 'service',
    operands: '<ACTION>',
    about: 'install, uninstall, status: the daemon as a service of systemd',
    load: () => import('./commands/service.ts'),
  },
  {
    name: 'watchdog',
    operands: '[ACTION]',
    about: 'keep a command running: -- CMD, or alone the daemon of this home; status',
    takesRest: true,
    load: () => import('./commands/watchdog.ts'),
  },
  {
    name: 'chaos',
    operands: '[SCENARIO...]',
    about: 'break daemon, agents, disk, store and clock in homes of its own; does what was promised hold?',
    load: () => import('./commands/chaos.ts'),
  },
  { name: 'test', about: 'self-test of the basic functions in a store of its own', load: () => import('./commands/test.ts') },
  {
    name: 'hooks',
    operands: '<ACTION> [AGENT]',
    about: "install an agent's hooks, or find out whether they fire",
    load: () => import('./commands/hooks.ts'),
  },
  {
    name: 'hook',
    operands: '<AGENT> <EVENT>',
    about: 'called by the hooks of agents',
    hidden: true,
    load: () => import('./commands/hook.ts'),
  },
  {
    name: 'demo',
    about: 'sixty seconds, no keys: honest, lying, hanging, crashing and silent agents',
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'completion',
    operands: '<SHELL>',
    about: 'words for the Tab key of bash, zsh or fish',
    load: () => import('./commands/completion.ts'),
  },
  { name: 'overview', about: 'what is live, what to do next (plain `todo`)', hidden: true, load: () => import('./commands/overview.ts') },
];
