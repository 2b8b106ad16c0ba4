// The crash sweep by hand, every call: `node test/crash/run.ts [--errors] [--only fsync,rename] [--parallel 2] [--log]`. CI runs it by
// crash.test.ts, where of the pages that one transaction writes to SQLite's log a tenth stands for all between the first and the last.
// --errors: instead of dying at the call, the daemon is told ENOSPC, then EIO, once.
import { parseArgs } from 'node:util';
import { durableCalls } from './daemon.ts';
import { callsOfOneLife, type Fault, inTurns, missedIn, type Point, Stage, strike, strikeTheRest, targetsOf } from './sweep.ts';
import { tableOf } from './table.ts';

const { values } = parseArgs({
  options: { errors: { type: 'boolean' }, only: { type: 'string' }, parallel: { type: 'string' }, log: { type: 'boolean' } },
});
const parallel = Number(values.parallel ?? 2);

await using stage = new Stage();
await stage.set();
for (const fault of values.errors ? (['ENOSPC', 'EIO'] as const) : (['KILL'] as const)) {
  const from = performance.now();
  const calls = await callsOfOneLife(stage, values.only?.split(',') ?? durableCalls);
  const points = await inTurns(parallel, targetsOf(calls, true), async (target) => {
    const point = await strike(stage, fault, target);
    tell(fault, point);
    return point;
  });
  const rest = await strikeTheRest(stage, fault, calls, points, parallel);
  for (const point of rest) tell(fault, point);
  const all = [...points, ...rest];
  process.stdout.write(`${fault} at each durable call of the daemon's main thread:\n${tableOf(all, performance.now() - from)}`);
  for (const kind of missedIn(calls, all)) process.stdout.write(`  never struck: ${kind}\n`);
  if (all.some(({ problems }) => problems.length > 0) || missedIn(calls, all).length > 0) process.exitCode = 1;
}
if (stage.keep) process.stdout.write(`homes of failed points are kept in ${stage.base}\n`);

function tell(fault: Fault, { call, nth, struck, problems, home, log }: Point): void {
  if (problems.length === 0) return;
  process.stdout.write(`${fault} at ${call} ${nth} (${struck ?? 'not struck'}) in ${home}\n${problems.map((it) => `  ${it}\n`).join('')}`);
  if (values.log) process.stdout.write(`${log}\n`);
}
