import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Folders where programs of people stand that the PATH of a service or of cron does not name. They come after PATH, so that nothing which
 * is found there is ever shadowed. Only those that exist.
 */
export function alternatives(env: Env): readonly string[] {
  const home = env['HOME'];
  const own = home === undefined ? [] : [join(home, '.local', 'bin'), join(home, 'bin'), join(home, '.npm-global', 'bin')];
  const named = new Set((env['PATH'] ?? '').split(delimiter));
  const places = [...own, ...versionManagers(env), '/usr/local/bin', '/snap/bin', '/opt/homebrew/bin'];
  return [...new Set(places)].filter((folder) => !named.has(folder) && isFolder(folder));
}

/** nvm keeps a folder a version, the newest is the one to look into; volta and fnm have one for all. */
function versionManagers(env: Env): string[] {
  const home = env['HOME'] ?? '';
  const nvm = join(env['NVM_DIR'] ?? join(home, '.nvm'), 'versions', 'node');
  const newest = nodeVersionsIn(nvm).at(-1);
  return [
    ...(newest === undefined ? [] : [join(nvm, newest, 'bin')]),
    join(env['VOLTA_HOME'] ?? join(home, '.volta'), 'bin'),
    join(env['FNM_DIR'] ?? join(home, '.local', 'share', 'fnm'), 'aliases', 'default', 'bin'),
  ];
}

/** `v24.21.0`, oldest first. */
export function nodeVersionsIn(folder: string): string[] {
  if (!isFolder(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^v\d+\.\d+\.\d+$/.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** PATH with its alternatives behind it: what a daemon and all that it starts look into. Looked at once for each PATH. */
export function searchPath(env: Env): string {
  const own = env['PATH'] ?? '';
  if (known?.own !== own) known = { own, all: [own, ...alternatives(env)].filter((part) => part !== '').join(delimiter) };
  return known.all;
}
let known: { readonly own: string; readonly all: string } | null = null;

/** The programs that a project brings along, behind all others; null where it brings none. */
export function projectPrograms(folder: string): string | null {
  const path = join(folder, 'node_modules', '.bin');
  return isFolder(path) ? path : null;
}

/** Everywhere that it is found, in the order in which a shell would take it; a name with a slash is that file alone. */
export function whereIs(program: string, path: string): readonly string[] {
  const candidates = program.includes('/') ? [program] : path.split(delimiter).map((folder) => join(folder || '.', program));
  return [...new Set(candidates)].filter(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();
