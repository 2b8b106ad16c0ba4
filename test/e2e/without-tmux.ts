import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A PATH with all programs of this one but tmux: for agents that cannot be started. `tmux` is where it really is. */
export function withoutTmux(folder: string): { readonly PATH: string; readonly tmux: string } {
  mkdirSync(folder);
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((from) => from.startsWith('/') && existsSync(from));
  for (const from of folders)
    for (const name of readdirSync(from))
      if (name !== 'tmux' && !existsSync(join(folder, name))) link(join(from, name), join(folder, name));
  return { PATH: folder, tmux: join(folders.find((from) => existsSync(join(from, 'tmux'))) ?? '/usr/bin', 'tmux') };
}

function link(from: string, to: string): void {
  try {
    symlinkSync(from, to);
  } catch {
    // A dangling name of an earlier folder stands there already.
  }
}
