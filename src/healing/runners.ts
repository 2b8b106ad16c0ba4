import { type Config, settingsOf } from '../core/config.ts';
import type { Component, ShownRunner } from '../core/control.ts';
import { type RunnerHealth, type RunnerSeen, runnerHealth, versionIn } from '../core/runners.ts';
import type { World } from '../world.ts';

/** A program that needs longer for its version is busy or broken; which of them nobody knows yet. */
const probeWithinMs = 5000;
const tailBytes = 2000;

type Needs = {
  readonly world: Pick<World, 'processes' | 'files' | 'host' | 'clock'>;
  readonly config: Config;
  readonly adapters: ReadonlyMap<string, { readonly program: string; readonly probe?: readonly string[] }>;
};

/** What was last found of a runner's program. */
export type RunnerFound = RunnerHealth & {
  readonly sinceMs: number;
  readonly program: string;
  readonly path: string | null;
  readonly version: string | null;
  /** Of the program: another one is asked at once. */
  readonly identity: string;
  /** When it was last really asked, by the monotonic clock; null: never. */
  readonly askedMs: number | null;
};

/**
 * One look at a runner. Whether its program is there costs nothing; asking it starts a process, so while all is well it is asked again only after
 * `againMs`, or where it is another program by now.
 */
export async function lookAtRunner(agent: string, before: RunnerFound | null, againMs: number, needs: Needs): Promise<RunnerFound> {
  const { world, config, adapters } = needs;
  const settings = settingsOf(config, agent);
  const program = settings.command ?? adapters.get(agent)?.program ?? agent;
  const path = world.processes.program(program, settings.env['PATH'] ?? null);
  const probe = settings.probe ?? adapters.get(agent)?.probe ?? ['--version'];
  const missing = settings.needs_env.filter((name) => !(settings.env[name] ?? world.host.env[name]));
  const identity = path === null ? '' : identityOf(path, probe, world);
  const isThere = path !== null && missing.length === 0;
  const nowMs = world.clock.monotonicMs();
  const isFresh = before !== null && before.identity === identity && before.status === 'healthy' && before.askedMs !== null;
  if (isThere && isFresh && nowMs - (before.askedMs ?? 0) < againMs) return before;
  const seen: RunnerSeen = { program, path, missing, probe: isThere ? await ask(path, probe, settings.env, world) : null };
  const health = runnerHealth(agent, seen);
  return {
    ...health,
    sinceMs: before?.status === health.status ? before.sinceMs : world.clock.nowMs(),
    program,
    path,
    version: health.status === 'healthy' ? versionIn(seen.probe?.tail ?? '') : null,
    identity,
    askedMs: seen.probe === null ? null : nowMs,
  };
}

const identityOf = (path: string, probe: readonly string[], { files }: Pick<World, 'files'>): string => {
  const stat = files.stat(path);
  return JSON.stringify([path, stat?.ino, stat?.mtimeMs, stat?.sizeBytes, probe]);
};

async function ask(
  path: string,
  probe: readonly string[],
  env: Readonly<Record<string, string>>,
  { processes }: Pick<World, 'processes'>,
): Promise<NonNullable<RunnerSeen['probe']>> {
  const ran = await processes.run({ argv: [path, ...probe], cwd: '/', env, timeoutMs: probeWithinMs, tailBytes });
  const { exitCode, osSignal, timedOut, startError, tail } = ran;
  return { command: [path, ...probe].join(' '), exitCode, osSignal, timedOut, startError, tail };
}

/** The chain as one component: it works while somebody is well, and is whole only while the first choice is. */
export function runnersComponent(shown: readonly ShownRunner[], chosen: string, nowMs: number): Component | null {
  const [first] = shown;
  if (first === undefined || shown.length === 1) return null;
  const name = 'runners';
  const evidence = Object.fromEntries(shown.map(({ agent, status }) => [agent, status]));
  if (first.agent === chosen)
    return { name, status: 'healthy', reason: `${chosen} is the next one`, sinceMs: nowMs, evidence, whatToDo: null };
  const before = shown.slice(
    0,
    shown.findIndex(({ agent }) => agent === chosen),
  );
  return {
    name,
    status: 'degraded',
    reason: `${before.map(({ agent, reason }) => `${agent}: ${reason}`).join('; ')}; ${chosen} is the next one`,
    sinceMs: Math.min(...before.map(({ sinceMs }) => sinceMs)),
    evidence,
    whatToDo: first.whatToDo ?? 'See: todo agents --health',
  };
}
