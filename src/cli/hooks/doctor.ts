import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentOf, planLaunch } from '../../agents/start.ts';
import { settingsOf } from '../../core/config.ts';
import { OperationalError } from '../../core/errors.ts';
import { isObject } from '../../core/shape.ts';
import type { Todo } from '../../core/todo.ts';
import { builtInAdapters } from '../agents.ts';
import type { Call, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { tookText } from '../text/times.ts';
import { installedIn, personalSettings } from './install.ts';
import { startModel } from './one-word-model.ts';

const versionWithinMs = 20_000;
/** One turn with a model that answers at once takes a second; a first start of the program takes longer. */
const turnWithinMs = 90_000;
const tailBytes = 4000;

export type HooksSeen = {
  readonly program: string;
  /** Null: it cannot be started, `why` says why. */
  readonly version: string | null;
  readonly fires: boolean;
  readonly events: readonly string[];
  readonly tookMs: number;
  /** Null where they fire. */
  readonly why: string | null;
  /** A switch in a settings file or an argument that keeps them off. */
  readonly cause: string | null;
};

/**
 * Starts the agent exactly as a run would (the adapter's own launch plan), with a model on loopback that says one word, and looks whether its
 * Stop hook reached the spool. No key, no network, no cost. What a policy, a version or a setting keeps from firing does not fire here either.
 */
export async function lookAtHooks({ env }: Pick<Call, 'env'>, opened: Opened, step: (text: string) => void): Promise<HooksSeen> {
  const settings = settingsOf(opened.config, 'claude');
  const program = settings.command ?? 'claude';
  const version = await versionOf(program, opened);
  if (version.text === null) return { program, version: null, fires: false, events: [], tookMs: 0, why: version.why, cause: null };
  step('running one turn against a model on loopback');
  const turn = await oneTurn(opened);
  const fires = turn.events.includes('stop');
  const cause = fires ? null : keptBy(settings.args, personalSettings({ env: { ...env, ...settings.env } }));
  const why = fires
    ? null
    : turn.asked === 0
      ? `it never asked its model: ${turn.tail || 'no output'}`
      : `the turn ended without a Stop hook${cause ? `: ${cause}` : turn.tail ? `: ${turn.tail}` : ''}`;
  return { program, version: version.text, fires, events: turn.events, tookMs: turn.tookMs, why, cause };
}

export const hooksRemedy = ({ cause }: HooksSeen): string =>
  `${cause ? 'Change that' : 'Look for disableAllHooks or allowManagedHooksOnly in its settings and policies'}, and ask again. Without hooks the end of its process still speaks.`;

export async function doctorClaude(call: Call): Promise<number> {
  const { out } = call;
  await using opened = await call.open({ readOnly: true });
  using spinner = await out.spin('asking claude for its version');
  const seen = await lookAtHooks(call, opened, (text) => spinner.step(text));
  spinner.end();
  const { program, version, fires, events, tookMs, why } = seen;
  if (version === null) {
    out.json('hooks-doctor', { agent: 'claude', program, installed: false, version: null, fires: false, events: [], why });
    out.line(`${out.paint('red', '✘')} claude cannot be started here: ${why}`);
    out.note(
      'Install it (npm install --global @anthropic-ai/claude-code), or name the program in agents.claude.command of hooks/config.json.',
    );
    return exit.no;
  }
  const own = installedIn(personalSettings(call));
  out.json('hooks-doctor', { agent: 'claude', program, installed: true, version, ownSessions: own, fires, events, tookMs, why });
  out.line(`${out.paint('green', '✔')} ${program} is ${version}`);
  if (fires)
    out.line(`${out.paint('green', '✔')} its Stop hook fires: durable in one turn of ${tookText(tookMs)} (events: ${events.join(', ')})`);
  else {
    out.line(`${out.paint('red', '✘')} its Stop hook does not fire: ${why}`);
    out.note(hooksRemedy(seen));
  }
  out.line(
    own.length > 0
      ? `${out.paint('green', '✔')} sessions of your own have them too: ${own.join(', ')}`
      : `${out.paint('dim', '–')} sessions of your own do not have them (todo hooks install claude)`,
  );
  return fires ? exit.yes : exit.no;
}

/** What of the known causes is there: a switch in a settings file, or an argument. */
function keptBy(args: readonly string[], personal: string): string | null {
  if (args.includes('--bare')) return '--bare in agents.claude.args of hooks/config.json keeps all hooks off';
  for (const path of [managedSettings, personal]) {
    const on = switchesIn(path).find((name) => name === 'disableAllHooks' || name === 'allowManagedHooksOnly');
    if (on !== undefined) return `${on} is on in ${path}`;
  }
  return null;
}

/** Where an administrator's settings for all users of the machine stand. */
const managedSettings = '/etc/claude-code/managed-settings.json';

function switchesIn(path: string): string[] {
  try {
    const settings: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isObject(settings) ? Object.keys(settings).filter((name) => settings[name] === true) : [];
  } catch {
    return [];
  }
}

async function versionOf(program: string, { world }: Opened): Promise<{ text: string | null; why: string }> {
  const { exitCode, startError, timedOut, tail } = await world.processes.run({
    argv: [program, '--version'],
    cwd: '/',
    env: {},
    timeoutMs: versionWithinMs,
    tailBytes,
  });
  if (exitCode === 0) return { text: plain(tail), why: '' };
  return {
    text: null,
    why: startError ?? (timedOut ? `no answer within ${versionWithinMs / 1000} s` : plain(tail) || `it ended with ${exitCode}`),
  };
}

async function oneTurn({ world, config }: Opened): Promise<{ events: string[]; asked: number; tookMs: number; tail: string }> {
  const root = mkdtempSync(join(tmpdir(), 'todo-hooks-'));
  try {
    const home = {
      ...world.home,
      root,
      runs: join(root, 'runs'),
      spool: { tmp: join(root, 'spool/tmp'), new: join(root, 'spool/new'), cur: join(root, 'spool/cur'), bad: join(root, 'spool/bad') },
    };
    const runId = world.random.uuidv7();
    const folder = join(home.runs, runId);
    const work = join(root, 'work');
    for (const path of [...Object.values(home.spool), folder, work]) mkdirSync(path, { recursive: true, mode: 0o700 });
    const adapter = builtInAdapters.get('claude');
    if (adapter === undefined) throw new OperationalError('AGENT_UNKNOWN', { operation: 'looking for', subject: 'agent claude' });
    const todo = {
      id: world.random.uuidv7(),
      number: 0,
      title: 'Say hello',
      prompt: 'Say hello',
      cwd: work,
      checks: [],
      agent: 'claude',
      rounds: 1,
    } as unknown as Todo;
    const entry = {
      ref: { todoId: todo.id, runId, fence: 1 },
      todo,
      conversationId: world.random.uuidv4(),
      round: 1,
      kind: 'child',
    } as const;
    const needs = { host: world.host, home };
    const launch = planLaunch(entry, null, adapter, settingsOf(config, 'claude'), 1000, needs);
    for (const file of launch.files) writeFileSync(join(folder, file.name), file.content, { mode: 0o600 });
    await using model = await startModel();
    const environment = { ...environmentOf(entry, launch, false, needs), TODO_TOKEN: world.random.token(), ...model.env };
    const fromMs = world.clock.monotonicMs();
    const stdin = launch.stdin === null ? '/dev/null' : join(folder, launch.stdin);
    const ended = await world.processes.run({
      argv: ['/bin/sh', '-c', 'exec "$@" < "$0"', stdin, ...launch.argv],
      cwd: work,
      env: environment,
      timeoutMs: turnWithinMs,
      tailBytes,
    });
    return {
      events: eventsIn(home.spool.new),
      asked: model.asked(),
      tookMs: Math.round(world.clock.monotonicMs() - fromMs),
      tail: ended.exitCode === 0 ? '' : (ended.startError ?? plain(ended.tail).slice(-300)),
    };
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** What the hooks made durable, by the marker files that a daemon would read. */
function eventsIn(folder: string): string[] {
  const events = readdirSync(folder).flatMap((name) => {
    const marker: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8').split('\n')[0] ?? 'null');
    return isObject(marker) && marker['kind'] === 'hook' ? [String(marker['event'])] : [];
  });
  return [...new Set(events)];
}
