import { prepareRunFolder } from '../completion/prepare-run-folder.ts';
import type { Config } from '../core/config.ts';
import type { Entry } from '../core/entry.ts';
import { hasEnded } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { newEntry } from '../core/new-entry.ts';
import { inMs } from '../core/seconds.ts';
import type { World } from '../world.ts';
import { externalLeaseMs } from './emergency.ts';

export type ExternalClaim = { readonly entry: Entry; readonly token: string };

/**
 * `todo claim [ID]`: opens a run of kind external for a person or a foreign session, arms its timers and writes the legacy pointer.
 * The caller goes away afterwards; a daemon of this home finds the entry in the journal and takes it over.
 * REFUSED when the todo cannot be taken, or when the pointer belongs to a live run (names the holder).
 */
export async function claimExternal(
  todoId: string | null,
  { world, config }: { world: World; config: Config },
): Promise<ExternalClaim | null> {
  refuseLivePointer(world);
  const token = world.random.token();
  const claimed = await world.store.claim({
    runId: world.random.uuidv7(),
    tokenSha256: world.digest.sha256(token),
    host: world.host.id,
    kind: 'external',
    leaseMs: inMs(config.behavior.lease),
    todoId,
    slots: null,
    agents: null,
    externalLeaseMs: externalLeaseMs({ config }),
  });
  if (claimed.kind === 'nothing') return null;
  if (claimed.kind === 'refused')
    throw new OperationalError('REFUSED', { operation: 'claiming', subject: `todo ${todoId ?? ''}`, why: claimed.why });
  const entry = newEntry({
    todo: claimed.todo,
    run: claimed.run,
    owner: world.processes.self(),
    conversationId: world.random.uuidv4(),
    nowMs: world.clock.nowMs(),
  });
  prepareRunFolder(entry.ref.runId, world);
  await world.journal.save(entry);
  const pointer = writePointer(entry, world);
  const pointed = pointer === null ? entry : { ...entry, pointer };
  if (pointer !== null) await world.journal.save(pointed);
  // This process is about to end: who looks after the run from now on need not wait for that.
  await world.journal.adopt(entry.ref.runId, entry.owner, nobody);
  return { entry: { ...pointed, owner: nobody }, token };
}

const nobody = { pid: 0, startTicks: 0, bootId: 'handed over' };

function refuseLivePointer({ files, home, journal }: World): void {
  const path = home.legacy.pointer;
  if (path === null) return;
  const there = files.stat(path);
  if (there === null) return;
  const holder = journal
    .live()
    .find((entry) => !hasEnded(entry.fact) && entry.pointer?.ino === there.ino && entry.pointer.dev === there.dev);
  const who = holder
    ? `todo ${holder.todo.number} "${holder.todo.title}" (run ${holder.ref.runId})`
    : 'something that this home did not write';
  throw new OperationalError('REFUSED', {
    operation: 'claiming by',
    subject: path,
    why: `the pointer belongs to ${who}`,
    hint: holder
      ? `End that todo first: todo done ${holder.todo.number}, or todo release ${holder.todo.number}`
      : `If nothing uses it any more, remove ${path}, or set paths.current_todo to null.`,
  });
}

/** Created, never written through: what stands under a predictable name may be anybody's. */
function writePointer(entry: Entry, { files, home }: World): Entry['pointer'] {
  const path = home.legacy.pointer;
  if (path === null || !files.create(path, `${entry.todo.number}\n`)) return null;
  const stat = files.stat(path);
  return stat === null ? null : { dev: stat.dev, ino: stat.ino };
}
