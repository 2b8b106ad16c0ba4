import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json, TestHome } from './harness.ts';

/** Programs as agents, by configuration. What a file beside each says is how it is: `ill` fails its probe, `waits` works until it is well, `limit` and `auth` end a run so. */
export function runnerPrograms(home: TestHome, ...names: readonly string[]) {
  const folder = join(home.folder, '..', 'programs');
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    const program = join(folder, name);
    writeFileSync(
      program,
      `#!/bin/sh
how=$(cat "$0.is" 2>/dev/null)
if [ "$1" = --version ]; then
  [ "$how" = ill ] && { echo 'out of order' >&2; exit 3; }
  echo "${name} 1.2.3"
  exit 0
fi
echo "${name} got: $(cat)"
[ "$how" = waits ] && while [ -e "$0.is" ]; do sleep 0.05; done
case $how in limit) exit 75 ;; auth) exit 41 ;; esac
exit 0
`,
    );
    chmodSync(program, 0o755);
  }
  return {
    env: { PATH: `${folder}:/usr/bin:/bin` },
    be(name: string, how: 'ill' | 'limit' | 'auth' | 'waits' | 'well'): void {
      if (how === 'well') rmSync(join(folder, `${name}.is`), { force: true });
      else writeFileSync(join(folder, `${name}.is`), how);
    },
    remove: (name: string): void => rmSync(join(folder, name)),
  };
}

export const commandAgent = (command: string, more: Json = {}) => ({
  kind: 'command',
  command,
  probe_interval: 0.05,
  exit_codes: { 75: 'limit', 41: 'auth' },
  ...more,
});
