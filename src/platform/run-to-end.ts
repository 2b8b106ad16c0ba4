import { randomUUID } from 'node:crypto';
import type { RunPlan, RunResult } from '../world.ts';
import { childEnvironment } from './child-environment.ts';
import { endTagged } from './end-processes.ts';
import { forgetLook, processStat } from './proc.ts';
import { projectPrograms } from './search-path.ts';
import { whyNotStarted } from './why-not-started.ts';

/** Between TERM and KILL of a check. */
const graceMs = 2_000;
/** The rest of the output is read for so long after nobody can be seen who would write more. */
const lastWordsMs = 500;
/** Node's timers go no further. */
const timerMaxMs = 2 ** 31 - 1;
/** Carried by all that a check starts, so that what is left over is found and ended with it. */
const tagName = 'TODO_CHECK_RUN';

/** Runs a command to its end; what it left running ends with it. The first cause wins: a timeout that leads to a kill is a timeout. */
export async function runToEnd(plan: RunPlan, stop?: AbortSignal): Promise<RunResult> {
  const startedAtMs = performance.now();
  const tail = tailOf(plan.tailBytes);
  const resultOf = (end: Pick<RunResult, 'exitCode' | 'osSignal' | 'startError'>, timedOut = false): RunResult => ({
    ...end,
    timedOut,
    tail: tail.text(),
    bytes: tail.bytes(),
    durationMs: Math.round(performance.now() - startedAtMs),
  });
  const notStarted = (why: string): RunResult => resultOf({ exitCode: null, osSignal: null, startError: why });
  if (stop?.aborted) return notStarted('stopped before its start');

  const { spawn } = process.getBuiltinModule('node:child_process');
  const tag = { name: tagName, value: randomUUID() };
  const [program = '', ...args] = plan.argv;
  const env = withProjectPrograms(childEnvironment({ ...plan.env, [tag.name]: tag.value }), plan.cwd);
  let child: ReturnType<typeof spawn>;
  try {
    child = spawn(program, args, { cwd: plan.cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    forgetLook();
  } catch (error) {
    return notStarted(error instanceof Error ? error.message : String(error));
  }
  child.on('error', () => {});
  if (child.pid === undefined) return notStarted(whyNotStarted(program, plan.cwd));
  const started = processStat(child.pid);
  const sessions = started === null ? [] : [started];
  child.stdout?.on('data', tail.take);
  child.stderr?.on('data', tail.take);

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exited = new Promise<Answer>((resolve) => child.once('exit', (exitCode, osSignal) => resolve({ exitCode, osSignal })));
  let giveUp: (answer: Answer) => void = () => {};
  const givenUp = new Promise<Answer>((resolve) => {
    giveUp = resolve;
  });
  // A process that not even KILL ends must not hold us too.
  const end = async (): Promise<void> => {
    if (!(await endTagged(tag, graceMs, sessions))) giveUp({ exitCode: null, osSignal: null });
  };
  let timedOut = false;
  const timer = setTimeout(
    () => {
      timedOut = true;
      stop?.removeEventListener('abort', end);
      void end();
    },
    Math.min(plan.timeoutMs, timerMaxMs),
  );
  stop?.addEventListener('abort', end, { once: true });

  const answer = await Promise.race([exited, givenUp]);
  clearTimeout(timer);
  stop?.removeEventListener('abort', end);
  await endTagged(tag, graceMs, sessions);
  await within(lastWordsMs, closed);
  child.stdout?.destroy();
  child.stderr?.destroy();
  return resultOf({ ...answer, startError: null }, timedOut);
}

/** As `npm run` has them, but behind all others: a check may say `eslint .` where only the project has it. */
function withProjectPrograms(env: Record<string, string>, cwd: string): Record<string, string> {
  const programs = projectPrograms(cwd);
  return programs === null ? env : { ...env, PATH: `${env['PATH'] ?? ''}:${programs}` };
}

type Answer = { readonly exitCode: number | null; readonly osSignal: string | null };

async function within(ms: number, event: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([event, late]);
  clearTimeout(timer);
}

/** The last bytes of a stream, begun at a whole character. */
function tailOf(bytesMax: number) {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let seenBytes = 0;
  return {
    take(chunk: Buffer): void {
      seenBytes += chunk.length;
      keptBytes += chunk.length;
      kept.push(chunk);
      if (keptBytes > 2 * bytesMax + 65_536) {
        const last = Buffer.concat(kept).subarray(-Math.max(bytesMax, 1));
        kept = [Buffer.from(last)];
        keptBytes = last.length;
      }
    },
    bytes: (): number => seenBytes,
    text(): string {
      const all = Buffer.concat(kept);
      const last = bytesMax > 0 ? all.subarray(-bytesMax) : Buffer.alloc(0);
      let from = 0;
      if (last.length < seenBytes) while (from < 4 && ((last[from] ?? 0) & 0xc0) === 0x80) from++;
      return last.subarray(from).toString('utf8');
    },
  };
}
