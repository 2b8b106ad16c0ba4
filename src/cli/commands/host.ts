import { OperationalError } from '../../core/errors.ts';
import type { HostRow } from '../../world.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { spanText } from '../text/times.ts';
import { usage } from '../todos.ts';

type Options = { readonly reason?: string };

/** Hosts that share this store, and which of them take nothing new. It stands in the store: it outlives every daemon, and all hosts see it. */
export const command: CommandModule = {
  declare(commander) {
    commander
      .option('--reason <text>', 'drain: why, for whoever looks')
      .addHelpText(
        'after',
        `\nActions:\n  list           all that ever took a todo from this store\n  drain [HOST]   it takes nothing new by itself; what runs there goes on to its end, other hosts go on\n  resume [HOST]  it takes todos again\n\nHOST is an id of the list or its unique beginning; without it, this home. A todo that a person starts there by name (run, claim) still starts.`,
      );
  },
  async run(call) {
    const [action = 'list', name = null] = call.args;
    if (action !== 'list' && action !== 'drain' && action !== 'resume')
      throw usage('host', `no action ${action}`, 'Known: list, drain, resume. See: todo host --help');
    await using opened = await call.open(action === 'list' ? { readOnly: true } : {});
    if (action === 'list') list(call, opened, await opened.world.store.hosts());
    else await change(call, opened, action, name);
    return exit.yes;
  },
};

async function change(call: Call, opened: Opened, action: 'drain' | 'resume', name: string | null): Promise<void> {
  const { store, host: self } = opened.world;
  const id = name === null ? self.id : idOf(name, action, await store.hosts(), self.id);
  const reason = (call.options as Options).reason ?? null;
  await store.drainHost(id, action === 'drain' ? { reason, mayBeNew: id === self.id } : null);
  // The daemon of another host finds out at its next look for a todo.
  if (id === self.id) await opened.wake();
  const host = (await store.hosts()).find((row) => row.id === id) ?? { id, live: 0, lastClaimAtMs: null, drained: null };
  call.out.json('host', { host });
  const runs = host.live === 1 ? 'one todo runs there' : `${host.live} todos run there`;
  call.out.line(host.drained === null ? `${plain(id)} takes todos.` : `${plain(id)} takes nothing new; ${runs}. Undo: todo host resume`);
}

/** What a person wrote, as an id of the store; their own home has one before it ever claimed. */
function idOf(name: string, action: string, rows: readonly HostRow[], self: string): string {
  const ids = [...new Set([...rows.map(({ id }) => id), self])];
  const fitting = ids.includes(name) ? [name] : ids.filter((id) => id.startsWith(name));
  if (fitting.length === 1) return fitting[0]!;
  throw new OperationalError(fitting.length === 0 ? 'NOT_FOUND' : 'AMBIGUOUS', {
    operation: action === 'drain' ? 'draining' : 'resuming',
    subject: `host ${name}`,
    why: fitting.length === 0 ? 'none of that name ever took a todo from this store' : `${fitting.length} hosts begin so`,
    hint: `Known: ${ids.join(', ')}.`,
  });
}

function list({ out }: Call, { world }: Opened, hosts: readonly HostRow[]): void {
  out.json('hosts', { self: world.host.id, hosts });
  const nowMs = world.clock.nowMs();
  const columns = [
    { title: 'HOST' },
    { title: 'LIVE', align: 'right' as const },
    { title: 'LAST CLAIM', align: 'right' as const },
    { title: 'STATE' },
    { title: 'WHY', grows: 'cut' as const },
  ];
  const rows = hosts.map(({ id, live, lastClaimAtMs, drained }) => [
    `${plain(id)}${id === world.host.id ? ' (this home)' : ''}`,
    String(live),
    lastClaimAtMs === null ? '' : `${spanText(nowMs - lastClaimAtMs)} ago`,
    drained === null ? 'takes todos' : ({ text: `drained for ${spanText(nowMs - drained.sinceMs)}`, colour: 'yellow' } as const),
    plain(drained?.reason ?? ''),
  ]);
  if (rows.length === 0) out.line('No host has taken a todo from this store yet.');
  else for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
}
