import type { Needs } from './context.ts';
import type { Busy, Done } from './patience.ts';
import type { Child } from './state.ts';
import { tagName } from './tag.ts';

/** The kernel's own measure of who waits for a CPU: man 5 proc, pressure stall information. */
const pressurePath = '/proc/pressure/cpu';

/** What could explain a silence. */
export function busyNow(needs: Pick<Needs, 'files' | 'processes' | 'paths'>, child: Child): Busy {
  const { files, processes } = needs;
  const { load, cpus } = processes.system('/');
  const pressure = /^some avg10=([\d.]+)/m.exec(pressureText(files))?.[1];
  return {
    pressure: pressure === undefined ? null : Number(pressure),
    load: load[0],
    cpus,
    ...doneBy(needs, child),
  };
}

export function doneBy({ files, processes, paths }: Pick<Needs, 'files' | 'processes' | 'paths'>, child: Child): Done {
  return { cpuMs: processes.cpuMs(tagName, child.tag), outputBytes: files.stat(paths.output)?.sizeBytes ?? null };
}

/** A kernel without it, or one that has it switched off, says so by an error. */
function pressureText(files: Pick<Needs['files'], 'readText'>): string {
  try {
    return files.readText(pressurePath) ?? '';
  } catch {
    return '';
  }
}
