// What a daemon measures of itself, of its machine and of its agents, and what it does about it: real daemons that are made ill from outside, agents that
// burn CPU, a small memory. Times are scaled by the configuration; nothing is waited for but events.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defaultConfig } from '../../src/core/config.ts';
import { cpuIsDividedByGroups } from '../../src/platform/cgroup.ts';
import { ask } from '../../src/platform/control-socket.ts';
import { taggedBy } from '../fixtures/process-figures.ts';
import { rowsOf } from './aging.ts';
import { type Json, type Started, type TestHome, testHome } from './harness.ts';
import { get, served } from './http-get.ts';

const ill = fileURLToPath(new URL('../fixtures/ill.ts', import.meta.url));
const quick = { behavior: { quiet_after: 0.1, term_grace: 1 }, monitoring: { rescan: 0.2 } };
/** Nothing of the machine's own load is what these tests are about. */
const resource = { interval: 0.3, probe_interval: 0.3, cooldown: 0.5, profile_time: 0.2 };

const illWith = (home: TestHome, how: string, megabytes = 64): Record<string, string> => ({
  NODE_OPTIONS: `--import ${ill}`,
  ILL: how,
  ILL_ONCE: join(home.folder, 'was-ill'),
  ILL_MB: String(megabytes),
});

/** A daemon with a bound on its memory, once it answers. */
async function bounded(home: TestHome, size: string, env: Record<string, string> = {}): Promise<Started> {
  const daemon = home.start(['daemon', 'run', '--max-memory', size], { env });
  await home.until('it has its store', () => home.log('monitor').some(({ event: it }) => it === 'store ready'));
  return daemon;
}

const component = (health: Json, name: string): Json => health.components.find((it: Json) => it.name === name);
function events(home: TestHome, type: string): Json[] {
  if (rowsOf(home, "SELECT name FROM sqlite_master WHERE name = 'self_healing_events'").length === 0) return [];
  const rows = rowsOf(home, 'SELECT type, todo_id, run_id, detail FROM self_healing_events WHERE type = ? ORDER BY at_ms', type);
  return rows.map((row) => ({ ...row, ...JSON.parse(row.detail) }));
}
const event = (home: TestHome, type: string, fits: (it: Json) => boolean = () => true): Promise<Json> =>
  home.until(`an event ${type}`, () => events(home, type).find(fits));
/** On a machine under load a daemon may not answer in the time that health gives it; then it says nothing of what was measured. */
const healthy = (home: TestHome): Promise<Json> =>
  home.until('the daemon tells what it measured', async () => {
    const health = JSON.parse((await home.todo(['--json', 'health'])).stdout);
    return component(health, 'memory') && health;
  });

test('[W-08] [H-47] [H-75] the daemon measures itself, its machine and the process tree of each agent, a row each in health_metrics', async (t) => {
  assert.equal(defaultConfig().resource.interval, 60);
  const home = await testHome(t, { ...quick, resource });
  await home.daemon();
  // A child of a child, in a session of its own: found by the tag all the same.
  const todo = await home.add("setsid sh -c 'while [ ! -e go ]; do sleep 0.1; done' & wait");
  await home.untilTodo(todo.number, 'running', ({ status }) => status === 'running');
  const history = await home.until('three rows of the run', async () => {
    const { rows } = await home.json(['health', '--history']);
    return rows.filter(({ component: of }: Json) => of.startsWith('run:')).length >= 3 && rows;
  });
  const last = (of: string): Json => history.findLast((row: Json) => row.component.startsWith(of));
  const figures = (of: string): string[] => Object.keys(last(of).figures).sort();
  assert.deepEqual(figures('run:'), ['cpu_percent', 'processes', 'rss_mb']);
  assert.ok(last('run:').figures.processes.avg >= 3, 'launch.sh, its shell, and who left the session');
  assert.ok(last('run:').figures.rss_mb.avg >= 1);
  for (const name of ['memory_percent', 'cpu_percent', 'loop_delay_ms', 'open_files', 'children', 'threads', 'pool_wait_ms', 'rss_mb'])
    assert.ok(figures('daemon').includes(name), name);
  assert.deepEqual(figures('machine'), ['cpu_percent', 'disk_percent', 'memory_percent']);
  assert.ok(last('daemon').figures.rss_mb.avg > 20 && last('daemon').figures.open_files.avg > 5);
  const times = history.filter((row: Json) => row.component === 'daemon').map((row: Json) => row.atMs);
  const everyMs = (times.at(-1) - times[0]) / (times.length - 1);
  assert.ok(everyMs >= 290, `looked every 0.3 s, not more often: ${everyMs} ms`);

  const health = await healthy(home);
  for (const name of ['memory', 'cpu', 'event-loop', 'files', 'machine', 'agent-processes']) assert.ok(component(health, name), name);
  assert.equal(component(health, 'agent-processes').evidence.runs, 1);
  const again = await home.until('a later look', async () => {
    const next = await healthy(home);
    return component(next, 'memory').sinceMs < Date.now() - 1500 && next;
  });
  assert.equal(component(again, 'memory').sinceMs, component(health, 'memory').sinceMs, 'since when stays while the status does');
  writeFileSync(join(home.work, 'go'), '');
  await home.untilTodo(todo.number, 'completed', ({ status }) => status === 'completed');
});

test('[H-46] every 30 s the daemon looks whether store, webhook and the programs of agents are there, and health tells', async (t) => {
  assert.equal(defaultConfig().resource.probe_interval, 30);
  const receiver = createServer((_, response) => response.end());
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const home = await testHome(t, {
    ...quick,
    resource,
    monitoring: { ...quick.monitoring, webhook_url: `http://127.0.0.1:${port}/secret` },
    agents: { claude: { command: join('/nowhere', 'claude') } },
  });
  const until = (name: string, status: string) =>
    home.until(`${name} ${status}`, async () => {
      const found = component(await healthy(home), name);
      return found?.status === status && found;
    });
  await home.daemon();
  const programs = await until('agent-programs', 'degraded');
  assert.match(programs.reason, /nowhere\/claude/);
  assert.match(programs.whatToDo, /todo config set agents\.claude\.command/);
  const well = await until('webhook', 'healthy');
  receiver.close();
  receiver.closeAllConnections();
  const away = await until('webhook', 'degraded');
  assert.match(away.reason, /ECONNREFUSED/);
  assert.ok(!JSON.stringify(away).includes('secret'), 'the path of a webhook is its password');
  assert.ok(away.sinceMs >= well.sinceMs);
  const told = await home.until(
    'a row of the change',
    () => rowsOf(home, "SELECT status, reason FROM health_metrics WHERE component = 'webhook' ORDER BY at_ms DESC LIMIT 1")[0],
  );
  assert.equal(told.status, 'degraded');
});

test('[H-02] [H-03] [H-22] [H-23] a daemon that leaks trims, takes nothing new, restarts itself before the limit, and is well again', async (t) => {
  const home = await testHome(t, { ...quick, resource: { ...resource, leak_window: 3600 } });
  const daemon = await bounded(home, '190M', illWith(home, 'leak', 100));
  const restarted = await event(home, 'resource_restart');
  assert.deepEqual([restarted.cause, restarted.outcome], ['memory', 'improved'], restarted.detail);
  assert.ok(restarted.before >= 0.9 && restarted.after < 0.9, restarted.detail);
  const [trimmed] = events(home, 'resource_trim');
  assert.deepEqual([trimmed.cause, trimmed.outcome], ['memory', 'unchanged'], trimmed.detail);
  assert.equal(events(home, 'resource_pause').length, 1);
  const healed = (await home.json(['heal', '--history'])).events.filter(({ what }: Json) => what === 'resource_trim');
  assert.deepEqual([healed[0].actor, healed[0].outcome], ['daemon', 'unchanged'], 'a person reads of it where all healing stands');
  assert.deepEqual(
    home
      .log('monitor')
      .filter(({ event: it }) => it === 'resource action')
      .map(({ action }) => action)
      .slice(0, 3),
    ['trim', 'pause', 'restart'],
  );
  assert.equal(events(home, 'restart_validated').length, 1);
  assert.equal(daemon.process.exitCode, null, 'the same process goes on');
  const health = await home.until('well again', async () => {
    const now = await healthy(home);
    return component(now, 'memory')?.status === 'healthy' && now;
  });
  assert.deepEqual([component(health, 'memory').evidence.limitMb, component(health, 'memory').evidence.limitBy], [190, 'max_memory']);
  const { number } = await home.add('true');
  await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
});

test('what a busy time left behind is given back once it is over, and the daemon is as small again as it can be', async (t) => {
  const home = await testHome(t, { ...quick, resource, slots: { total: 4, agent: 4, project: 4 } });
  await home.daemon();
  const todos = await Promise.all(Array.from({ length: 12 }, () => home.add('seq 1 60000')));
  for (const { number } of todos) await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  const back = await home.until('it was given back', () => home.log('monitor').find(({ event: it }) => it === 'memory given back'));
  assert.ok(back.rssMb <= back.rssMbBefore - 10, JSON.stringify(back));
  assert.ok(component(await healthy(home), 'memory').evidence.rssMb < back.rssMbBefore);
});

test('[H-23] where garbage is all that fills the memory, trimming is enough: it is better at once, and nothing else is done', async (t) => {
  const home = await testHome(t, { ...quick, resource: { ...resource, leak_window: 3600 } });
  await bounded(home, '150M', illWith(home, 'litter', 120));
  const trimmed = await event(home, 'resource_trim');
  assert.deepEqual([trimmed.cause, trimmed.outcome], ['memory', 'improved'], trimmed.detail);
  assert.ok(trimmed.before >= 0.9 && trimmed.after <= trimmed.before * 0.9, trimmed.detail);
  await home.until('it is no longer critical', async () => component(await healthy(home), 'memory')?.evidence.level !== 'critical');
  for (const type of ['resource_pause', 'resource_restart']) assert.deepEqual(events(home, type), [], type);
});

test('[H-21] memory over its warning shows in health with what was measured and what to do, and nothing is done about it', async (t) => {
  const home = await testHome(t, { ...quick, resource: { ...resource, memory_critical: 1000 } });
  await bounded(home, '60M');
  const memory = await home.until('a warning', async () => {
    const found = component(await healthy(home), 'memory');
    return found?.status === 'degraded' && found;
  });
  assert.equal(memory.evidence.level, 'warning');
  assert.match(memory.reason, /used up \d+(\.\d)? % of its memory \(warning from 80\)/);
  assert.match(memory.whatToDo, /--max-memory/);
  assert.equal((await home.todo(['health'])).code, 1);
  assert.ok(
    home.log('monitor').some(({ event: it, resource: of, now }) => it === 'resource warning' && of === 'memory' && now === 'warning'),
  );
  assert.ok(!home.log('monitor').some(({ event: it }) => it === 'resource action'));
});

test('[H-39] a daemon whose memory grows steadily says so with the slope, before it is short of it', async (t) => {
  const home = await testHome(t, { ...quick, resource: { ...resource, interval: 0.2, leak_window: 3 } });
  await home.daemon(illWith(home, 'leak', 2000));
  const leak = await event(home, 'memory_leak');
  assert.ok(leak.mbPerHour > 1000, leak.detail);
  const memory = component(await healthy(home), 'memory');
  assert.equal(memory.status, 'degraded');
  assert.match(memory.reason, /grows by \d+ MB an hour, steadily: a leak/);
});

const busy = { cpu_warning: 2, cpu_warning_after: 0.5, cpu_critical: 3, cpu_critical_after: 0.6 };
/** Burns CPU until it is told to be calm, then waits. */
const burner = 'while [ ! -e calm ]; do :; done; while [ ! -e go ]; do sleep 0.1; done';

const read = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8') : null);
const mayGiveWay =
  process.getuid!() === 0 ||
  (read('/proc/sys/kernel/sched_autogroup_enabled')?.trim() === '1' && !cpuIsDividedByGroups(read('/proc/self/cgroup') ?? '', read));

test('[H-25] [H-26] [H-37] an agent that burns CPU for too long gives way to others, is told of, and has its priority back when that is over', {
  skip: !mayGiveWay && 'this machine lets nobody but root take a priority back',
}, async (t) => {
  // The daemon itself is over that bound too, with a look three times a second: it need not restart for that here.
  const home = await testHome(t, { ...quick, resource: { ...resource, ...busy }, restart: { per_hour: 0 } });
  const first = await home.daemon();
  const todo = await home.add(burner);
  // It has the nice of whoever started it; its session is a new one.
  const usual = placeOf(process.pid).replace(/session.*/, 'session nice 0');
  const act = await event(home, 'resource_give-way');
  assert.deepEqual([act.cause, act.todo_id], ['agent-cpu', todo.id], act.detail);
  assert.ok(act.before >= 0.03, act.detail);
  assert.ok(['improved', 'unchanged'].includes(act.outcome), act.detail);
  const gaveWay = ['resource_give-way', 'resource_throttle'].flatMap((type) => events(home, type)).reduce((sum, it) => sum + it.gaveWay, 0);
  assert.ok(gaveWay >= 1 && act.keptTheirPriority === undefined, 'by its own step, or by that of a machine that is too busy');
  assert.deepEqual(
    placesOf(act.run_id)?.filter((it) => it === usual || !/\b10\b/.test(it)),
    [],
  );
  const health = await home.until('health tells', async () => {
    const found = component(await healthy(home), 'agent-processes');
    return /gives way to others until it is over/.test(found?.reason) && found;
  });
  assert.deepEqual([health.status, health.evidence.givingWay], ['healthy', 1], 'an agent that computes does its work');

  // Whoever comes after a crash gives it back as well.
  first.process.kill('SIGKILL');
  await first.ended;
  const backs = (): Json[] => home.log('monitor').filter(({ event: it, run }) => it === 'resource action taken back' && run === act.run_id);
  const before = backs().length;
  writeFileSync(join(home.work, 'calm'), '');
  // How busy the machine is that runs the tests is not what this is about.
  const file = join(home.folder, 'hooks', 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...config, resource: { ...config.resource, cpu_warning: 1000, cpu_critical: 1000 } }));
  await home.daemon();
  const back = await home.until('it was taken back', () => backs()[before]);
  assert.ok(back.gaveBack >= 1, JSON.stringify(back));
  assert.deepEqual(placesOf(act.run_id), [usual], 'all of it is as it was');
  const calm = await home.until('health says nothing of it any more', async () => {
    const found = component(await healthy(home), 'agent-processes');
    return found?.evidence.givingWay === 0 && found;
  });
  assert.doesNotMatch(calm.reason, /gives way/);
  assert.equal((await home.show(todo.number)).status, 'running', 'its run goes on');
  writeFileSync(join(home.work, 'go'), '');
  await home.untilTodo(todo.number, 'completed', ({ status }) => status === 'completed');
});

test('where the kernel would not let it be taken back, the priority of an agent stays as it is, and event and health say why', {
  skip: process.getuid!() !== 0 && 'only root can take autogroups and its own rights away from a daemon',
}, async (t) => {
  const home = await testHome(t, { ...quick, resource: { ...resource, ...busy }, restart: { per_hour: 0 } });
  writeFileSync(join(home.work, 'off'), '0\n');
  const poor = `mount --bind ${join(home.work, 'off')} /proc/sys/kernel/sched_autogroup_enabled && exec setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice "$@"`;
  home.start(['daemon', 'run'], { within: ['unshare', '--mount', 'sh', '-c', poor, 'sh'] });
  const todo = await home.add(burner);
  const { runs } = await home.untilTodo(todo.number, 'running', ({ status }) => status === 'running');
  const usual = await home.until('it has begun', () => placesOf(runs[0].id));
  const act = await event(home, 'resource_give-way');
  assert.equal(act.gaveWay, 0, act.detail);
  assert.match(act.keptTheirPriority, /without root or RLIMIT_NICE/);
  await home.until('health tells', async () =>
    /keeps its priority: without root or RLIMIT_NICE/.test(component(await healthy(home), 'agent-processes')?.reason),
  );
  assert.deepEqual(placesOf(act.run_id), usual);
  for (const name of ['calm', 'go']) writeFileSync(join(home.work, name), '');
  await home.untilTodo(todo.number, 'completed', ({ status }) => status === 'completed');
});

test('[H-26] a daemon that burns CPU writes down where, runs fewer agents at once, then restarts itself', async (t) => {
  const busy = { cpu_warning: 5, cpu_warning_after: 0.5, cpu_critical: 10, cpu_critical_after: 0.6 };
  const home = await testHome(t, { ...quick, slots: { total: 4, agent: 4, project: 4 }, resource: { ...resource, ...busy } });
  await home.daemon(illWith(home, 'burn'));
  const restarted = await event(home, 'resource_restart');
  assert.equal(restarted.cause, 'cpu', restarted.detail);
  const [profiled] = events(home, 'resource_profile');
  const profile = JSON.parse(readFileSync(profiled.profile, 'utf8'));
  assert.ok(
    profile.nodes.some(({ callFrame }: Json) => callFrame.url.endsWith('ill.ts')),
    'the profile names who burns it',
  );
  const [throttled] = events(home, 'resource_throttle');
  assert.equal(throttled.slots, 2, 'half of the slots');
  assert.equal(events(home, 'restart_validated').length, 1);
});

test('[H-36] a daemon whose threads for file work are all blocked finds it within seconds and starts anew', async (t) => {
  const home = await testHome(t, { ...quick, resource: { ...resource, pool_within: 0.5 } });
  await home.daemon(illWith(home, 'block'));
  await home.until('a first look', async () => component(await healthy(home), 'event-loop')?.status === 'healthy');
  execFileSync('mkfifo', [join(home.folder, 'was-ill.pipe')]);
  const restarted = await event(home, 'resource_restart', ({ cause }) => cause === 'pool');
  assert.ok(restarted.before >= 500 && restarted.after < 500, restarted.detail);
  assert.equal(restarted.outcome, 'improved');
  const { number } = await home.add('true');
  await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
});

test('[W-41] a machine over the thresholds of the original makes health warn, and the daemon is not restarted for it', async (t) => {
  const home = await testHome(t, {
    ...quick,
    resource: { ...resource, machine_memory_warning: 0.1, machine_disk_warning: 0.1, machine_cpu_warning: 0.1, cpu_warning_after: 0.5 },
  });
  await home.daemon();
  const machine = await home.until('all three', async () => {
    const found = component(await healthy(home), 'machine');
    return /CPU.*memory.*disk/.test(found?.reason) && found.status === 'degraded' && found;
  });
  assert.match(machine.reason, /the CPU is .* % busy \(warning from 0.1 for 0.5 s\).*memory is .* % used.*the disk is .* % full/);
  assert.equal(machine.evidence.level, 'warning');
  const actions = home.log('monitor').filter(({ event: it }) => it === 'resource action');
  assert.deepEqual(
    [...new Set(actions.map(({ action }) => action))].filter((it) => it !== 'sweep'),
    [],
  );
});

test('[W-40] [H-52] measurements become coarser as they age, and todo health --history shows what is left of them', async (t) => {
  const home = await testHome(t, { ...quick, resource });
  const first = await home.daemon();
  const { rows: own } = await home.until('a first row', async () => {
    const found = await home.json(['health', '--history']);
    return found.rows.length > 0 && found;
  });
  assert.equal(own[0].resolution, 'raw');
  first.process.kill('SIGTERM');
  await first.ended;
  const [{ host }] = rowsOf(home, 'SELECT host FROM health_metrics LIMIT 1');
  const hour = 3_600_000;
  const day = 24 * hour;
  const put = (id: string, agoMs: number, resolution: string, cpu: number): void =>
    void rowsOf(
      home,
      "INSERT INTO health_metrics (id, host, component, status, reason, at_ms, resolution, samples, figures) VALUES (?, ?, 'daemon', 'healthy', '', ?, ?, 1, ?)",
      id,
      host,
      Math.floor((Date.now() - agoMs) / hour) * hour,
      resolution,
      JSON.stringify({ cpu_percent: cpu }),
    );
  put('a', 26 * hour, 'raw', 10);
  put('b', 26 * hour, 'raw', 30);
  put('c', 9 * day, '1m', 50);
  put('d', 9 * day, '1m', 70);
  put('e', 400 * day, '1h', 90);
  await home.daemon();
  const old = await home.until('rolled up', async () => {
    const { rows } = await home.json(['health', '--history', '--since', '366d', '--metric', 'cpu_percent', '--component', 'daemon']);
    const past = rows.filter((row: Json) => row.atMs < Date.now() - day);
    return past.length === 2 && past.every(({ resolution }: Json) => resolution !== 'raw') && past;
  });
  assert.deepEqual(
    old.map(({ resolution, samples, figures }: Json) => [resolution, samples, figures]),
    [
      ['1h', 2, { cpu_percent: { avg: 60, min: 50, max: 70 } }],
      ['1m', 2, { cpu_percent: { avg: 20, min: 10, max: 30 } }],
    ],
  );
  assert.equal(rowsOf(home, "SELECT count(*) AS n FROM health_metrics WHERE id = 'e'")[0].n, 0, 'older than a year');
  const { stdout } = await home.todo(['health', '--history', '--since', '366d', '--metric', 'cpu_percent', '--component', 'daemon']);
  assert.match(stdout, /1h +daemon +healthy +cpu_percent 60 \(50–70\)/);
  assert.match(stdout, /1m +daemon +healthy +cpu_percent 20 \(10–30\)/);
  // Of this hour there is one since the second look of this daemon.
  const wrong = await home.until('what was measured is named', async () => {
    const { stderr } = await home.todo(['health', '--history', '--metric', 'cpu']);
    return /There are: .*cpu_percent/.test(stderr) && stderr;
  });
  assert.match(wrong, /no figure cpu was measured/);
});

test('[H-38] descriptors: those who say nothing are hung up on, hundreds of requests and some completions leave none, and leftovers in temporary folders go', async (t) => {
  const home = await testHome(t, { ...quick, resource, slots: { total: 4, agent: 4, project: 4 }, server: { port: 0 } });
  const temporary = join(home.folder, '.tmp');
  mkdirSync(join(temporary, 'todo-empty-abc123'), { recursive: true });
  mkdirSync(join(temporary, 'somebodys'));
  for (const name of readdirSync(temporary)) utimesSync(join(temporary, name), 0, 0);
  const first = await home.daemon({ TMPDIR: temporary });
  assert.deepEqual(
    readdirSync(temporary).filter((name) => name === 'todo-empty-abc123' || name === 'somebodys'),
    ['somebodys'],
  );
  const { url, token } = await served(home);
  // The first one opens what is kept for those who ask.
  await get(`${url}/status`, { authorization: `Bearer ${token}` });
  const open = async (): Promise<number> => component(await healthy(home), 'files').evidence.open;
  const works = async (count: number): Promise<void> => {
    const todos = await Promise.all(Array.from({ length: count }, () => home.add('true')));
    for (const { number } of todos) await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  };
  await works(2);
  const before = await open();

  const socket = join(home.folder, 'control.sock');
  const silent = [
    ...Array.from({ length: 60 }, () => connect(socket)),
    ...Array.from({ length: 40 }, () => connect(Number(new URL(url).port), '127.0.0.1')),
  ];
  for (const it of silent) it.on('error', () => {});
  const hungUp = Promise.all(silent.map((it) => once(it, 'close')));
  await home.until('the gauge counts them', async () => (await open()) >= before + 100);
  for (let round = 0; round < 15; round++) {
    const asked = Array.from({ length: 10 }, () => ask(socket, { op: 'status' }, 30_000));
    const got = Array.from({ length: 10 }, () => get(`${url}/status`, { authorization: `Bearer ${token}` }));
    for (const reply of await Promise.all(asked)) assert.equal(reply?.ok, true);
    for (const reply of await Promise.all(got)) assert.equal(reply.status, 200);
  }
  await works(8);
  await hungUp;
  await home.until('as before', async () => (await open()) <= before + 2);
  assert.equal(first.process.exitCode, null);
});

/** How the scheduler weighs a process: by the nice of its first thread (field 19 of stat), and by that of its session where the kernel has such. */
const placeOf = (pid: number | string): string =>
  `nice ${readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[16]}, session${/ nice -?\d+/.exec(read(`/proc/${pid}/autogroup`) ?? ' nice 0')?.[0]}`;

/** Of the processes of a run, each way once; null: it has none. */
function placesOf(runId: string): string[] | null {
  const places = taggedBy(`TODO_RUN=${runId}`).flatMap((pid) => {
    try {
      return [placeOf(pid)];
    } catch (error) {
      // It has ended meanwhile.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return [];
    }
  });
  return places.length === 0 ? null : [...new Set(places)];
}
