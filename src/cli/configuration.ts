import { type Config, defaultConfig } from '../core/config.ts';
import { type ConfigChange, flatConfig, needsRestart, shownChange, shownValue } from '../core/config-keys.ts';
import type { ControlReply, ControlRequest } from '../core/control.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { effectiveChanges, effectiveConfig } from '../daemon/effective-config.ts';
import { writeValue } from '../daemon/reload.ts';
import { ask } from '../platform/control-socket.ts';
import { configPath, homeAt, homeRoot } from '../platform/home.ts';
import { settingsFile } from '../platform/settings-file.ts';
import type { Settings } from '../world.ts';
import type { Call } from './command.ts';
import { exit } from './exit-codes.ts';
import { programFolder } from './program.ts';
import { refusal } from './say.ts';
import { plain } from './text/plain.ts';
import { table } from './text/table.ts';

/** Settling and parsing take under a second; a busy daemon answers between two steps. */
const answersWithinMs = 15_000;

type There = {
  readonly root: string;
  readonly path: string;
  readonly settings: Settings;
  ask(request: ControlRequest): Promise<ControlReply | null>;
};

/** Without the world: that does not open over a configuration that is wrong, which is when it must be looked at. */
function there({ home, env, cwd }: Call): There {
  const root = homeRoot({ flag: home, env, cwd, programFolder });
  const path = configPath(root);
  const { socket } = homeAt(root, defaultConfig().paths);
  return {
    root,
    path,
    settings: settingsFile({ path, env, secretsOf: () => [] }),
    async ask(request) {
      const reply = await ask(socket, request, answersWithinMs);
      if (reply?.ok === false) throw refusal(reply, request.op === 'configure' ? 'setting' : 'reloading', 'the configuration');
      return reply;
    },
  };
}

export async function reloadCommand(call: Call): Promise<number> {
  const { ask } = there(call);
  const reply = await ask({ op: 'reload', by: 'person' });
  if (reply === null)
    throw new OperationalError('NO_DAEMON', { operation: 'reloading', subject: 'the configuration', why: 'no daemon runs in this home' });
  tellTaken(call, reply, true);
  return exit.yes;
}

/** A daemon does it where one lives; else the file is changed, and the next one reads it. */
export async function setCommand(call: Call, key: string, value: string | null): Promise<number> {
  const { ask, settings } = there(call);
  const reply = await ask({ op: 'configure', key, value });
  if (reply !== null) {
    tellTaken(call, reply, true);
    return exit.yes;
  }
  const before = settings.text() === null ? defaultConfig() : (await readOrWhyNot(settings)).config;
  await writeValue(settings, key, value);
  // What is still wrong is told; one thing less is.
  const { config } = await settings.parse(settings.text() ?? '{}');
  const changed = before === null ? [] : effectiveChanges(before, config).map(shownChange);
  if (before === null) call.out.line('The configuration is right again.');
  tellTaken(call, { ok: true, kind: 'configured', changed, needsRestart: [], overridden: settings.overridden(key) }, false);
  return exit.yes;
}

function tellTaken({ out }: Call, reply: ControlReply, live: boolean): void {
  if (!reply.ok || reply.kind !== 'configured') throw new Error(`not what was asked for: ${JSON.stringify(reply)}`);
  const { changed, needsRestart: waiting, overridden } = reply;
  out.json('configured', { live, changed, needsRestart: waiting, overridden });
  if (changed.length === 0) out.line('No value that is in use changed.');
  for (const change of changed) out.line(changeLine(change));
  if (waiting.length > 0) out.note(`Used after a restart: ${waiting.join(', ')}. See: todo daemon restart`);
  if (overridden !== null) out.note(`${overridden} in the environment says over it.`);
  if (!live) out.note('No daemon runs; the next one reads it.');
}

const changeLine = ({ key, from, to }: ConfigChange): string => `${key}: ${textOf(from)} → ${textOf(to)}`;
const textOf = (value: unknown): string => plain(typeof value === 'string' ? value : JSON.stringify(value ?? null));

type Shown = {
  readonly key: string;
  readonly value: unknown;
  readonly source: 'default' | 'file' | 'environment';
  /** The name in the environment. */
  readonly name: string | null;
  /** What the living daemon uses; absent where none lives. */
  readonly inUse?: unknown;
  readonly needsRestart: boolean;
};

export async function showCommand(call: Call, under: string | null): Promise<number> {
  const { settings, path, ask } = there(call);
  const daemon = await ask({ op: 'configuration' }).catch(() => null);
  const live = daemon?.ok && daemon.kind === 'configuration' ? daemon : null;
  const read = await readOrWhyNot(settings);
  const shown = (read.config === null ? [] : valuesOf(read.config, read.said, settings, live?.values ?? null)).filter(
    ({ key }) => under === null || key === under || key.startsWith(`${under}.`),
  );
  if (under !== null && read.config !== null && shown.length === 0)
    throw new OperationalError('NOT_FOUND', {
      operation: 'looking for',
      subject: `"${under}"`,
      why: 'there is no key of that name',
      hint: 'See: todo config show',
    });
  call.out.json('config', {
    file: path,
    problem: read.problem,
    values: shown,
    daemon: live === null ? null : { ...live.configuration, values: live.values },
  });
  if (read.problem !== null)
    call.out.note(`${read.problem}\n${live === null ? 'No daemon runs.' : 'The daemon goes on with the values before.'}`);
  else tellShown(call, path, shown, live !== null);
  return read.problem === null ? exit.yes : exit.configuration;
}

type Read =
  | { readonly config: Config; readonly said: Record<string, unknown>; readonly problem: null }
  | { readonly config: null; readonly problem: string };

async function readOrWhyNot(settings: Settings): Promise<Read> {
  try {
    const text = settings.text() ?? '{}';
    const { configValue } = await import('../platform/config-text.ts');
    const { config } = await settings.parse(text.trim() === '' ? '{}' : text);
    return { config, said: configValue(text) ?? {}, problem: null };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { config: null, problem: error.message };
  }
}

function valuesOf(
  config: Config,
  said: Record<string, unknown>,
  settings: Settings,
  inUse: Readonly<Record<string, unknown>> | null,
): readonly Shown[] {
  const given = flatConfig(said);
  return [...effectiveConfig(config)]
    .map(([key, value]): Shown => {
      const name = settings.overridden(key);
      return {
        key,
        value: shownValue(key, value),
        source: name !== null ? 'environment' : given.has(key) ? 'file' : 'default',
        name,
        ...(inUse === null ? {} : { inUse: inUse[key] ?? null }),
        needsRestart: needsRestart(key),
      };
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function tellShown({ out }: Call, path: string, shown: readonly Shown[], live: boolean): void {
  const columns = [{ title: 'KEY' }, { title: 'VALUE' }, { title: 'FROM' }, { title: live ? 'IN USE' : '', grows: 'cut' as const }];
  const rows = shown.map((it) => {
    const differs = live && JSON.stringify(it.inUse) !== JSON.stringify(it.value);
    const inUse = differs ? `${textOf(it.inUse)} until ${it.needsRestart ? 'a restart' : 'it is taken up'}` : '';
    return [it.key, textOf(it.value), it.name ?? it.source, differs ? ({ text: inUse, colour: 'yellow' } as const) : inUse];
  });
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  out.note(`The file: ${path}`);
}
