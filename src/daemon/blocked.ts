import { join } from 'node:path';
import { blockedName, parseBlocked } from '../core/blocked.ts';
import type { Context } from './context.ts';
import { noteEvent } from './notebook.ts';

const toldNote = 'blocked:told';
const keptMax = 10;
const framesTold = 5;

/** A daemon before us ended itself, because its event loop stood still: told once, where it stood. The newest of what they left are kept. */
export async function tellBlocked(context: Context): Promise<void> {
  const { world } = context;
  const { files, home, journal, log } = world;
  const left = files.list(home.logs).filter((name) => blockedName.test(name));
  for (const name of left.slice(0, -keptMax)) files.unlink(join(home.logs, name));
  const toldMs = Number(journal.getNote(toldNote) ?? 0);
  for (const name of left) {
    const found = parseBlocked(files.readText(join(home.logs, name)));
    if (found === null || found.atMs <= toldMs) continue;
    const { atMs, pid, blockedMs, stack, kernel } = found;
    const fields = { pid, blockedMs, stack: stack?.slice(0, framesTold) ?? null, kernel, record: name };
    log.critical('monitor', 'a daemon ended itself: its event loop stood still', fields);
    noteEvent(context, { kind: 'healing', what: 'loop_blocked', atMs, detail: JSON.stringify(fields) });
    await journal.setNote(toldNote, String(atMs));
  }
}
