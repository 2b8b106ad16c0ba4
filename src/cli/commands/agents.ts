import { adaptersFor } from '../../agents/adapters.ts';
import { fallback } from '../../agents/fallback.ts';
import { settingsOf } from '../../core/config.ts';
import type { ControlReply } from '../../core/control.ts';
import { chainOf, fallbackRunner } from '../../core/runners.ts';
import { behindBreakers } from '../../daemon/outside.ts';
import { agentsReply, newRunners, readRunners } from '../../daemon/runners.ts';
import { adaptersOf, builtInAdapters } from '../agents.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { versionOf } from '../doctor/programs.ts';
import { exit } from '../exit-codes.ts';
import { healthExit, looking, statusCell, statusLine } from '../health-look.ts';
import { installedIn, personalSettings } from '../hooks/install.ts';
import { refusal } from '../say.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { spanText } from '../text/times.ts';

type Options = { readonly health?: true };

/** A probe has five seconds; the rest is a busy machine. */
const probesWithinMs = 20_000;

export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--health', 'ask each of them now: 0 the first choice is well, 1 degraded, 2 unhealthy, 3 unknown')
      .addHelpText(
        'after',
        `\nOrder: who is tried first for todos of agent auto, by "runners" in hooks/config.json. ${fallbackRunner} is always there, and always the last.`,
      ),
  run: (call) => looking(call.open, (opened) => ((call.options as Options).health ? tellHealth(call, opened) : list(call, opened))),
};

async function list(call: Call, { world, config }: Opened): Promise<number> {
  const { out } = call;
  const chain = chainOf(config.runners);
  const agents = await Promise.all(
    [...adaptersOf(config), [fallbackRunner, fallback] as const].map(async ([agent, adapter]) => {
      const settings = settingsOf(config, agent);
      const program = settings.command ?? adapter.program;
      const path = world.processes.program(program, settings.env['PATH'] ?? null);
      // A shell says no version in a way that all of them share.
      const hasVersion = path !== null && program !== '/bin/sh' && settings.probe === null;
      return {
        agent,
        adapter: settings.kind ?? agent,
        program,
        path,
        version: hasVersion ? await versionOf(path, world) : null,
        hooks: agent === 'claude' ? installedIn(personalSettings(call)) : null,
        order: agent === fallbackRunner ? chain.length + 1 : chain.includes(agent) ? chain.indexOf(agent) + 1 : null,
      };
    }),
  );
  const sorted = agents.toSorted((a, b) => (a.order ?? 99) - (b.order ?? 99));
  out.json('agents', { agents: sorted });
  const columns = [
    { title: 'ORDER', align: 'right' as const },
    { title: 'AGENT' },
    { title: 'ADAPTER' },
    { title: 'VERSION', grows: 'cut' as const },
    { title: 'HOOKS' },
    { title: 'PROGRAM', grows: 'cut' as const },
  ];
  const rows = sorted.map((it) => [
    it.order === null ? '' : String(it.order),
    it.agent,
    it.adapter,
    plain(it.version ?? ''),
    it.hooks === null ? '' : it.hooks.length > 0 ? 'installed' : 'of each run',
    it.path === null ? ({ text: `${plain(it.program)}: not found`, colour: 'yellow' } as const) : plain(it.path),
  ]);
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  if (chain.length === 0) out.note('No runners are configured: each todo names its agent. See: todo agents --help');
  return exit.yes;
}

async function tellHealth({ out }: Call, opened: Opened): Promise<number> {
  using spinner = await out.spin('asking each agent');
  const { overall, agents } = await askAll(opened);
  spinner.end();
  out.json('agents', { status: overall, agents });
  const columns = [
    { title: 'AGENT' },
    { title: 'STATUS' },
    { title: 'SINCE', align: 'right' as const },
    { title: 'WHY', grows: 'fold' as const },
  ];
  const nowMs = opened.world.clock.nowMs();
  const rows = agents.map((it) => [it.agent, statusCell(it.status), spanText(nowMs - it.sinceMs), plain(it.reason)]);
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  for (const { agent, whatToDo } of agents) if (whatToDo !== null) out.line(`  ${agent}: ${plain(whatToDo)}`);
  out.line(statusLine(overall, out));
  return healthExit[overall];
}

type Asked = Pick<Extract<ControlReply, { kind: 'agents' }>, 'overall' | 'agents'>;

/** By the daemon, which knows what runs taught; without one, from what the last one kept. */
async function askAll({ world, config, ask }: Opened): Promise<Asked> {
  const reply = await ask({ op: 'agents', probe: true }, probesWithinMs);
  if (reply?.ok === false) throw refusal(reply, 'asking', 'the agents');
  if (reply?.kind === 'agents') return reply;
  const adapters = adaptersFor(builtInAdapters, config);
  const needs = { world, config, adapters, outside: behindBreakers(world, config, { restores: 'all' }), runners: newRunners() };
  readRunners(needs);
  return agentsReply(needs, { probe: true });
}
