import { join } from 'node:path';
import { watchdogFolder } from '../platform/home.ts';
import { readState, type State } from '../watchdog/state.ts';
import type { World } from '../world.ts';
import type { Call, Opened } from './command.ts';
import { exit } from './exit-codes.ts';
import { plain } from './text/plain.ts';
import { table } from './text/table.ts';
import { spanText } from './text/times.ts';

/** What the watchdogs of this home watch. Exit 0 when all that are watched are well, else 1. */
export async function statusCommand(call: Call): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const { world } = opened;
  const watched = watchdogsSeen(world);
  call.out.json('watchdogs', { watchdogs: watched });
  if (watched.length === 0) call.out.line('No watchdog has worked in this home. See: todo watchdog --help');
  else show(call, opened, watched);
  const isWell = ({ phase, isWatched }: Watched): boolean => phase === 'ended' || (isWatched && wellPhases.has(phase));
  return watched.every(isWell) ? exit.yes : exit.no;
}

type Watched = State & { readonly isWatched: boolean };

export function watchdogsSeen({ files, home, processes }: Pick<World, 'files' | 'home' | 'processes'>): readonly Watched[] {
  const folder = watchdogFolder(home.root);
  return files
    .list(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => readState(join(folder, name), files) ?? [])
    .map((state) => ({ ...state, isWatched: state.phase !== 'ended' && processes.alive(state.watchdog) === 'yes' }));
}

export const stateText = ({ phase, isWatched }: Watched): string =>
  isWatched || phase === 'ended' ? phase : `${phase}, its watchdog is dead`;

const wellPhases: ReadonlySet<State['phase']> = new Set(['starting', 'healthy', 'degraded']);

function show({ out }: Call, { world }: Opened, watched: readonly Watched[]): void {
  const nowMs = world.clock.nowMs();
  const columns = [
    { title: 'NAME' },
    { title: 'STATE' },
    { title: 'FOR', align: 'right' as const },
    { title: 'PID', align: 'right' as const },
    { title: 'RESTARTS', align: 'right' as const },
    { title: 'WHY', grows: 'fold' as const },
  ];
  const rows = watched.map((it) => [
    it.name,
    {
      text: stateText(it),
      colour: it.phase === 'healthy' && it.isWatched ? ('green' as const) : ('yellow' as const),
    },
    spanText(nowMs - it.sinceMs),
    it.child === null ? '' : String(it.child.process.pid),
    String(it.restarts.length),
    plain(it.why ?? ''),
  ]);
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  for (const it of watched.filter(({ isWatched, phase }) => !isWatched && phase !== 'ended')) out.line(`▸ ${it.name}: ${again(it)}`);
  for (const it of watched.filter(({ isWatched, phase }) => isWatched && phase === 'held'))
    out.line(`▸ ${it.name}: mend the cause, then start it again now: kill -HUP ${it.watchdog.pid}`);
}

/** A next one of that name takes over what runs. */
const again = ({ name, startedAs }: State): string =>
  name === 'daemon' ? 'todo start (or todo watchdog) takes it up again' : `start its watchdog again: ${plain(startedAs.join(' '))}`;
