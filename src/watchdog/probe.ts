import type { Needs } from './context.ts';
import type { Settings } from './settings.ts';
import type { Child } from './state.ts';
import { good, type Verdict, verdictOf } from './verdict.ts';

const tailBytes = 2000;
/** Files are stamped by a clock of the kernel that is behind by up to a tick. */
const tickMs = 10;

/** One look at the health of a command; never rejects. Calls of one life share what a heartbeat was. */
export function probe(settings: Settings, needs: Needs, child: Child): () => Promise<Verdict> {
  const { probe: how, probeMs } = settings;
  switch (how.kind) {
    case 'http':
      return async () => verdictOf(await needs.http(how.url, probeMs), probeMs);
    case 'daemon':
      return async () => verdictOf(await needs.daemon(probeMs), probeMs);
    case 'exec':
      return () => byCommand(how.argv, settings, needs);
    case 'heartbeat':
      return byHeartbeat(how.path, needs, child);
    case 'alive':
      return async () => good;
    default:
      return how satisfies never;
  }
}

/** As plugins of monitors answer: 0 good, 1 degraded, 2 unhealthy, 3 unknown (no answer is not a bad one); all else is unhealthy. */
async function byCommand(argv: readonly string[], { cwd, probeMs }: Settings, { processes }: Needs): Promise<Verdict> {
  const result = await processes.run({ argv, cwd, env: {}, timeoutMs: probeMs, tailBytes });
  if (result.startError !== null) return { kind: 'soft', why: `its probe cannot be started: ${result.startError}` };
  if (result.timedOut) return { kind: 'soft', why: `its probe did not end within ${probeMs} ms` };
  const said = result.tail.trim().split('\n').at(-1) ?? '';
  const words = said === '' ? '' : `: ${said}`;
  switch (result.exitCode) {
    case 0:
      return good;
    case 1:
      return { kind: 'good', degraded: `its probe exits 1${words}` };
    case 3:
      return { kind: 'soft', why: `its probe does not know${words}` };
    default:
      return { kind: 'hard', why: `its probe exits ${result.exitCode ?? result.osSignal}${words}` };
  }
}

/** A beat is a change of the file since the last look, and the first one after the start of this life: an old file is no sign of life or death. */
function byHeartbeat(path: string, { files }: Needs, child: Child): () => Promise<Verdict> {
  let seenMs: number | null = null;
  return async () => {
    const mtimeMs = files.stat(path)?.mtimeMs ?? null;
    if (mtimeMs === null) return { kind: 'soft', why: `${path} is not there` };
    const isBeat = seenMs === null ? mtimeMs >= child.startedAtMs - tickMs : mtimeMs !== seenMs;
    seenMs = mtimeMs;
    return isBeat ? good : { kind: 'soft', why: `no beat in ${path}` };
  };
}
