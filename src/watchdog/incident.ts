import { join } from 'node:path';
import { isOperational } from '../core/errors.ts';
import type { Context } from './context.ts';
import { busyNow } from './signs.ts';
import type { Child } from './state.ts';
import { tagName } from './tag.ts';

/** Of what it printed last. */
const outputBytesMax = 64 * 1024;
const keptMax = 50;
/** Of each of its processes: where it stands in the kernel, and what it is. The stack is for root alone. */
const kernelFiles = ['status', 'wchan', 'syscall', 'stack'] as const;

/** What is seen of a command before it is ended or started again: who comes later cannot look any more. Null: it could not be written. */
export function keepIncident(context: Context, child: Child, what: string, why: string): string | null {
  const { files, clock, processes, log, paths } = context.needs;
  const atMs = clock.nowMs();
  const path = join(paths.incidents, `${context.state.name}-${new Date(atMs).toISOString().replaceAll(':', '-')}.json`);
  const { processes: shown, ...system } = processes.system(paths.incidents, { name: tagName, value: child.tag });
  const incident = {
    v: 1,
    name: context.state.name,
    what,
    why,
    atMs,
    ranMs: atMs - child.startedAtMs,
    pressure: busyNow(context.needs, child).pressure,
    system,
    processes: shown.map((it) => ({
      ...it,
      kernel: Object.fromEntries(kernelFiles.map((name) => [name, kernelText(context, `/proc/${it.pid}/${name}`)])),
    })),
    output: lastOutput(context),
  };
  try {
    files.write(path, `${JSON.stringify(incident, null, 2)}\n`);
    const kept = files.list(paths.incidents).filter((name) => name.startsWith(`${context.state.name}-`));
    for (const name of kept.slice(0, Math.max(0, kept.length - keptMax))) files.unlink(join(paths.incidents, name));
    return path;
  } catch (error) {
    if (!isOperational(error)) throw error;
    log.warn('monitor', 'incident not kept', { name: context.state.name, reason: error.message });
    return null;
  }
}

function kernelText({ needs: { files } }: Context, path: string): string | null {
  try {
    return files.readText(path)?.trim() ?? null;
  } catch {
    // Another user's, or gone meanwhile.
    return null;
  }
}

function lastOutput({ needs: { files, paths } }: Context): string {
  try {
    const size = files.stat(paths.output)?.sizeBytes ?? 0;
    return new TextDecoder().decode(files.readRange(paths.output, Math.max(0, size - outputBytesMax), outputBytesMax) ?? new Uint8Array());
  } catch (error) {
    if (!isOperational(error)) throw error;
    return `(not readable: ${error.message})`;
  }
}
