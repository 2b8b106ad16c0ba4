import { read, readFileSync } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import { isObject } from '../core/shape.ts';
import { write } from './out.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The agent waits for us: what is not here by then is not coming. */
const stdinIdleMaxMs = 5000;
const stdinBytesMax = 1024 * 1024;
/** A marker holds 64 KiB (core/marker.ts); the rest of it is names. */
const payloadBytesMax = 48 * 1024;
/** `behavior.hook_wait` reaches us by the environment, because reading the config would cost the agent a start of zod. */
const hookWaitDefaultMs = 540_000;

/**
 * One event of an agent: made durable, then told to whoever takes it. Outside of a run it does nothing; inside it never
 * stops the agent by an error of ours. Exits 0 always: what blocks a Stop is the JSON on stdout.
 */
export async function runHook(args: readonly string[], env: Env): Promise<number> {
  if (!env['TODO_RUN'] || isToldAlready(args, env)) return 0;
  try {
    await tell(args, env);
  } catch (error) {
    write(2, `todo hook: ${messageOf(error)}. The agent is not held up; what it says by "todo done" still counts.\n`);
  }
  return 0;
}

/** A run that we started has hooks of its own; those in a person's settings would say each event a second time, perhaps into the next round. */
const isToldAlready = (args: readonly string[], env: Env): boolean =>
  args[2] === 'personal' && (env['TODO_SESSION'] === 'child' || env['TODO_SESSION'] === 'tmux');

async function tell([agent, event]: readonly string[], env: Env): Promise<void> {
  if (!agent || !event) throw new Error('called without agent and event');
  const payload = parsePayload(await readStdin());
  // A sub-agent's event says nothing about the run: its main turn goes on.
  if (isObject(payload) && payload['agent_id'] !== undefined && payload['agent_id'] !== null) return;
  const run = runOf(env);
  // Before the event is told: the answer to it may be the next round.
  const round = roundOf(env);
  const { writeHookMarker } = await import('../platform/marker-writer.ts');
  writeHookMarker(run, { agent, event, payload: bounded(payload) });
  const answer = await import('./hook-socket.ts');
  if (event !== 'stop' || !mayBeAnswered(env)) return answer.wake(run.home);
  const said = await answer.verdict(run.home, {
    runId: run.runId,
    token: run.token,
    round,
    waitMs: Number(env['TODO_HOOK_WAIT_MS'] ?? hookWaitDefaultMs),
  });
  if (said !== null) write(1, `${JSON.stringify({ decision: 'block', reason: said })}\n`);
}

/** Checks may send the agent back; in a terminal a bare stop is answered once. */
const mayBeAnswered = (env: Env): boolean => env['TODO_CHECKS'] === '1' || env['TODO_SESSION'] === 'tmux';

/** A conversation that was sent back keeps the environment of its first round; the run folder has the present one. */
function roundOf(env: Env): number {
  try {
    return Number(readFileSync(`${env['TODO_RUN_DIR']}/round`, 'utf8')) || 1;
  } catch {
    return Number(env['TODO_ROUND'] ?? 1);
  }
}

function runOf(env: Env): { home: string; spool: string; todoId: string; runId: string; token: string } {
  const need = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`${name} is missing in the environment of the run`);
    return value;
  };
  const home = need('TODO_HOME');
  return { home, spool: env['TODO_SPOOL'] ?? `${home}/spool`, todoId: need('TODO_ID'), runId: need('TODO_RUN'), token: need('TODO_TOKEN') };
}

function parsePayload(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`the event on standard input is not JSON (${Buffer.byteLength(text)} bytes)`);
  }
}

function readStdin(): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const idle = setTimeout(() => reject(new Error(`nothing came on standard input for ${stdinIdleMaxMs / 1000} s`)), stdinIdleMaxMs);
    const next = () => {
      const buffer = Buffer.allocUnsafe(64 * 1024);
      read(0, buffer, 0, buffer.length, null, (error, count) => {
        idle.refresh();
        if (error && error.code !== 'EOF' && error.code !== 'EAGAIN') return done(() => reject(error));
        if (error?.code === 'EAGAIN') return void setTimeout(next, 5);
        if (count === 0 || error) return done(() => resolve(Buffer.concat(parts).toString('utf8')));
        size += count;
        if (size > stdinBytesMax) return done(() => reject(new Error(`the event on standard input is larger than ${stdinBytesMax} bytes`)));
        parts.push(buffer.subarray(0, count));
        next();
      });
    };
    const done = (how: () => void) => {
      clearTimeout(idle);
      how();
    };
    next();
  });
}

/** Long texts are cut until the whole fits a marker; what decides (words, lists, times) is short. */
function bounded(payload: unknown): unknown {
  for (const textMax of [16_000, 4000, 1000, 200, 40]) {
    const cut = cutTexts(payload, textMax);
    if (Buffer.byteLength(JSON.stringify(cut)) <= payloadBytesMax) return cut;
  }
  throw new Error('the event does not fit a marker');
}

function cutTexts(value: unknown, max: number): unknown {
  if (typeof value === 'string') return value.length <= max ? value : `${value.slice(0, max)}…`;
  if (Array.isArray(value)) return value.map((it) => cutTexts(it, max));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, cutTexts(it, max)]));
  return value;
}
