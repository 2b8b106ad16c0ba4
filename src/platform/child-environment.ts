import { searchPath } from './search-path.ts';

/**
 * What a child gets of our environment: all of it except what is ours. `TODO_STORE_URL` holds a password, and the name of an outer run
 * is none of an inner one's business; what a run must know is in `added`. A null there removes a name. Its PATH has the usual other places at its end.
 */
export function childEnvironment(added: Readonly<Record<string, string | null>>): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !isOurs(name) || name in allowed);
  const all: Record<string, string | null | undefined> = { ...Object.fromEntries(kept), PATH: searchPath(process.env), ...added };
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

const isOurs = (name: string): boolean =>
  name.startsWith('TODO_') || name === 'NOTIFY_SOCKET' || name.startsWith('LISTEN_') || name.startsWith('WATCHDOG_');
/** Which Node runs `todo`. */
const allowed: Readonly<Record<string, true>> = { TODO_NODE: true };
