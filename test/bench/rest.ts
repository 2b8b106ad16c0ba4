// What a daemon takes that has nothing to do, and what a live run adds.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../e2e/harness.ts';
import { cpuMs, memoryOf, taggedBy } from '../fixtures/process-figures.ts';
import { asked, figure } from './figures.ts';
import { atMs, daemon, logged, newHome, prepare } from './home.ts';

export async function rest(): Promise<void> {
  const home = newHome('rest');
  const it = await daemon(home);
  const between = (from: RegExp, to: RegExp): number => {
    const at = (event: RegExp) => atMs(logged(home, 'monitor').find((line) => event.test(line.event)) ?? { time: '', event: '' });
    return at(to) - at(from);
  };
  await until('a sweep', [join(home, 'logs')], () => logged(home, 'monitor').some(({ event }) => event === 'swept'));
  const initMs = between(/^store schema check starting/, /^store ready/);
  figure('database made and ready (P-18)', `${initMs} ms`, '< 2 s', initMs < 2000);
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs(it.pid)];
  // What is measured is a time in which nothing happens.
  await new Promise((resolve) => setTimeout(resolve, asked.quick ? 10_000 : 45_000));
  const share = ((cpuMs(it.pid) - fromCpuMs) / (performance.now() - fromMs)) * 100;
  const { anonymous, rss } = memoryOf(it.pid);
  const isSmall = anonymous <= 50 && rss <= 100;
  figure('daemon at rest: memory', `${anonymous.toFixed(0)} MB anonymous, ${rss.toFixed(0)} MB RSS`, '≤ 50 and ≤ 100 MB', isSmall);
  figure('daemon at rest: CPU', `${share.toFixed(2)} % of a core`, '≤ 0.5 %', share <= 0.5);
  await it.stop();
}

/** Runs whose agents wait for a pipe that this process holds open, and end when it is closed: what is measured is ours and not theirs. */
export async function live(): Promise<void> {
  const most = Number(asked.runs ?? 100);
  const added: string[] = [];
  let last = Number.NaN;
  for (const count of [1, 10, most]) {
    last = await addedByEach(count);
    added.push(`${last.toFixed(2)} MB each at ${count}`);
  }
  figure('memory that a live run adds (of the daemon, and of the shell that holds it)', added.join(', '), `≤ 5 MB at ${most}`, last <= 5);
}

/** Megabytes that each of so many live runs adds to what a daemon has without any. */
export async function addedByEach(count: number): Promise<number> {
  const home = newHome(`live-${count}`, { slots: { total: count, agent: count, project: count } });
  const idle = await daemon(home);
  await until('a sweep', [join(home, 'logs')], () => logged(home, 'monitor').some(({ event }) => event === 'swept'));
  const before = memoryOf(idle.pid).anonymous;
  await idle.stop();
  const pipe = join(home, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // For reading too, so that opening it waits for nobody.
  const held = openSync(pipe, constants.O_RDWR);
  try {
    prepare(home, count, 'open', '', `read -r line <'${pipe}'`);
    const it = await daemon(home);
    const running = () => logged(home, 'completion').filter(({ event }) => event === 'running').length;
    // Some at a time: one wait is not patient enough for a thousand.
    for (let some = 0; some < count; some += 10)
      await until(`${count} run`, [join(home, 'logs')], () => running() >= Math.min(count, some + 10));
    const shells = taggedBy(`TODO_HOME=${home}`).filter((pid) => pid !== it.pid);
    const theirs = shells.reduce((sum, pid) => sum + memoryOf(pid).pss, 0);
    const ours = memoryOf(it.pid).anonymous - before;
    await it.stop();
    return (ours + theirs) / count;
  } finally {
    closeSync(held);
  }
}
