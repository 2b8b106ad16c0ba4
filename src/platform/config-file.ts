import { hash } from 'node:crypto';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Config, ConfigProblem } from '../core/config.ts';
import { OperationalError } from '../core/errors.ts';

export type LoadedConfig = { readonly config: Config; readonly warnings: readonly string[] };

export type ConfigQuestion = {
  /** `hooks/config.json` of the home (JSONC); absent is empty. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the last valid result is kept (0600); null neither reads nor keeps one. */
  readonly cache: string | null;
  /** Who only looks takes a kept result, and keeps none (promise 7). */
  readonly readOnly?: boolean;
  readonly version: string;
  /** From the sources the program may change from one start to the next without changing its version: then nothing is kept. */
  readonly fromSources?: boolean;
};

/**
 * The whole config: file, overlaid by `TODO_…`. All mistakes at once as CONFIG_INVALID. The schema library takes longer to load than most commands
 * run, so a file and environment that were found valid before are not parsed again: their result is kept under their digest.
 */
export async function loadConfig({
  path,
  env,
  cache,
  readOnly = false,
  version,
  fromSources = extname(import.meta.filename) === '.ts',
}: ConfigQuestion): Promise<LoadedConfig> {
  const text = readIfThere(path);
  const said = saidBy(env);
  const digest = keyOf(JSON.stringify([shapeVersion, version, builtAtMs(), path, text, said]), env);
  const usable = fromSources ? null : cache;
  const kept = usable === null ? null : readCache(usable, digest, env);
  if (kept !== null) return kept;
  const { parseConfigText } = await import('./config-text.ts');
  const parsed = parseConfigText(text ?? '{}', said);
  if ('problems' in parsed) throw invalid(path, parsed.problems);
  if (usable !== null && !readOnly) keep(usable, digest, parsed, env);
  return parsed;
}

/** Grows when what is kept changes its shape. */
const shapeVersion = 1;

/** A checkout is built anew without a new version. */
const builtAtMs = (): number => statSync(import.meta.filename, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Names of ours that are not configuration: what a run is told about itself, and where to find things. */
const notConfig = new Set(
  'TODO_ID TODO_RUN TODO_TOKEN TODO_HOME TODO_SPOOL TODO_MARKER TODO_ROUND TODO_FEEDBACK TODO_RUN_DIR TODO_NODE TODO_CHECKS TODO_SESSION TODO_HOOK_WAIT_MS TODO_CHECK_RUN'.split(
    ' ',
  ),
);
/** A room of the config follows: `TODO_BEHAVIOR_…`. Others may have names that begin as ours. */
const configName =
  /^TODO_(BEHAVIOR|EMERGENCY|PATHS|LOGGING|STORE|SLOTS|RUN|RESOURCE|MONITORING|RESTART|SERVER|POLICIES|BREAKERS|AGENTS)(_|$)/;

/** Sorted, so that the digest does not hang on the order of an environment. An empty value says nothing. */
export function saidBy(env: ConfigQuestion['env']): [name: string, value: string][] {
  return Object.entries(env)
    .filter(
      (pair): pair is [string, string] =>
        typeof pair[1] === 'string' && pair[1] !== '' && configName.test(pair[0]) && !notConfig.has(pair[0]),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The same for a process of ours that shall be configured as we are; and what else it must be told to work here. */
export const configEnv = (env: ConfigQuestion['env']): Record<string, string> =>
  Object.fromEntries([
    ...saidBy(env),
    ...Object.entries(env).filter((pair): pair is [string, string] => pair[0] === networkDiskName && pair[1] !== undefined),
  ]);
const networkDiskName = 'TODO_ALLOW_NETWORK_DISK';

/** Compared as it stands, since loading node:crypto takes longer than all the rest; where a secret is in it, by its digest. */
const keyOf = (asked: string, env: ConfigQuestion['env']): string =>
  secretNames.some((name) => env[name]) ? hash('sha256', asked, 'hex') : asked;

/** What the environment said secretly is not written down: it is there again whenever the digest fits. */
type Kept = { readonly digest: string; readonly config: Config; readonly warnings: readonly string[] };
const secretNames = ['TODO_STORE_URL', 'TODO_SERVER_REDIS_URL'] as const;

/** With the secrets of the environment, or with nothing in their place. */
function withSecrets(config: Config, env: ConfigQuestion['env'], said: (value: string) => string | null): Config {
  const [store, redis] = secretNames.map((name) => env[name]);
  return {
    ...config,
    store: store ? { ...config.store, url: said(store) } : config.store,
    server: redis ? { ...config.server, redis_url: said(redis) } : config.server,
  };
}

function readCache(path: string, digest: string, env: ConfigQuestion['env']): LoadedConfig | null {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Kept;
    if (kept.digest !== digest) return null;
    const { config, warnings } = kept;
    return { config: withSecrets(config, env, (value) => value), warnings };
  } catch {
    return null;
  }
}

function keep(path: string, digest: string, { config, warnings }: LoadedConfig, env: ConfigQuestion['env']): void {
  const kept: Kept = { digest, config: withSecrets(config, env, () => null), warnings };
  try {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(kept), { mode: 0o600 });
    renameSync(draft, path);
  } catch {
    // The next start takes a little longer, that is all.
  }
}

export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw new OperationalError('FILE_UNREADABLE', { operation: 'reading', subject: path, cause });
  }
}

export function invalid(path: string, problems: readonly ConfigProblem[], about = { operation: 'reading' }): OperationalError {
  const lines = problems.map(({ key, got, bound, fix }) => `"${key}": ${bound}, got ${got}; ${fix}`);
  return new OperationalError('CONFIG_INVALID', { ...about, subject: path, why: lines.join('\n  ') });
}
