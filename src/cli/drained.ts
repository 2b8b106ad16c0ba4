import { isOperational } from '../core/errors.ts';
import type { HostRow } from '../world.ts';
import type { Opened, Paint } from './command.ts';
import { plain } from './text/plain.ts';
import { spanText } from './text/times.ts';

/** Whether this home's daemon takes todos by itself; null where the store could not say. */
export type ShownHost = { readonly id: string; readonly drained: HostRow['drained'] | undefined };

/** A store that is away keeps nobody from seeing the rest: then `drained` is not known, which JSON leaves out. */
export async function shownHost({ world: { store, host } }: Opened): Promise<ShownHost> {
  try {
    return { id: host.id, drained: (await store.hosts()).find(({ id }) => id === host.id)?.drained ?? null };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { id: host.id, drained: undefined };
  }
}

export function drainedLine({ drained }: ShownHost, paint: Paint): string | null {
  if (!drained) return null;
  const why = drained.reason === null ? '' : ` (${plain(drained.reason)})`;
  return paint('yellow', `drained for ${spanText(Date.now() - drained.sinceMs)}${why}: it takes nothing new. Undo: todo host resume`);
}
