import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { OperationalError } from '../../core/errors.ts';
import { isObject } from '../../core/shape.ts';
import type { Call } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { programFolder } from '../program.ts';

/** What a session of a person's own tells us. Outside of a run each of them ends at once and says nothing. */
const events = [
  { name: 'UserPromptSubmit', event: 'user-prompt-submit', timeout: 30 },
  { name: 'Stop', event: 'stop', timeout: 600 },
  { name: 'StopFailure', event: 'stop-failure', timeout: 30 },
] as const;

type Settings = Record<string, unknown>;
type Group = Record<string, unknown>;

/** Merges our hooks into a person's settings: what stands there stays, a second time changes nothing, and what was there before is kept beside it. */
export async function installClaude(call: Call): Promise<number> {
  const { out, options, cwd } = call;
  const asked = options['settings'] as string | undefined;
  const named = asked === undefined ? personalSettings(call) : resolve(cwd, asked);
  // Dotfiles are often links into somebody's repository: the file is changed, the link stays.
  const path = existsSync(named) ? realpathSync(named) : named;
  const before = existsSync(path) ? readFileSync(path, 'utf8') : null;
  const settings = parsed(before ?? '{}', path);
  const merged = withOurHooks(settings, path);
  const after = `${JSON.stringify(merged, null, 2)}\n`;
  const changes = JSON.stringify(settings) !== JSON.stringify(merged);
  const dryRun = options['dryRun'] === true;
  const backup = changes && !dryRun && before !== null ? `${path}.before-todo-${Date.now()}` : null;
  if (changes && !dryRun) {
    mkdirSync(dirname(path), { recursive: true });
    if (backup !== null) copyFileSync(path, backup);
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, after, { mode: before === null ? 0o600 : statSync(path).mode & 0o777, flush: true });
    renameSync(draft, path);
  }
  out.json('hooks-install', {
    agent: 'claude',
    settings: path,
    changed: changes && !dryRun,
    wouldChange: changes,
    backup,
    hooks: events.map(({ name }) => name),
  });
  if (dryRun && changes) out.line(after.trimEnd());
  out.note(
    !changes
      ? `Our hooks stand in ${path} already.`
      : dryRun
        ? `Nothing was changed. This would be ${path}.`
        : `Our hooks stand in ${path}.${backup ? ` What was there before: ${backup}` : ''}`,
  );
  if (changes && !dryRun) out.note('Prove that they fire: todo hooks doctor claude');
  return exit.yes;
}

/** Where Claude keeps the settings of this user. */
export const personalSettings = ({ env }: Pick<Call, 'env'>): string =>
  join(env['CLAUDE_CONFIG_DIR'] || join(env['HOME'] || homedir(), '.claude'), 'settings.json');

function parsed(text: string, path: string): Settings {
  const refuse = (why: string, cause?: unknown) =>
    new OperationalError('BAD_DATA', {
      operation: 'reading',
      subject: path,
      why,
      cause,
      hint: 'Mend the file first; nothing was changed.',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse('it is not JSON', cause);
  }
  if (!isObject(value)) throw refuse('it is not a JSON object');
  return value;
}

function withOurHooks(settings: Settings, path: string): Settings {
  const hooks = settings['hooks'] ?? {};
  if (!isObject(hooks))
    throw new OperationalError('BAD_DATA', {
      operation: 'reading',
      subject: path,
      why: '"hooks" is not an object',
      hint: 'Mend the file first; nothing was changed.',
    });
  const merged: Record<string, unknown> = { ...hooks };
  for (const { name, event, timeout } of events) {
    const groups = Array.isArray(merged[name]) ? (merged[name] as Group[]) : [];
    const ours = { type: 'command', command: join(programFolder, 'bin', 'todo'), args: ['hook', 'claude', event, 'personal'], timeout };
    merged[name] = groups.some((group) => hooksIn(group).some((hook) => isOurs(hook, event)))
      ? groups.map((group) => ({ ...group, hooks: hooksIn(group).map((hook) => (isOurs(hook, event) ? ours : hook)) }))
      : [...groups, { hooks: [ours] }];
  }
  return { ...settings, hooks: merged };
}

const hooksIn = (group: Group): readonly unknown[] => (isObject(group) && Array.isArray(group['hooks']) ? group['hooks'] : []);

/** Wherever the program stood when it wrote itself there. */
function isOurs(hook: unknown, event: string): boolean {
  if (!isObject(hook) || typeof hook['command'] !== 'string') return false;
  const args = Array.isArray(hook['args']) ? hook['args'] : [];
  return /(^|\/)todo$/.test(hook['command']) && args[0] === 'hook' && args[1] === 'claude' && args[2] === event;
}

/** Which of our hooks a settings file has. */
export function installedIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const hooks = parsed(readFileSync(path, 'utf8'), path)['hooks'];
  if (!isObject(hooks)) return [];
  return events
    .filter(
      ({ name, event }) =>
        Array.isArray(hooks[name]) && (hooks[name] as Group[]).some((group) => hooksIn(group).some((hook) => isOurs(hook, event))),
    )
    .map(({ name }) => name);
}
