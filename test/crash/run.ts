// The crash sweep by hand: `node test/crash/run.ts [--errors] [--only fsync,rename] [--parallel 2]`. CI runs the same as crash.test.ts.
// --errors: instead of dying, the call fails once with ENOSPC, then with EIO.
import { parseArgs } from 'node:util';
import { type Fault, type Point, Stage, type Sweep, sweep } from './sweep.ts';

const { values } = parseArgs({
  options: { errors: { type: 'boolean' }, only: { type: 'string' }, parallel: { type: 'string' }, keep: { type: 'boolean' } },
});

await using stage = new Stage();
await stage.set();
for (const fault of values.errors ? (['ENOSPC', 'EIO'] as const) : (['KILL'] as const)) {
  const tell = (point: Point): void => {
    if (point.problems.length > 0) tellProblem(fault, point);
  };
  const done = await sweep(stage, {
    fault,
    parallel: Number(values.parallel ?? 2),
    tell,
    ...(values.only ? { only: values.only.split(',') } : {}),
  });
  process.stdout.write(tableOf(fault, done));
  if (done.points.some(({ problems }) => problems.length > 0)) {
    stage.keep = true;
    process.exitCode = 1;
  }
}
if (stage.keep) process.stdout.write(`homes of failed points are kept in ${stage.base}\n`);

function tellProblem(fault: Fault, { call, nth, struck, problems, home, log }: Point): void {
  process.stdout.write(`${fault} at ${call} ${nth} (${struck ?? 'not struck'}) in ${home}\n${problems.map((it) => `  ${it}\n`).join('')}`);
  if (values.keep) process.stdout.write(`${log}\n`);
}

export function tableOf(fault: Fault, { points, kinds, missed, durationMs }: Sweep): string {
  const calls = [...new Set(points.map(({ call }) => call))];
  const rows = calls.map((call) => {
    const all = points.filter((point) => point.call === call);
    return `  ${call.padEnd(10)} ${String(all.filter(({ struck }) => struck !== null).length).padStart(4)}`;
  });
  const struck = points.filter((point) => point.struck !== null).length;
  const failed = points.filter(({ problems }) => problems.length > 0).length;
  const each = Math.round(durationMs / points.length);
  return `${fault} at each durable call of the daemon's main thread:\n${rows.join('\n')}\n${struck} points in ${(durationMs / 1000).toFixed(1)} s (${each} ms each), ${failed} failed; ${kinds.size - missed.length} of ${kinds.size} kinds of calls struck\n${missed.map((kind) => `  never struck: ${kind}\n`).join('')}`;
}
