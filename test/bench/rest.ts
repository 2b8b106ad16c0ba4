// What a daemon takes that has nothing to do, and what a live run adds.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../e2e/harness.ts';
import { cpuMs, memoryOf, taggedBy } from '../fixtures/process-figures.ts';
import { asked, figure, median, pairs } from './figures.ts';
import { atMs, daemon, environment, logged, newHome, prepare, timed, todo } from './home.ts';

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
  await monitoring();
}

/** Looks at resources and at everything come every second here and cost what they cost; from their usual distance follows their share of a core. */
async function monitoring(): Promise<void> {
  const seconds = asked.quick ? 15 : 45;
  const often = { resource: { interval: 1, probe_interval: 1 } };
  // At once and then never again.
  const never = { resource: { interval: 86_400, probe_interval: 86_400 } };
  const [looking, still] = [await cpuAtRest('rest-looking', often, seconds), await cpuAtRest('rest-still', never, seconds)];
  const eachMs = Math.max(0, looking - still) / seconds;
  // The two together once in a second; usually one of them comes every 60 s and the other every 30 s.
  const share = (eachMs / 30_000) * 100;
  const home = newHome('rest-health');
  const it = await daemon(home);
  await until('a sweep', [join(home, 'logs')], () => logged(home, 'monitor').some(({ event }) => event === 'swept'));
  const healthMs = median(Array.from({ length: pairs }, () => timed(todo, ['health', '--json'], environment(home))));
  const nodeMs = median(Array.from({ length: pairs }, () => timed(process.execPath, ['-e', '0'], environment(home))));
  await it.stop();
  figure('monitoring: CPU of its looks', `${share.toFixed(3)} % of a core (${eachMs.toFixed(1)} ms each)`, '≤ 0.3 %', share <= 0.3);
  figure('todo health, with a daemon', `${healthMs.toFixed(0)} ms (node -e 0: ${nodeMs.toFixed(0)} ms)`, '≤ 300 ms', healthMs <= 300);
}

/** Milliseconds of CPU that an idle daemon takes in so many seconds. */
async function cpuAtRest(name: string, config: object, seconds: number): Promise<number> {
  const home = newHome(name, config);
  const it = await daemon(home);
  await until('a sweep', [join(home, 'logs')], () => logged(home, 'monitor').some(({ event }) => event === 'swept'));
  const fromCpuMs = cpuMs(it.pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const usedMs = cpuMs(it.pid) - fromCpuMs;
  await it.stop();
  return usedMs;
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
