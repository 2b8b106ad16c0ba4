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

/** What a report of Node may take; the rest takes milliseconds. A restart waits for no more than that. */
const reportMs = 1500;

/** What is seen of a command before it is ended or started again: who comes later cannot look any more. Null: it could not be written. */
export async function keepIncident(context: Context, child: Child, what: string, why: string): Promise<string | null> {
  const { files, clock, processes, log, paths, nodeReport } = context.needs;
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
    restarts: context.state.restarts.length,
    pressure: busyNow(context.needs, child).pressure,
    system,
    processes: shown.map((it) => ({
      ...it,
      openFiles: openFiles(context, it.pid),
      kernel: Object.fromEntries(kernelFiles.map((name) => [name, kernelText(context, `/proc/${it.pid}/${name}`)])),
    })),
    nodeReport: await nodeReport(processes.tagged(tagName, child.tag), reportMs),
    output: lastOutput(context),
  };
  try {
    files.write(path, `${JSON.stringify(incident, null, 2)}\n`);
    const kept = files.list(paths.incidents).filter((name) => name.replace(/-\d{4}-[^-]+-[^-]+\.json$/, '') === context.state.name);
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

function openFiles({ needs: { files } }: Context, pid: number): number | null {
  try {
    return files.list(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}

/** Also what was put aside a moment ago. */
function lastOutput({ needs: { files, paths } }: Context): string {
  const tailOf = (path: string, lengthBytes: number): Uint8Array => {
    const size = files.stat(path)?.sizeBytes ?? 0;
    return files.readRange(path, Math.max(0, size - lengthBytes), lengthBytes) ?? new Uint8Array();
  };
  try {
    const now = tailOf(paths.output, outputBytesMax);
    const before = now.length < outputBytesMax ? tailOf(`${paths.output}.1`, outputBytesMax - now.length) : new Uint8Array();
    return new TextDecoder().decode(before) + new TextDecoder().decode(now);
  } catch (error) {
    if (!isOperational(error)) throw error;
    return `(not readable: ${error.message})`;
  }
}
