import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';
import { served } from './http-get.ts';
import { receiver } from './receiver.ts';
import { commandAgent, runnerPrograms } from './runner-programs.ts';

const added = async (home: TestHome, title: string, ...options: readonly string[]): Promise<number> =>
  (await home.json(['add', title, '--cwd', home.work, ...options])).todo.number;
const completed = (home: TestHome, number: number): Promise<Json> =>
  home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
const workers = ({ runs }: Json): readonly string[] => runs.map(({ agent }: Json) => agent);
const told = (home: TestHome, event: string) => home.log('completion').filter((line) => line.event === event);
const saidOf = (home: TestHome, agent: string, event: string) =>
  home.until(`${agent}: ${event}`, () => home.log('monitor').some((line) => line.event === event && line.agent === agent));

test('[P-08] [P-09] [P-11] [P-39] [P-32] [P-10] [P-59] [P-12] each run goes to the best runner that is well, by the order of the configuration; with none the fallback puts it off', async (t) => {
  const home = await testHome(t, {
    resource: { probe_interval: 0.1 },
    slots: { total: 10, agent: 10, project: 10 },
    server: { port: 0 },
    agents: { alpha: commandAgent('alpha'), beta: commandAgent('beta') },
    runners: [
      { agent: 'beta', priority: 6 },
      { agent: 'alpha', priority: 1 },
    ],
  });
  const { env, be } = runnerPrograms(home, 'alpha', 'beta');
  be('alpha', 'ill');
  await home.daemon(env);
  const { ask } = await served(home);

  // The first choice fails its probe.
  const first = await completed(home, await added(home, 'the first one'));
  assert.equal(first.agent, 'auto', 'the todo keeps its word');
  assert.deepEqual(workers(first), ['beta']);
  assert.match(readFileSync(first.report, 'utf8'), /beta got: Todo 1: the first one/);
  const [choice] = told(home, 'runner chosen, not the first choice');
  assert.deepEqual([choice.level, choice.agent, choice.degraded], ['warn', 'beta', false]);
  const { events } = await home.json(['why', '1']);
  const chosen = events.find(({ fact }: Json) => fact === 'chosen');
  assert.equal(chosen.reason, 'alpha: not used, its probe failed: exit code 3: out of order; beta: chosen');
  const one = (await ask('/api/ai/health')).json;
  assert.deepEqual(
    [one.overall, one.providers.map(({ provider, status }: Json) => [provider, status])],
    [
      'degraded',
      [
        ['alpha', 'unhealthy'],
        ['beta', 'healthy'],
        ['fallback', 'healthy'],
      ],
    ],
  );
  const asked = await home.json(['agents', '--health'], { env, code: 1 });
  const alpha = asked.agents.find(({ agent }: Json) => agent === 'alpha');
  assert.deepEqual([alpha.status, alpha.reason], ['unhealthy', 'its probe failed: exit code 3: out of order']);
  assert.ok(alpha.sinceMs <= Date.now() && alpha.whatToDo !== null);
  const health = await home.json(['health'], { code: 1 });
  const component = health.components.find(({ name }: Json) => name === 'runners');
  assert.deepEqual([component.status, /beta is the next one/.test(component.reason)], ['degraded', true]);
  const listed = (await home.json(['agents'], { env })).agents;
  assert.deepEqual(
    listed.slice(0, 3).map(({ agent, adapter, order }: Json) => [agent, adapter, order]),
    [
      ['alpha', 'command', 1],
      ['beta', 'command', 2],
      ['fallback', 'fallback', 3],
    ],
  );

  // Both fail: nobody works on it, it says so, and nothing is finished.
  be('beta', 'ill');
  await saidOf(home, 'beta', 'runner is not used');
  const number = await added(home, 'for nobody');
  const parked = await home.untilTodo(number, 'parked', ({ status }) => status === 'parked');
  assert.deepEqual([workers(parked), parked.runs[0].outcome, parked.proof, parked.attempts], [['fallback'], 'parked', null, 0]);
  assert.match(parked.reason, /^degraded: no agent worked on it \(alpha: its probe failed.*; beta: its probe failed/);
  const waitsMs = parked.notBeforeMs - parked.updatedAtMs;
  assert.ok(waitsMs > 50_000 && waitsMs <= 3_600_000, `it waits ${waitsMs} ms`);
  assert.match(readFileSync(parked.report, 'utf8'), /NO AGENT WORKED ON TODO 2: for nobody/);
  const fallen = (await ask('/api/ai/health')).json;
  assert.deepEqual([fallen.overall, fallen.providers.at(-1).provider, fallen.providers.at(-1).status], ['degraded', 'fallback', 'healthy']);
  assert.equal((await home.json(['agents', '--health'], { env, code: 1 })).agents.at(-1).status, 'healthy');

  // One is well again: what was put off need not wait for its time, and the order is kept.
  be('alpha', 'well');
  const back = await completed(home, number);
  assert.deepEqual(workers(back).toSorted(), ['alpha', 'fallback']);
  assert.equal(back.runs.at(-1).outcome === 'done' || back.runs[0].outcome === 'done', true);

  // Another order, from the configuration alone, while the daemon runs.
  be('beta', 'well');
  await saidOf(home, 'beta', 'runner is well again');
  assert.deepEqual(workers(await completed(home, await added(home, 'by the old order'))), ['alpha']);
  const turned = [
    { agent: 'alpha', priority: 9 },
    { agent: 'beta', priority: 0 },
  ];
  assert.equal((await home.todo(['config', 'set', 'runners', JSON.stringify(turned)])).code, 0);
  assert.deepEqual(workers(await completed(home, await added(home, 'by the new order'))), ['beta']);

  // Of the last looks, so nobody is asked for a request; as the daemon itself measured it, since this machine may be busy.
  for (let each = 0; each < 100; each++) assert.equal((await ask('/api/ai/health')).status, 200);
  const durations = (await ask('/metrics')).text.matchAll(
    /^todo_http_request_duration_seconds_bucket\{page="\/api\/ai\/health",le="([^"]+)"\} (\d+)$/gm,
  );
  const within = new Map([...durations].map(([, le, count]) => [le, Number(count)]));
  t.diagnostic(`GET /api/ai/health: ${within.get('0.005')} of ${within.get('+Inf')} within 5 ms`);
  assert.ok(within.get('+Inf')! >= 100 && within.get('0.1')! >= 0.99 * within.get('+Inf')!, JSON.stringify([...within]));

  // However many ask, the choice reads what is known.
  await Promise.all(Array.from({ length: 16 }, (_, each) => added(home, `one of many ${each}`)));
  const took = await home.until('all of them were chosen for', () => {
    const choices = [...told(home, 'runner chosen'), ...told(home, 'runner chosen, not the first choice')];
    return choices.length >= 20 && choices.map(({ tookMs }) => tookMs as number);
  });
  const sorted = took.toSorted((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]!;
  t.diagnostic(`choosing a runner: p50 ${sorted[Math.floor(sorted.length / 2)]} ms, p99 ${p99} ms of ${sorted.length}`);
  assert.ok(p99 < 100, `p99 ${p99} ms`);
});

/** All programs of this machine but those. */
function pathWithout(home: TestHome, ...names: readonly string[]): string {
  const folder = join(home.folder, '..', 'bin');
  mkdirSync(folder);
  for (const from of ['/usr/bin', '/bin', '/usr/local/bin'])
    for (const name of existsSync(from) ? readdirSync(from) : [])
      if (!names.includes(name) && !existsSync(join(folder, name))) symlinkSync(join(from, name), join(folder, name));
  return folder;
}

test('[P-34] no agent is installed: degraded, the fallback is well, and a todo says who is missing', async (t) => {
  const home = await testHome(t, {
    resource: { probe_interval: 0.1 },
    agents: { codex: commandAgent('codex', { needs_env: ['CODEX_TEST_KEY'] }) },
    runners: [{ agent: 'claude' }, { agent: 'codex' }],
  });
  const env = { PATH: pathWithout(home, 'claude', 'codex') };
  await home.daemon(env);
  const parked = await home.untilTodo(await added(home, 'for nobody'), 'parked', ({ status }) => status === 'parked');
  assert.deepEqual(workers(parked), ['fallback']);
  assert.match(parked.reason, /claude: claude was not found.*; codex: codex was not found/);
  const { status, agents } = await home.json(['agents', '--health'], { env, code: 1 });
  assert.equal(status, 'degraded');
  assert.equal(agents.at(-1).agent, 'fallback');
  assert.equal(agents.at(-1).status, 'healthy');
  const health = await home.json(['health'], { env, code: 1 });
  assert.equal(health.status, 'degraded');
  assert.match(health.components.find(({ name }: Json) => name === 'runners').reason, /fallback is the next one/);
  // Installed, but without its key: the name is said, what it holds never is.
  const { remove } = runnerPrograms(home, 'codex');
  writeFileSync(join(env.PATH, 'codex'), readFileSync(join(home.folder, '..', 'programs', 'codex')), { mode: 0o755 });
  remove('codex');
  const again = await home.json(['agents', '--health'], { env, code: 1 });
  const codex = again.agents.find(({ agent }: Json) => agent === 'codex');
  assert.deepEqual([codex.status, codex.reason], ['unhealthy', 'CODEX_TEST_KEY is not set']);
  const { findings } = await home.json(['doctor'], { env, code: 1 });
  assert.match(findings.find(({ what }: Json) => what === 'agent codex').evidence, /CODEX_TEST_KEY is not set/);
  // Nobody but the fallback: what a person says stands all the same.
  assert.equal((await home.todo(['cancel', String(parked.number)])).code, 0);
});

test('a runner that cannot be started, or that refuses work, hands the todo on to the next one; what was learned outlives the daemon', async (t) => {
  const { url, heard, state } = await receiver(t);
  state.status = 200;
  const home = await testHome(t, {
    // Nobody looks meanwhile: what is wrong is found by the runs alone.
    resource: { probe_interval: 60 },
    run: { retry_delay: 0.05 },
    monitoring: { webhook_url: url },
    agents: Object.fromEntries(['alpha', 'beta', 'gamma'].map((name) => [name, commandAgent(name, { probe_interval: 600 })])),
    runners: [{ agent: 'alpha' }, { agent: 'beta' }, { agent: 'gamma' }],
  });
  const { env, be, remove } = runnerPrograms(home, 'alpha', 'beta', 'gamma');
  const daemon = await home.daemon(env);
  const inTmux = await completed(home, await added(home, 'all are well', '--session', 'tmux'));
  assert.deepEqual([workers(inTmux), inTmux.runs[0].kind], [['alpha'], 'tmux']);

  remove('alpha');
  be('beta', 'limit');
  const handed = await completed(home, await added(home, 'handed on'));
  const runs = handed.runs.toSorted((a: Json, b: Json) => a.fence - b.fence).map(({ agent, outcome }: Json) => [agent, outcome]);
  assert.deepEqual(runs, [
    ['alpha', 'lost'],
    ['beta', 'released'],
    ['gamma', 'done'],
  ]);
  assert.equal(handed.attempts, 1, 'a usage limit is no attempt');
  const { events } = await home.json(['why', String(handed.number)]);
  assert.ok(events.some(({ reason }: Json) => /beta: .*exit code 75; gamma goes on/.test(reason ?? '')));

  be('gamma', 'auth');
  const refused = await home.untilTodo(await added(home, 'refused'), 'parked', ({ status }) => status === 'parked');
  assert.deepEqual(workers(refused), ['gamma']);
  const reasons = /alpha: it could not be started.*beta: its usage limit is reached.*gamma: its key or account was refused/;
  assert.match(refused.reason, reasons);
  await home.until('a person was told', () => heard.some(({ kind }) => kind === 'runner'));

  daemon.process.kill('SIGTERM');
  await daemon.ended;
  await home.daemon({ ...env });
  const later = await home.untilTodo(await added(home, 'after a restart'), 'parked', ({ status }) => status === 'parked');
  assert.deepEqual(workers(later), ['fallback']);
  assert.match(later.reason, /beta: its usage limit is reached.*gamma: its key or account was refused/);
  assert.equal(heard.filter(({ kind }) => kind === 'runner').length, 1, 'once');
});

test('an agent that is defined no more when its run ends: its exit code still speaks', async (t) => {
  const home = await testHome(t, { agents: { alpha: commandAgent('alpha') }, runners: [{ agent: 'alpha' }] });
  const { env, be } = runnerPrograms(home, 'alpha');
  be('alpha', 'waits');
  const daemon = await home.daemon(env);
  const number = await added(home, 'outlives its definition');
  await home.untilTodo(number, 'running', ({ status }) => status === 'running');
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  assert.equal((await home.todo(['config', 'unset', 'runners'])).code, 0);
  assert.equal((await home.todo(['config', 'unset', 'agents'])).code, 0);
  be('alpha', 'well');
  await home.daemon(env);
  assert.deepEqual(workers(await completed(home, number)), ['alpha']);
});

test('wrong runners are refused before anything starts, and doctor says which', async (t) => {
  const home = await testHome(t, { agents: { codex: commandAgent('codex') }, runners: [{ agent: 'codx' }] });
  const { code, stderr } = await home.todo(['list']);
  assert.notEqual(code, 0);
  assert.match(stderr, /runners\.0\.agent.*did you mean "codex"/s);
  const doctor = await home.todo(['doctor']);
  assert.match(doctor.stdout, /did you mean\s+"codex"/);
});
