import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempDisposableSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createProcesses } from '../../src/platform/processes.ts';
import { fixture } from './program.ts';
import { until } from './until.ts';

const tag = 'TODO_RUN';

/** Processes of a test, ended with it, and the folder for their output. */
function world() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-processes-'));
  const exits: number[] = [];
  let waiting: (() => void)[] = [];
  const processes = createProcesses({
    onExit({ pid }) {
      exits.push(pid);
      for (const wake of waiting) wake();
      waiting = [];
    },
  });
  const run = randomUUID();
  const outputPath = join(at.path, 'output.log');
  return {
    processes,
    run,
    folder: at.path,
    outputPath,
    output: () => readFileSync(outputPath, 'utf8'),
    start: (...argv: string[]) => processes.start({ argv, cwd: at.path, env: { [tag]: run }, outputPath }),
    async exit(pid: number) {
      while (!exits.includes(pid)) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      await processes.endTagged(tag, run, 0);
      at.remove();
    },
  };
}

/** A zombie runs no more; whether somebody asks how it ended is not up to us. */
const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');

const sh = (script: string): string[] => ['sh', '-c', script];

test('a started process has a session of its own, no terminal and no input, and its log is appended to', async () => {
  await using at = world();
  const first = at.start(...sh('cat; echo out; echo err >&2; ps -o sid= -p $$ | tr -d " "; echo $$'));
  await at.exit(first.pid);
  const second = at.start(...sh('echo again'));
  await at.exit(second.pid);
  assert.equal(at.output(), `out\nerr\n${first.pid}\n${first.pid}\nagain\n`);
});

test('what a child inherits is everything except what is ours', async () => {
  await using at = world();
  process.env['TODO_STORE_URL'] = 'mysql://user:secret@host/db';
  process.env['PLAIN_WORD'] = 'kept';
  try {
    const { pid } = at.processes.start({
      argv: sh('env'),
      cwd: at.folder,
      env: { [tag]: at.run, HOME: null },
      outputPath: at.outputPath,
    });
    await at.exit(pid);
  } finally {
    delete process.env['TODO_STORE_URL'];
    delete process.env['PLAIN_WORD'];
  }
  const names = at.output().split('\n');
  assert.ok(names.includes('PLAIN_WORD=kept'));
  assert.ok(names.includes(`${tag}=${at.run}`));
  assert.deepEqual(
    names.filter((line) => /^(HOME|TODO_STORE_URL)=/.test(line)),
    [],
  );
});

test('a start that fails says whether the program or the folder is missing', async () => {
  await using at = world();
  assert.throws(() => at.start('no-such-program-anywhere'), { code: 'SPAWN_FAILED', message: /no-such-program-anywhere was not found/ });
  const nowhere = { argv: ['true'], cwd: join(at.folder, 'none'), env: {}, outputPath: at.outputPath };
  assert.throws(() => at.processes.start(nowhere), { code: 'SPAWN_FAILED', message: /the folder .*none does not exist/ });
});

test('[W8] a process is alive by pid, start time and boot: a zombie, an ended one and a number used again are not', async () => {
  await using at = world();
  const living = at.start('sleep', '1000');
  assert.equal(at.processes.alive(living), 'yes');
  assert.equal(at.processes.alive({ ...living, startTicks: living.startTicks + 1 }), 'no');
  assert.equal(at.processes.alive({ ...living, bootId: 'another boot' }), 'no');
  assert.equal(at.processes.alive(at.processes.self()), 'yes');
  process.kill(living.pid, 'SIGKILL');
  await at.exit(living.pid);
  assert.equal(at.processes.alive(living), 'no');

  // A shell that does not ask how its child ended leaves a zombie.
  const parent = at.start(...sh('sleep 0 & echo $!; kill -STOP $$'));
  const child = Number(await until('the child to be named', () => at.output().trim()));
  await until('the zombie', () => readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z '));
  const [, rest = ''] = readFileSync(`/proc/${child}/stat`, 'utf8').split(') ');
  assert.equal(at.processes.alive({ pid: child, startTicks: Number(rest.split(' ')[19]), bootId: parent.bootId }), 'no');
});

test('[F9] none of a run is left, not even who left session and group by forking twice, nor who does not hear TERM', async () => {
  await using at = world();
  const root = at.start('sh', fixture('fork-twice.sh'));
  const pids = await until('all to run', () => {
    const said = [...at.output().matchAll(/^\w+ (\d+)$/gm)].map((match) => Number(match[1]));
    return said.length === 3 && said;
  });
  // The stubborn one's own sleep is found too.
  await until('the tagged ones', () => at.processes.tagged(tag, at.run).length >= 5);
  const before = at.processes.tagged(tag, at.run);
  for (const pid of [root.pid, ...pids])
    assert.ok(
      before.some((it) => it.pid === pid),
      `${pid} was not found by its environment`,
    );
  assert.equal(await at.processes.endTagged(tag, at.run, 100), true);
  assert.deepEqual(at.processes.tagged(tag, at.run), []);
  for (const id of before) assert.equal(at.processes.alive(id), 'no');
});

test('who is stopped ends too, and who dropped the environment but stayed in the session', { timeout: 10_000 }, async () => {
  await using at = world();
  at.start(...sh('env -i sleep 1000 & echo $!; kill -STOP $$'));
  const bare = Number(await until('the bare one', () => at.output().trim()));
  await until('its exec', () => !readFileSync(`/proc/${bare}/environ`, 'utf8').includes(at.run));
  assert.equal(await at.processes.endTagged(tag, at.run, 60_000), true);
  assert.equal(isRunning(bare), false);
});

test('TERM comes first: who tidies up within the grace is not killed', async () => {
  await using at = world();
  const { pid } = at.start(...sh('trap "echo tidied; exit 0" TERM; echo ready; while :; do sleep 1000 & wait; done'));
  await until('ready', () => at.output().includes('ready'));
  assert.equal(await at.processes.endTagged(tag, at.run, 5000), true);
  await at.exit(pid);
  assert.match(at.output(), /tidied/);
});

test('a daemon that carries the tag itself ends neither itself nor those it comes from', async () => {
  await using at = world();
  const program = `
    const { createProcesses } = await import(${JSON.stringify(new URL('../../src/platform/processes.ts', import.meta.url).href)});
    const processes = createProcesses({ onExit: () => {} });
    processes.start({ argv: ['sleep', '1000'], cwd: '/', env: { ${tag}: process.env.${tag} }, outputPath: '/dev/null' });
    console.log(processes.tagged('${tag}', process.env.${tag}).some(({ pid }) => pid === process.pid));
    console.log(await processes.endTagged('${tag}', process.env.${tag}, 100));`;
  const child = spawn('sh', ['-c', '"$0" --input-type=module -e "$1"; echo outlived', process.execPath, program], {
    env: { ...process.env, [tag]: at.run },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  await once(child, 'close');
  assert.equal(said, 'false\ntrue\noutlived\n');
});

test('CPU of a run counts that of children that have ended', async () => {
  await using at = world();
  at.start(...sh('sh -c "i=0; while [ \\$i -lt 300000 ]; do i=\\$((i+1)); done"; echo done; exec sleep 1000'));
  await until('the work', () => at.output().includes('done'));
  const worked = at.processes.cpuMs(tag, at.run) ?? 0;
  assert.ok(worked >= 50, `${worked} ms`);
  assert.equal(at.processes.cpuMs(tag, 'nobody'), 0);
});

test('a look at all processes by their environment takes milliseconds', async () => {
  await using at = world();
  at.start('sleep', '1000');
  const times = Array.from({ length: 20 }, () => {
    const before = performance.now();
    assert.equal(at.processes.tagged(tag, at.run).length, 1);
    return performance.now() - before;
  }).sort((a, b) => a - b);
  assert.ok(times[10]! < 50, `${times[10]} ms`);
});

test('the state of the system names the processes of the run', async () => {
  await using at = world();
  const { pid } = at.start('sleep', '1000');
  const state = at.processes.system(at.folder, { name: tag, value: at.run });
  assert.deepEqual(
    state.processes.map((it) => [it.pid, it.command]),
    [[pid, 'sleep 1000']],
  );
  assert.ok(state.diskTotalBytes > state.diskFreeBytes && state.memoryTotalBytes > 0 && state.cpus > 0);
  assert.deepEqual(at.processes.system(at.folder).processes, []);
});

const check = (argv: readonly string[], more: { timeoutMs?: number; tailBytes?: number; cwd?: string } = {}) => ({
  argv,
  cwd: more.cwd ?? tmpdir(),
  env: {},
  timeoutMs: more.timeoutMs ?? 10_000,
  tailBytes: more.tailBytes ?? 1000,
});
const processes = createProcesses({ onExit: () => {} });
/** A sleep that nobody else sleeps. */
const nap = (n: number): string => `sleep 999.${process.pid}${n}`;
const running = (pattern: string): string =>
  execFileSync('sh', ['-c', 'ps -eo args= | grep -c "^$0" || true', pattern], { encoding: 'utf8' }).trim();

test('a command is run to its end: code, output of both kinds, its last bytes from a whole character on', async () => {
  const ok = await processes.run(check(sh('echo out; echo err >&2; exit 3')));
  assert.deepEqual(
    { ...ok, durationMs: 0, tail: ok.tail.split('\n').sort() },
    { exitCode: 3, osSignal: null, timedOut: false, startError: null, tail: ['', 'err', 'out'], bytes: 8, durationMs: 0 },
  );
  const cut = await processes.run(check(sh('printf "aäöü"'), { tailBytes: 5 }));
  assert.deepEqual([cut.tail, cut.bytes], ['öü', 7]);
  const long = await processes.run(check(sh('yes | head -c 3000000; echo end'), { tailBytes: 6 }));
  assert.deepEqual([long.tail, long.bytes], ['y\nend\n'.slice(-6), 3_000_004]);
});

test('a command that dies of a signal, or cannot be started, says so', async () => {
  assert.equal((await processes.run(check(sh('kill -SEGV $$')))).osSignal, 'SIGSEGV');
  assert.match((await processes.run(check(['no-such-program-anywhere']))).startError ?? '', /was not found/);
  assert.match((await processes.run(check(['true'], { cwd: '/nowhere' }))).startError ?? '', /does not exist/);
});

test('what a command leaves running in a session of its own ends with it', async () => {
  const { exitCode, durationMs } = await processes.run(check(sh(`(setsid ${nap(1)} &) ; exit 0`)));
  assert.equal(exitCode, 0);
  assert.ok(durationMs < 2000, `${durationMs} ms`);
  assert.equal(running(nap(1)), '0');
});

test('a timeout ends the command and all it started, and is reported as a timeout', async () => {
  const result = await processes.run(check(sh(`(setsid ${nap(2)} &); echo begun; ${nap(2)}`), { timeoutMs: 100 }));
  assert.deepEqual([result.timedOut, result.osSignal, result.tail], [true, 'SIGTERM', 'begun\n']);
  assert.equal(running(nap(2)), '0');
});

test('a stop ends the command at once', async () => {
  const stop = new AbortController();
  const running = processes.run(check(sh(nap(3))), stop.signal);
  stop.abort();
  const { osSignal, timedOut } = await running;
  assert.deepEqual([osSignal, timedOut], ['SIGTERM', false]);
  assert.match((await processes.run(check(['true']), stop.signal)).startError ?? '', /stopped/);
});
