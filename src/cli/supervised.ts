import { tagName } from '../watchdog/tag.ts';

/** Whether somebody starts this process again when it ends: our watchdog, or a service manager. */
export const isSupervised = (env: Readonly<Record<string, string | undefined>>): boolean =>
  env[tagName] !== undefined || env['NOTIFY_SOCKET'] !== undefined;
