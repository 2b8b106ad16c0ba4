// Where the programs are that tests run. `npm test` finds or installs them first (test/setup.ts).
import { readFileSync } from 'node:fs';

type Program =
  | 'tmux'
  | 'strace'
  | 'mariadbd'
  | 'mariadb-install-db'
  | 'mariadb'
  | 'ssh'
  | 'ssh-keygen'
  | 'sshd'
  | 'chromium'
  | 'prometheus'
  | 'promtool'
  | 'prometheus-alertmanager'
  | 'amtool'
  | 'openssl'
  | 'git'
  | 'ps'
  | 'systemd-analyze'
  | 'systemd-notify'
  | 'python3'
  | 'dash'
  | 'mkfs.ext4'
  | 'mkfs.xfs'
  | 'xfs_io'
  | 'claude'
  | 'redis-server'
  /** A folder: what a new server of MariaDB begins with. */
  | 'mariadbData'
  // With `node test/setup.ts --bench`.
  | 'postgres'
  | 'initdb'
  | 'monit'
  | 'supervisord'
  | 'supervisorctl';

/** Absolute paths: `programs().chromium`. */
export function programs(): Readonly<Record<Program, string>> {
  const path = new URL('../.todo-test/setup.json', import.meta.url);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<Program, string>;
  } catch (cause) {
    throw new Error('the test set-up did not run yet: node test/setup.ts', { cause });
  }
}
