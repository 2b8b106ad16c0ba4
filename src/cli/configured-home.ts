import { join } from 'node:path';
import about from '../../package.json' with { type: 'json' };
import type { Config } from '../core/config.ts';
import { loadConfig } from '../platform/config-file.ts';
import { configPath, homeAt, stateFolder } from '../platform/home.ts';
import type { Home } from '../world.ts';

export const version: string = about.version;

/** Where everything of a home is, and how it is configured. */
export async function configuredHome(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
  { readOnly }: { readonly readOnly: boolean },
): Promise<{ config: Config; warnings: readonly string[]; home: Home }> {
  const cache = join(stateFolder(root), 'config.cache.json');
  const { config, warnings } = await loadConfig({ path: configPath(root), env, cache, readOnly, version });
  return { config, warnings, home: homeAt(root, config.paths) };
}
