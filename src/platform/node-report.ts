import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessId } from '../core/entry.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import { processStat } from './proc.ts';

const lookMs = 25;
/** Its environment and open handles may be long, and the first holds secrets: of a report these parts are taken. */
const partsTaken = ['header', 'javascriptStack', 'javascriptHeap', 'nativeStack', 'resourceUsage', 'uvthreadResourceUsage'] as const;
const headerTaken = ['event', 'trigger', 'filename', 'dumpEventTime', 'processId', 'nodejsVersion', 'host'] as const;

/**
 * The diagnostic report of the first of these that Node started with --report-on-signal (in its arguments or NODE_OPTIONS). Null where none was, or
 * nothing came in time: Node writes it in its event loop, so a loop without end writes none. Who does not catch the OS signal gets none, he would die of it.
 */
export async function nodeReport(processes: readonly ProcessId[], timeoutMs: number): Promise<Readonly<Record<string, unknown>> | null> {
  for (const { pid, startTicks } of processes) {
    const how = reporting(pid);
    if (how === null || processStat(pid)?.startTicks !== startTicks) continue;
    const before = new Set(reportsIn(how.folder, pid));
    process.kill(pid, how.osSignal);
    const endsMs = performance.now() + timeoutMs;
    while (performance.now() < endsMs) {
      await sleep(lookMs);
      const path = reportsIn(how.folder, pid).find((it) => !before.has(it));
      const report = path === undefined ? null : parsedJson(textOf(path));
      if (isObject(report)) return { path, ...taken(report) };
    }
    return null;
  }
  return null;
}

function taken(report: Record<string, unknown>): Record<string, unknown> {
  const parts = Object.fromEntries(partsTaken.map((name) => [name, report[name]]));
  const header = isObject(report['header']) ? report['header'] : {};
  return { ...parts, header: Object.fromEntries(headerTaken.map((name) => [name, header[name]])) };
}

function reporting(pid: number): { readonly osSignal: NodeJS.Signals; readonly folder: string } | null {
  const options = [textOf(`/proc/${pid}/cmdline`), textOf(`/proc/${pid}/environ`)].join('\0').split(/[\0 ]/);
  const optionOf = (name: string): string | undefined =>
    options
      .find((it) => it.replace(/^NODE_OPTIONS=/, '').startsWith(`${name}=`))
      ?.split('=')
      .at(-1);
  if (!options.some((it) => it.replace(/^NODE_OPTIONS=/, '') === '--report-on-signal')) return null;
  const osSignal = (optionOf('--report-signal') ?? 'SIGUSR2') as NodeJS.Signals;
  const number = constants.signals[osSignal];
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
  if (number === undefined || caught === undefined || (BigInt(`0x${caught}`) & (1n << BigInt(number - 1))) === 0n) return null;
  try {
    const own = readlinkSync(`/proc/${pid}/cwd`);
    return { osSignal, folder: resolve(own, optionOf('--report-directory') ?? optionOf('--report-dir') ?? '.') };
  } catch {
    // It has ended meanwhile.
    return null;
  }
}

function reportsIn(folder: string, pid: number): string[] {
  try {
    const ours = readdirSync(folder).filter((name) => name.startsWith('report.') && name.split('.')[3] === String(pid));
    return ours.map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Half a megabyte is more than any report; what cannot be read is empty. */
function textOf(path: string): string {
  const buffer = Buffer.alloc(512 * 1024);
  try {
    const fd = openSync(path, 'r');
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}
