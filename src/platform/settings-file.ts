import { chmodSync, closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Config, ConfigProblem, ParsedConfig } from '../core/config.ts';
import { environmentName } from '../core/config-keys.ts';
import { OperationalError } from '../core/errors.ts';
import type { Settings } from '../world.ts';
import { invalid, readIfThere, saidBy } from './config-file.ts';
import { makeFolder } from './make-folder.ts';
import { syncFolder } from './sync-folder.ts';

export type SettingsNeeds = {
  /** `hooks/config.json` of the home. */
  readonly path: string;
  /** As the process began with it: an environment does not change under it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secretsOf: (config: Config) => readonly string[];
};

/** The configuration file as somebody sees it who goes on living while it changes. */
export function settingsFile({ path, env, secretsOf }: SettingsNeeds): Settings {
  const said = saidBy(env);
  const parsed = async (text: string, about: { readonly operation: string; readonly hint: string }) => {
    const { parseConfigText } = await import('./config-text.ts');
    const found = parseConfigText(text, said, { allowEmpty: false });
    if ('problems' in found) throw invalid(path, found.problems, about);
    return found;
  };
  const identity = (): string | null => {
    try {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? null : `${stat.dev}.${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'unreadable';
    }
  };
  return {
    readAs: identity(),
    identity,
    text: () => readIfThere(path),
    async parse(text) {
      const { config, warnings } = await parsed(text, {
        operation: 'reading',
        hint: 'Mend it; until then the values before it stay in use.',
      });
      return { config, warnings, secrets: secretsOf(config) };
    },
    async edited(text, key, value) {
      const { parseConfigText, problemsIn, withValue } = await import('./config-text.ts');
      const about = { operation: `setting "${key}" in`, hint: 'Nothing was changed. See: todo config show' };
      // Into a text that is no JSON nothing can be set without losing the rest of it.
      const broken = problemsIn(text ?? '');
      const byHand = { ...about, hint: `Nothing was changed. Mend it by hand: \${EDITOR:-vi} ${path}` };
      if (broken.length > 0) throw invalid(path, broken, byHand);
      const changed = withValue(text ?? '', key, value);
      const [before, after] = [text ?? '{}', changed].map((it) => wrongIn(parseConfigText(it, said)));
      if (!isMended(before ?? [], after ?? [])) throw invalid(path, after ?? [], about);
      return changed;
    },
    replace(text, seen) {
      if (identity() !== seen)
        throw new OperationalError('REFUSED', {
          operation: 'writing',
          subject: path,
          why: 'somebody else wrote it meanwhile; nothing was changed',
          hint: 'Say it again. See: todo config show',
        });
      replaceWhole(path, text);
    },
    overridden(key) {
      const [room = '', name = ''] = key.split('.');
      const names = [room, `${room}.${name}`].map(environmentName);
      return said.findLast(([it]) => names.includes(it))?.[0] ?? null;
    },
  };
}

/** Behind a link its target is replaced, and the link stays. */
function replaceWhole(path: string, text: string): void {
  try {
    makeFolder(dirname(path));
    const target = statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
    const draft = join(dirname(target), `.${basename(target)}.${process.pid}`);
    const mode = (statSync(target, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777;
    const file = openSync(draft, 'w', mode);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
    chmodSync(draft, mode);
    renameSync(draft, target);
    syncFolder(dirname(target));
  } catch (cause) {
    throw new OperationalError('FILE_UNWRITABLE', { operation: 'writing', subject: path, cause });
  }
}

const wrongIn = (found: ParsedConfig): readonly ConfigProblem[] => ('problems' in found ? found.problems : []);

/** Nothing is wrong after it, or less than before and nothing new: a file is mended one key after another. */
const isMended = (before: readonly ConfigProblem[], after: readonly ConfigProblem[]): boolean =>
  after.length === 0 || (after.length < before.length && after.every(({ key }) => before.some((it) => it.key === key)));
