import { existsSync } from 'node:fs';
import { join } from 'node:path';
import about from '../../../package.json' with { type: 'json' };
import { planLaunch } from '../../agents/start.ts';
import { settingsOf } from '../../core/config.ts';
import { chainOf } from '../../core/runners.ts';
import { inMs } from '../../core/seconds.ts';
import type { Todo } from '../../core/todo.ts';
import { lookAtRunner } from '../../healing/runners.ts';
import { nodeVersionsIn, searchPath, whereIs } from '../../platform/search-path.ts';
import type { World } from '../../world.ts';
import { adaptersOf } from '../agents.ts';
import type { Opened } from '../command.ts';
import { programFolder } from '../program.ts';
import { plain } from '../text/plain.ts';
import { type Finding, fine } from './finding.ts';

type Env = World['host']['env'];
type Processes = Pick<World, 'processes'>;

/** A first start of an agent's program takes seconds. */
const versionWithinMs = 20_000;

const nodeNeeded = about.engines.node.replace('>=', '');

/** The Node that runs this very program, and what other Nodes a person would find. */
export async function lookAtNode(env: Env, world: Processes): Promise<readonly Finding[]> {
  const own = `${process.version} at ${process.execPath}`;
  const [first] = whereIs('node', env['PATH'] ?? '');
  const onPath = first === undefined || first === process.execPath ? null : { path: first, version: await versionOf(first, world) };
  const isOld = onPath !== null && !isEnough(onPath.version);
  const hint = isOld ? newerNode(env) : null;
  const beside =
    onPath === null
      ? ''
      : `; node of PATH is ${onPath.version ?? 'broken'} at ${onPath.path}${isOld ? `, older than ${nodeNeeded}, and is not used` : ''}`;
  return [{ what: 'node', severity: 'healthy', evidence: `${own}${beside}`, mend: hint }];
}

const isEnough = (version: string | null): boolean =>
  version !== null && version.replace(/^v/, '').localeCompare(nodeNeeded, 'en', { numeric: true }) >= 0;

/** The command that makes a newer one the one of the shell, where a version manager has it. */
function newerNode(env: Env): string | null {
  const home = env['HOME'] ?? '';
  const nvm = nodeVersionsIn(join(env['NVM_DIR'] ?? join(home, '.nvm'), 'versions', 'node')).findLast(isEnough);
  if (nvm !== undefined) return `in your shell: nvm use ${nvm}`;
  if (existsSync(join(env['VOLTA_HOME'] ?? join(home, '.volta'), 'bin', 'volta'))) return `in your shell: volta install node@${nodeNeeded}`;
  return null;
}

/** tmux is for sessions that a person can look into; without it agents run as child processes. */
export async function lookAtTmux({ world, config }: Pick<Opened, 'world' | 'config'>): Promise<readonly Finding[]> {
  const found = whereIs('tmux', searchPath(world.host.env))[0];
  const users = [...adaptersOf(config).values()]
    .filter((it) => (settingsOf(config, it.name).session ?? it.defaultSession) === 'tmux')
    .map(({ name }) => name);
  if (found === undefined) {
    const tried = triedText('tmux', world.host.env);
    const mend = 'apt-get install tmux';
    if (users.length === 0)
      return [{ what: 'tmux', severity: 'healthy', evidence: `not installed (${tried}); nothing here needs it`, mend }];
    return [{ what: 'tmux', severity: 'degraded', evidence: `not installed (${tried}), and ${users.join(', ')} would start in it`, mend }];
  }
  const answers = world.terminals.available();
  const version = await versionOf(found, world, '-V');
  if (answers === 'yes' && version !== null) return [fine('tmux', `${version} at ${found}`)];
  return [{ what: 'tmux', severity: 'degraded', evidence: `${found} does not answer`, mend: 'apt-get install --reinstall tmux' }];
}

/** How an agent's program comes onto a machine; others are named in agents.NAME.command. */
const installs: Readonly<Record<string, string>> = { claude: 'npm install --global @anthropic-ai/claude-code' };

/**
 * Each agent as a run would start it: its own launch plan, made dry, and the program that the plan names. One that is not there is no fault of the
 * machine unless the configuration speaks of it.
 */
export async function lookAtAgents({ world, config }: Pick<Opened, 'world' | 'config'>): Promise<readonly Finding[]> {
  const adapters = adaptersOf(config);
  const unknown = Object.keys(config.agents)
    .filter((name) => !adapters.has(name))
    .map((name): Finding => {
      const mend = `todo config unset agents.${name}`;
      return {
        what: `agent ${name}`,
        severity: 'degraded',
        evidence: `the configuration has it, and there is none of that name (${[...adapters.keys()].join(', ')}), nor is it of kind "command"`,
        mend,
      };
    });
  const known = await Promise.all([...adapters.keys()].map((name) => lookAtAgent(name, { world, config })));
  return [...known, ...unknown];
}

async function lookAtAgent(name: string, { world, config }: Pick<Opened, 'world' | 'config'>): Promise<Finding> {
  const what = `agent ${name}`;
  const program = programOf(name, { world, config });
  const path = agentPath(world.host.env, settingsOf(config, name).env['PATH']);
  const [found, ...others] = whereIs(program, path);
  if (found === undefined) {
    const isWanted = config.agents[name] !== undefined;
    const evidence = `${program} is not installed (${triedText(program, world.host.env)})${isWanted ? '' : '; todos of this agent cannot start here'}`;
    const mend = `${installs[name] ?? `install ${program}`}, or: todo config set agents.${name}.command /path/to/${program}`;
    return { what, severity: isWanted ? 'degraded' : 'healthy', evidence, mend };
  }
  if (chainOf(config.runners).includes(name)) {
    const { status, reason, whatToDo } = await lookAtRunner(name, null, 0, { world, config, adapters: adaptersOf(config) });
    if (status !== 'healthy')
      return { what, severity: 'degraded', evidence: `${reason}; todos of agent auto go to the next runner`, mend: whatToDo };
  }
  // A shell says no version in a way that all of them share.
  const version = name === 'shell' ? '' : `${(await versionOf(found, world)) ?? 'says no version'} `;
  const beside = others.length === 0 || name === 'shell' ? '' : `, also at ${others.join(', ')}`;
  return fine(what, `${version}at ${found}${beside}`);
}

export function programOf(name: string, { world, config }: Pick<Opened, 'world' | 'config'>): string {
  const adapter = adaptersOf(config).get(name);
  if (adapter === undefined) throw new Error(`no adapter ${name}`);
  const todo = { id: dryId, number: 0, title: 'dry', prompt: 'true', cwd: '/', checks: [], agent: name, rounds: 1 } as unknown as Todo;
  const entry = { ref: { todoId: dryId, runId: dryId, fence: 0 }, todo, conversationId: dryId, round: 1, kind: 'child' } as const;
  return planLaunch(entry, null, adapter, settingsOf(config, name), inMs(config.behavior.hook_wait), world).argv[0] ?? '';
}

const dryId = '00000000-0000-7000-8000-000000000000';

/** What a run's PATH would be, and what this program brings along. */
const agentPath = (env: Env, own: string | undefined): string =>
  [own ?? searchPath(env), join(programFolder, 'node_modules', '.bin')].join(':');

const triedText = (program: string, env: Env): string =>
  program.includes('/') ? `looked at ${program}` : `looked into ${[...new Set(searchPath(env).split(':'))].join(', ')}`;

const tailBytes = 4000;

export async function versionOf(program: string, { processes }: Processes, option = '--version'): Promise<string | null> {
  const { exitCode, tail } = await processes.run({ argv: [program, option], cwd: '/', env: {}, timeoutMs: versionWithinMs, tailBytes });
  return exitCode === 0 ? plain(tail).slice(0, 80) : null;
}
