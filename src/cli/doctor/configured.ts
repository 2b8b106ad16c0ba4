import { existsSync, statSync } from 'node:fs';
import { type Config, defaultConfig } from '../../core/config.ts';
import { isOperational, type OperationalError } from '../../core/errors.ts';
import { configPath, homeAt, homeRoot } from '../../platform/home.ts';
import type { Home } from '../../world.ts';
import type { Call } from '../command.ts';
import { configuredHome } from '../configured-home.ts';
import { programFolder } from '../program.ts';
import { type Finding, fine } from './finding.ts';

/** `config` is null where it is wrong; the places are then those of an empty one, as far as anybody can tell. */
export type Configured = { readonly config: Config | null; readonly home: Home; readonly findings: readonly Finding[] };

/** The configuration as a daemon would read it, without being stopped by what is wrong in it. */
export async function lookAtConfiguration({ home: flag, env, cwd }: Pick<Call, 'home' | 'env' | 'cwd'>): Promise<Configured> {
  const root = homeRoot({ flag, env, cwd, programFolder });
  const path = configPath(root);
  try {
    const { config, warnings, home } = await configuredHome(root, env, { readOnly: true });
    const said = warnings.map(
      (warning): Finding => ({ what: 'configuration', severity: 'degraded', evidence: warning, mend: mendOfWarning(warning, path) }),
    );
    const open = openToOthers(config, path);
    return {
      config,
      home,
      findings:
        said.length + open.length > 0
          ? [...said, ...open]
          : [fine('configuration', existsSync(path) ? `${path} is whole and right` : `all as shipped; there is no ${path}`)],
    };
  } catch (error) {
    if (!isOperational(error)) throw error;
    const wrong: Finding = {
      what: 'configuration',
      severity: 'unhealthy',
      evidence: error.message,
      mend: mendOf(error, path),
    };
    return { config: null, home: homeAt(root, defaultConfig().paths), findings: [wrong] };
  }
}

/** `"database.charset": why`, as core/config.ts says of a key that is no longer used. */
function mendOfWarning(warning: string, path: string): string {
  const key = /^"([\w.]+)": /.exec(warning)?.[1];
  return key === undefined ? `\${EDITOR:-vi} ${path}` : `todo config unset ${key}`;
}

function mendOf({ code, message }: OperationalError, path: string): string {
  if (code === 'FILE_UNREADABLE') return `as root: chown ${process.getuid?.()} ${path}; or another home: --home or TODO_HOME`;
  const edit = `\${EDITOR:-vi} ${path}`;
  return /"line \d+, column \d+"/.test(message) ? edit : `todo config set KEY VALUE, or todo config unset KEY; or: ${edit}`;
}

/** Files with the store's password that more than their owner may read. */
function openToOthers({ store }: Config, path: string): Finding[] {
  const hasPassword = /^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(store.url ?? '');
  const files = [...(hasPassword ? [path] : []), ...(store.password_file === null ? [] : [store.password_file])];
  return files.flatMap((file): Finding[] => {
    const mode = statSync(file, { throwIfNoEntry: false })?.mode;
    if (mode === undefined || (mode & 0o077) === 0) return [];
    const evidence = `it holds the store's password and has mode ${(mode & 0o777).toString(8)}: others may read it`;
    return [{ what: `file ${file}`, severity: 'degraded', evidence, mend: `chmod 600 ${file}` }];
  });
}
