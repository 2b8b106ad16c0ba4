import type { Entry, Exit } from '../core/entry.ts';
import { parseExit, runFiles } from '../core/run-folder.ts';
import type { World } from '../world.ts';

type Needs = Pick<World, 'files' | 'processes' | 'clock'> & { readonly home: Pick<World['home'], 'runs'> };

export type Observed = {
  readonly exit: Exit | null;
  readonly seen: Entry['seen'];
  /** A sign of progress since the last look: output byte, `progress`, 1 s of CPU. */
  readonly sign: boolean;
};

/** Less CPU than this between two looks is waiting, not work. */
const cpuSignMs = 1000;

/** What costs a look at all processes: for runs that are silent. */
export type Closer = { readonly cpu: boolean; readonly untoldEnd: boolean };
export const fromAfar: Closer = { cpu: false, untoldEnd: false };

/** One look at a run's session. Activity is what the run itself shows, never guessed from names or ages. */
export function observe(entry: Entry, { cpu: lookAtCpu, untoldEnd }: Closer, needs: Needs): Observed {
  const at = runFiles(needs.home.runs, entry.ref.runId);
  // Aliveness first: launch.sh writes `exit` and then dies, so a dead one without it is lost for certain.
  const alive = entry.session === null ? 'unknown' : needs.processes.alive(entry.session.process);
  // Looked for before it is read: of a run that lives there is none, look after look, and an error with its stack is dear.
  const end = needs.files.stat(at.exit);
  const text = end === null ? null : needs.files.readText(at.exit);
  const written = end === null || text === null ? null : parseExit(text, entry.round, Math.round(end.mtimeMs));
  const exit: Exit | null = written ?? untold() ?? (alive === 'no' ? { kind: 'lost', atMs: needs.clock.nowMs() } : null);
  function untold(): Exit | null {
    const word = untoldEnd && alive === 'yes' ? needs.processes.untoldEnd(entry.ref.runId, at.folder) : null;
    return word === null ? null : parseExit(word, entry.round, needs.clock.nowMs());
  }
  const outputBytes = needs.files.stat(at.output)?.sizeBytes ?? 0;
  const progressMs = needs.files.stat(at.progress)?.mtimeMs ?? 0;
  const cpuMs = lookAtCpu ? (needs.processes.cpuMs('TODO_RUN', entry.ref.runId) ?? entry.seen.cpuMs) : entry.seen.cpuMs;
  const worked = lookAtCpu && cpuMs - entry.seen.cpuMs >= cpuSignMs;
  return {
    exit,
    sign: outputBytes > entry.seen.outputBytes || progressMs > entry.seen.progressMs || worked,
    seen: { outputBytes, progressMs, cpuMs: worked || cpuMs < entry.seen.cpuMs ? cpuMs : entry.seen.cpuMs },
  };
}
