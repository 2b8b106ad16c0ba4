import type { Blocked } from '../core/blocked.ts';

export type Sentinel = { close(): Promise<void> };

type Given = {
  readonly ticks: SharedArrayBuffer;
  readonly pid: number;
  readonly folder: string;
  readonly everyMs: number;
  readonly looksMax: number;
};

/**
 * A thread that ends this process when its event loop has not turned for `limitMs`, and leaves `blocked-<time>-<pid>.json` in `folder` first. It
 * counts its own looks and not time: while the process is stopped or the machine sleeps it does not look either. 8 MB of memory.
 */
export function startSentinel({ limitMs, folder }: { readonly limitMs: number; readonly folder: string }): Sentinel {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  const everyMs = Math.min(5000, Math.max(10, limitMs / 10));
  const ticks = new SharedArrayBuffer(4);
  const given: Given = { ticks, pid: process.pid, folder, everyMs, looksMax: Math.ceil(limitMs / everyMs) };
  const worker = new Worker(`(${watchMain})()`, {
    eval: true,
    workerData: given,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  });
  worker.unref();
  // Without it a block is for the watchdog to see; nothing else hangs on it.
  worker.on('error', () => {});
  const counter = new Int32Array(ticks);
  const timer = setInterval(() => Atomics.add(counter, 0, 1), everyMs);
  timer.unref();
  return {
    async close() {
      clearInterval(timer);
      await worker.terminate();
    },
  };
}

/** Runs in the thread, as text: it sees nothing of this file. */
function watchMain(): void {
  const { workerData } = process.getBuiltinModule('node:worker_threads');
  const fs = process.getBuiltinModule('node:fs');
  const { ticks, pid, folder, everyMs, looksMax } = workerData as Given;
  const counter = new Int32Array(ticks);
  const sampleWithinMs = 2000;
  const framesMax = 50;
  let seen = -1;
  look();

  function look(): void {
    let looks = 0;
    const timer = setInterval(() => {
      const now = Atomics.load(counter, 0);
      looks = now === seen ? looks + 1 : 0;
      seen = now;
      if (looks < looksMax) return;
      clearInterval(timer);
      sample();
    }, everyMs);
  }

  /** An interrupt of V8: it reaches running code, regular expressions and waits for atomics; not a system call. */
  function sample(): void {
    const { Session, url } = process.getBuiltinModule('node:inspector');
    // Somebody debugs it: it stands still because they want it to.
    if (url() !== undefined) return;
    const session = new Session();
    session.connectToMainThread();
    const late = setTimeout(() => decide(null), sampleWithinMs);
    const scripts = new Map<string, string>();
    session.on('Debugger.scriptParsed', ({ params }) => void scripts.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params }) =>
      decide(
        params.callFrames.slice(0, framesMax).map(({ functionName, location: { scriptId, lineNumber, columnNumber } }) => {
          const where = `${scripts.get(scriptId) || 'node'}:${lineNumber + 1}:${(columnNumber ?? 0) + 1}`;
          return `${functionName || '(anonymous)'} ${where}`;
        }),
      ),
    );
    session.post('Debugger.enable');
    session.post('Debugger.pause');

    function decide(stack: readonly string[] | null): void {
      clearTimeout(late);
      if (Atomics.load(counter, 0) === seen) {
        end(stack);
        return;
      }
      // It turns again: it was slow, not stuck.
      session.disconnect();
      look();
    }
  }

  function end(stack: readonly string[] | null): void {
    const atMs = Date.now();
    const record: Blocked = {
      v: 1,
      pid,
      atMs,
      blockedMs: Math.round(looksMax * everyMs),
      stack,
      kernel: stack === null ? kernelStack() : null,
    };
    const path = `${folder}/blocked-${atMs}-${pid}.json`;
    try {
      fs.writeFileSync(path, `${JSON.stringify(record)}\n`, { mode: 0o600, flush: true });
    } finally {
      process.kill(pid, 'SIGABRT');
    }
  }

  function kernelStack(): string | null {
    for (const name of ['stack', 'wchan']) {
      try {
        return fs.readFileSync(`/proc/self/task/${pid}/${name}`, 'latin1').slice(0, 2000);
      } catch {
        // Only root may look.
      }
    }
    return null;
  }
}
