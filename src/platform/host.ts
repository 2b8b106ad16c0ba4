import { hostname } from 'node:os';
import type { Host } from '../world.ts';
import { configEnv } from './config-file.ts';
import { homeId } from './home.ts';

/** This machine and user, as one home sees them. */
export function hostOf({
  root,
  env,
  todoCommand,
  hooksFolder,
}: Pick<Host, 'env' | 'todoCommand' | 'hooksFolder'> & { readonly root: string }): Host {
  const name = hostname();
  return {
    id: `${name}/${homeId(root)}`,
    name,
    uid: process.getuid?.() ?? -1,
    gid: process.getgid?.() ?? -1,
    // Reading process.env asks the system for each name.
    env: { ...env },
    configEnv: configEnv(env),
    /** Asked anew each time: summer time comes while a daemon lives. */
    get utcOffsetMinutes() {
      return 0 - new Date().getTimezoneOffset();
    },
    todoCommand,
    hooksFolder,
  };
}
