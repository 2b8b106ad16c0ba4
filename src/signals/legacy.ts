import type { Entry, Signal } from '../core/entry.ts';
import type { FileStat, World } from '../world.ts';

type Needs = Pick<World, 'files' | 'clock' | 'host'> & { readonly home: Pick<World['home'], 'legacy'> };

/** `TASK_COMPLETED` and a line end; more is not a legacy marker. */
const legacyBytesMax = 4096;

export type LegacyLook =
  | { readonly kind: 'none' }
  /** It is there, but not to be applied: left where it is and reported. */
  | { readonly kind: 'left'; readonly why: string; readonly since: number }
  | { readonly kind: 'signal'; readonly runId: string; readonly signal: Signal }
  /** No run of ours, but the pointer names this todo: it may be adopted when the store says that it is in progress. */
  | { readonly kind: 'named'; readonly ref: string; readonly pointer: FileStat };

/**
 * The legacy marker carries no identity (`echo TASK_COMPLETED > /tmp/TASK_COMPLETED`), so it is applied only when file and pointer
 * leave exactly one run that it can mean (DESIGN 5). Anything else is left alone: it may belong to another home.
 */
export function lookForLegacy(live: readonly Entry[], needs: Needs): LegacyLook {
  const { marker, pointer } = needs.home.legacy;
  const meant = meantBy(pointer, live, needs);
  if (typeof meant !== 'string' && 'ref' in meant) return { kind: 'named', ...meant };
  if (marker === null) return { kind: 'none' };
  const found = needs.files.readGuarded(marker, legacyBytesMax);
  if (found === null) return { kind: 'none' };
  const left = (why: string): LegacyLook => ({ kind: 'left', why, since: found.stat.mtimeMs });
  const unsafe = distrust(found.stat, needs.host);
  if (unsafe !== null) return left(unsafe);
  if (found.bytes === null) return left('not a regular file of at most 4 KiB');
  if (new TextDecoder().decode(found.bytes).trim() !== 'TASK_COMPLETED') return left('its content is not TASK_COMPLETED');
  if (typeof meant === 'string') return left(meant);
  const { run } = meant;
  const mtimeMs = found.stat.mtimeMs;
  if (mtimeMs < run.startedAtMs) return left(`written before run ${run.ref.runId} started`);
  if (
    run.signal !== null &&
    run.signal.from.kind === 'legacy' &&
    run.signal.from.ino === found.stat.ino &&
    run.signal.from.mtimeMs === mtimeMs
  )
    return { kind: 'none' };
  return {
    kind: 'signal',
    runId: run.ref.runId,
    signal: {
      says: 'done',
      saidBy: 'marker',
      summary: null,
      reason: null,
      atMs: Math.round(mtimeMs),
      round: run.round,
      from: { kind: 'legacy', path: marker, dev: found.stat.dev, ino: found.stat.ino, mtimeMs },
      notBeforeMs: null,
    },
  };
}

function meantBy(
  pointer: string | null,
  live: readonly Entry[],
  { files, host }: Needs,
): { run: Entry } | { ref: string; pointer: FileStat } | string {
  const seen = pointer === null ? null : files.readGuarded(pointer, legacyBytesMax);
  if (seen === null) {
    const [only, ...others] = live;
    return only && others.length === 0 && only.kind === 'external'
      ? { run: only }
      : 'no pointer, and not exactly one live run that is worked by hand';
  }
  const unsafe = distrust(seen.stat, host);
  if (unsafe !== null || seen.bytes === null) return `the pointer ${pointer} is not to be trusted: ${unsafe ?? 'not a regular file'}`;
  const written = live.find((entry) => entry.pointer?.ino === seen.stat.ino && entry.pointer.dev === seen.stat.dev);
  if (written) return { run: written };
  const ref = new TextDecoder().decode(seen.bytes).trim();
  if (!/^[A-Za-z0-9-]{1,64}$/.test(ref)) return 'the pointer does not name a todo';
  const named = live.find((entry) => entry.kind === 'external' && (String(entry.todo.number) === ref || entry.todo.id === ref));
  return named ? { run: named } : { ref, pointer: seen.stat };
}

/** Predictable names in a world-writable folder can be made by anybody. */
function distrust(stat: FileStat, host: Pick<World['host'], 'uid'>): string | null {
  if (stat.kind !== 'file') return `it is a ${stat.kind}`;
  if (stat.uid !== host.uid) return `it belongs to uid ${stat.uid}`;
  if (stat.nlink !== 1) return `it has ${stat.nlink} links`;
  if ((stat.mode & 0o002) !== 0) return 'anybody may write it';
  return null;
}
