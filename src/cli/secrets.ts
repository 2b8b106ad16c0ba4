import { readFileSync } from 'node:fs';
import type { Opened } from './command.ts';

/** Names of the environment whose values must never leave the run folder. */
const secretName = /(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE|ENCRYPTION)_?KEY|_KEY)S?$/i;
/** Shorter values stand in every text by chance. */
const secretCharsMin = 8;

/** What is taken out of reports, evidence and records: keys of the environment and of agents' settings, the store's password. */
export function secretsOf({ world, config }: Pick<Opened, 'world' | 'config'>): readonly string[] {
  const environments = [world.host.env, ...Object.values(config.agents).map(({ env }) => env)];
  const named = environments.flatMap((env) =>
    Object.entries(env).flatMap(([name, value]) => (value !== undefined && secretName.test(name) ? [value] : [])),
  );
  return [...new Set([...named, ...storePasswords(config.store)])].filter((value) => value.length >= secretCharsMin);
}

export const isSecretName = (name: string): boolean => secretName.test(name);

function storePasswords({ url, password_file }: Opened['config']['store']): string[] {
  const found: string[] = [];
  const inUrl = /^[a-z]+:\/\/[^/@]*?:([^/]*)@/.exec(url ?? '')?.[1];
  if (inUrl) found.push(inUrl, decoded(inUrl));
  if (password_file !== null) {
    try {
      found.push(readFileSync(password_file, 'utf8').split('\n')[0]?.trim() ?? '');
    } catch {
      // The store says so itself when it needs it.
    }
  }
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
