// Power cuts by hand: `node test/power/run.ts [--cuts 200] [--from 1] [--on ext4,xfs] [--log]`. Needs root (it mounts loop devices).
// Each cut is a home of its own: a daemon with three todos loses the disk at an instant by seed (some lose it twice), the file system is mounted
// again, and a new daemon brings everything to its end. CI does a few of each (power.test.ts).
import { parseArgs } from 'node:util';
import { Rig } from './cuts.ts';
import { type FileSystem, fileSystems } from './disk.ts';

const { values } = parseArgs({
  options: { cuts: { type: 'string' }, from: { type: 'string' }, on: { type: 'string' }, log: { type: 'boolean' } },
});
const from = Number(values.from ?? 1);
const count = Number(values.cuts ?? 200);

for (const kind of (values.on?.split(',') as FileSystem[] | undefined) ?? fileSystems) {
  await using rig = new Rig(kind);
  await rig.set();
  const startedMs = performance.now();
  let homes = 0;
  let cuts = 0;
  let acknowledged = 0;
  let failed = 0;
  for (let seed = from; cuts < count; seed++) {
    const cut = await rig.cut(seed);
    homes++;
    cuts += cut.after.length;
    acknowledged += cut.acknowledged;
    if (cut.problems.length === 0) continue;
    failed++;
    process.stdout.write(`${kind} seed ${seed}, cut after ${cut.after.join(' and ')}\n${cut.problems.map((it) => `  ${it}\n`).join('')}`);
    if (values.log) process.stdout.write(`${cut.log}\n`);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(
    `${kind}: ${cuts} power cuts in ${homes} homes in ${seconds.toFixed(0)} s (${(seconds / cuts).toFixed(2)} s each), ${acknowledged} completions acknowledged before a cut, ${failed} homes with problems\n`,
  );
  if (failed > 0) process.exitCode = 1;
}
