// What the archive of a todo takes, by how much its agent printed.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { chatter } from '../fixtures/chatter.ts';
import { figure } from './figures.ts';
import { allClosed, daemon, newHome, prepare } from './home.ts';

const mib = 1024 * 1024;

export async function archive(): Promise<void> {
  const taken: number[] = [];
  for (const printed of [16 * 1024, mib, 64 * mib]) {
    const home = newHome(`archive-${printed}`);
    prepare(home, 1, 'open', '', chatter(printed));
    const it = await daemon(home);
    await allClosed(home, 1);
    await it.stop();
    const folder = join(home, 'archive');
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => statSync(join(folder, name)));
    taken.push(names.filter((stat) => stat.isFile()).reduce((sum, { size }) => sum + size, 0) / mib);
  }
  const [usual = Number.NaN, talkative = Number.NaN, endless = Number.NaN] = taken;
  const measured = `${usual.toFixed(2)}, ${talkative.toFixed(1)} and ${endless.toFixed(1)} MB`;
  figure('archive of a todo whose agent printed 16 KB, 1 MB and 64 MB', measured, '≤ 2 MB at 1 MB', talkative <= 2);
}
