import type { Config } from '../core/config.ts';
import { settingsOf } from '../core/config.ts';
import type { Component } from '../core/control.ts';
import { messageOf } from '../core/errors.ts';
import { autoAgent, chainOf, fallbackRunner } from '../core/runners.ts';
import type { World } from '../world.ts';

export type DependencyNeeds = {
  readonly world: Pick<World, 'terminals' | 'processes' | 'network' | 'clock'>;
  readonly config: Config;
  readonly adapters: ReadonlyMap<string, { readonly program: string; readonly defaultSession: 'child' | 'tmux' }>;
  /** Agents of todos that run or wait here; what nobody asks for may be missing. */
  readonly inUse: ReadonlySet<string>;
  /** Whether a run lives in tmux now, or a todo wants it. */
  readonly tmuxInUse: boolean;
};

const connectWithinMs = 5000;

/** Whether what the daemon needs is there: tmux, the webhook's receiver, the agents' programs. The store is looked at with everything else. */
export async function lookAtDependencies(needs: DependencyNeeds): Promise<readonly Component[]> {
  return [tmux(needs), programs(needs), ...(await webhook(needs))];
}

function tmux({ world, config, adapters, inUse, tmuxInUse }: DependencyNeeds): Component {
  const sinceMs = world.clock.nowMs();
  const isWanted =
    tmuxInUse || [...inUse].some((agent) => (settingsOf(config, agent).session ?? adapters.get(agent)?.defaultSession) === 'tmux');
  const answer = world.terminals.available();
  // The binary may be there and its server not answer.
  const there = answer === 'yes' && isWanted && world.terminals.list() === null ? 'unknown' : answer;
  const evidence = { answer: there, wanted: isWanted ? 'yes' : 'no' };
  if (there === 'yes')
    return { name: 'tmux', status: 'healthy', reason: isWanted ? 'it answers' : 'it is there', sinceMs, evidence, whatToDo: null };
  if (!isWanted)
    return { name: 'tmux', status: 'healthy', reason: 'it is not there, and no run needs it', sinceMs, evidence, whatToDo: null };
  const whatToDo = 'Install tmux (apt-get install tmux), or let agents run as child processes: "session": "child"';
  if (there === 'no') return { name: 'tmux', status: 'degraded', reason: 'it is not there, and runs need it', sinceMs, evidence, whatToDo };
  return { name: 'tmux', status: 'unknown', reason: 'tmux could not be asked', sinceMs, evidence, whatToDo };
}

function programs({ world, config, adapters, inUse }: DependencyNeeds): Component {
  const inChain = new Set(chainOf(config.runners));
  const known = [...adapters].filter(([agent]) => agent !== fallbackRunner && agent !== autoAgent);
  const looked = known.map(([agent, { program }]) => {
    const { command, env } = settingsOf(config, agent);
    const wanted = command ?? program;
    const path = world.processes.program(wanted, env['PATH'] ?? null);
    // Of those in the chain their own component speaks.
    return { agent, wanted, path, isUsed: inUse.has(agent) || (agent in config.agents && !inChain.has(agent)) };
  });
  const missing = looked.filter(({ path, isUsed }) => path === null && isUsed);
  const there = looked.filter(({ path }) => path !== null).map(({ agent }) => agent);
  const name = 'agent-programs';
  const evidence = Object.fromEntries(looked.map(({ agent, path }) => [agent, path]));
  const sinceMs = world.clock.nowMs();
  if (missing.length === 0)
    return {
      name,
      status: 'healthy',
      reason: `there: ${there.join(', ') || 'none, and none is needed'}`,
      sinceMs,
      evidence,
      whatToDo: null,
    };
  return {
    name,
    status: 'degraded',
    reason: missing.map(({ agent, wanted }) => `${wanted}, the program of agent ${agent}, was not found or may not be executed`).join('; '),
    sinceMs,
    evidence,
    whatToDo: `Install it, or name it: todo config set agents.${missing[0]!.agent}.command PATH`,
  };
}

/** Somebody takes a connection: nothing is said to him, so nothing is delivered twice. */
async function webhook({ world, config }: DependencyNeeds): Promise<readonly Component[]> {
  const url = config.monitoring.webhook_url;
  if (url === null) return [];
  const it = { name: 'webhook', sinceMs: world.clock.nowMs() };
  const { origin } = new URL(url);
  try {
    await world.network.reaches(url, connectWithinMs);
    return [{ ...it, status: 'healthy', reason: `${origin} takes connections`, evidence: { origin }, whatToDo: null }];
  } catch (error) {
    const whatToDo = 'What is to be delivered waits. Check the receiver and monitoring.webhook_url';
    return [{ ...it, status: 'degraded', reason: messageOf(error), evidence: { origin }, whatToDo }];
  }
}
