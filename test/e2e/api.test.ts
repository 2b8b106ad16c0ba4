// The package as a program gets it: packed by npm, installed into a folder of its own, imported, required and type-checked there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from './build.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
let consumer: string;
/** npm itself may run on an older Node; what it starts finds ours first. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` };

before(async () => {
  await build();
  consumer = mkdtempSync(join(tmpdir(), 'signoff-consumer-'));
  const quiet = ['--ignore-scripts', '--silent', '--no-audit', '--no-fund'];
  const { stdout } = await run('npm', ['pack', ...quiet, '--pack-destination', consumer], { cwd: root, env });
  writeFileSync(join(consumer, 'package.json'), '{"name":"consumer","private":true}');
  await run('npm', ['install', ...quiet, '--prefer-offline', join(consumer, stdout.trim())], { cwd: consumer, env });
});
after(() => rmSync(consumer, { recursive: true, force: true }));

/** What a program of the consumer prints as JSON; `completionApi` and `seen` (an error as values) are there. */
async function program(home: TestHome, body: string, more: Readonly<Record<string, string>> = {}): Promise<Json> {
  const file = join(consumer, `program-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(
    file,
    `import { completionApi, isOperationalError } from 'signoff';
const seen = (promise) => promise.then((value) => ({ value }), (error) => ({ operational: isOperationalError(error), code: error.code, message: error.message, hint: error.hint }));
const result = await (async () => { ${body} })();
console.log(JSON.stringify(result));`,
  );
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TODO_')));
  const { stdout } = await run(process.execPath, [file], { env: { ...clean, TODO_HOME: home.folder, ...more }, cwd: consumer });
  return JSON.parse(stdout);
}

test('[C-79] the installed package gives the functions to import and to require, and loads nothing else before they are called', async (t) => {
  const home = await testHome(t);
  const names = ['scheduleCompletion', 'cancelScheduledCompletion', 'batchComplete', 'getCompletionMetrics', 'exportSessionData'];
  assert.deepEqual(await program(home, 'return Object.keys(completionApi);'), names);
  const required = await run(
    process.execPath,
    [
      '-e',
      `const { completionApi } = require('signoff'); console.log(JSON.stringify([Object.keys(completionApi), Object.keys(require.cache).map((path) => require('node:fs').statSync(path).size)]))`,
    ],
    { cwd: consumer },
  );
  const [keys, loaded] = JSON.parse(required.stdout);
  assert.deepEqual(keys, names);
  assert.ok(loaded.reduce((sum: number, bytes: number) => sum + bytes, 0) < 45_000, `${loaded} bytes`);
  assert.ok(!existsSync(join(home.folder, 'todo.db')), 'importing touches nothing');
  const bin = await run(join(consumer, 'node_modules', '.bin', 'todo'), ['--version'], { env });
  assert.match(bin.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('[C-79] typed: a TypeScript program compiles against it, import and require, and what is wrong does not', async () => {
  const right = `
const done: CompletionResult[] = [];
async function all(api: CompletionApi): Promise<number> {
  const { id, atMs, daemon, todo } = await api.scheduleCompletion(7, { inMs: 60_000, summary: 'as agreed', verb: 'fail' });
  const text: string = id + todo.number.toFixed() + String(daemon);
  const { ok, results } = await api.batchComplete([1, '019a'], { force: true, home: '/tmp/home' });
  for (const result of results) {
    done.push(result);
    if (result.ok) console.log(result.number.toFixed(), result.proof satisfies Proof | null);
    else console.log(result.error.code, result.error.hint);
  }
  const { durations, forcedShare, byAgent, byProof } = await api.getCompletionMetrics({ sinceMs: atMs });
  const p95: number | null = durations.p95Ms ?? byAgent['claude']?.durations.p95Ms ?? forcedShare;
  const { data, saved } = await api.exportSessionData('019a', { file: 'x.json' });
  for (const { files } of data.archives) for (const { name, content, encoding } of files) console.log(name, Buffer.from(content, encoding));
  await api.cancelScheduledCompletion(7);
  return (p95 ?? 0) + (saved?.sizeBytes ?? 0) + byProof.forced + text.length + Number(ok);
}
all(completionApi).catch((error: unknown) => isOperationalError(error) && console.log(error.code, error.hint));
`;
  const types = `import { completionApi, isOperationalError, type CompletionApi, type CompletionResult, type Proof } from 'signoff';\n`;
  writeFileSync(join(consumer, 'right.mts'), types + right);
  const required = `import signoff = require('signoff');\nimport type { CompletionApi, CompletionResult, Proof } from 'signoff';\nconst { completionApi } = signoff;\nconst isOperationalError: typeof signoff.isOperationalError = signoff.isOperationalError;\n`;
  writeFileSync(join(consumer, 'right.cts'), required + right);
  const wrong = [
    'completionApi.scheduleCompletion(7);',
    `completionApi.scheduleCompletion(7, { inMs: 60_000, verb: 'park' });`,
    `completionApi.batchComplete(7);`,
    `completionApi.getCompletionMetrics({ since: 5 });`,
    `completionApi.exportSessionData(7).then(({ data }) => data.kind === 'todo');`,
    `completionApi.batchComplete([1]).then(({ results }) => results[0]!.error.code);`,
  ];
  writeFileSync(join(consumer, 'wrong.mts'), types + wrong.join('\n'));
  const options = {
    strict: true,
    noEmit: true,
    target: 'es2024',
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  };
  writeFileSync(
    join(consumer, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['right.mts', 'right.cts', 'wrong.mts'] }),
  );
  const { stdout } = await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', consumer], {
    cwd: consumer,
  }).catch((error: { stdout: string }) => error);
  const errors = stdout.split('\n').filter((line) => / error TS/.test(line));
  assert.deepEqual(
    errors.map((line) => /^(.*?)\((\d+),/.exec(line)?.slice(1)),
    wrong.map((_, index) => ['wrong.mts', String(index + 2)]),
    stdout,
  );
});

for (const daemon of [true, false]) {
  test(`[C-79] [C-57] batchComplete, ${daemon ? 'with' : 'without'} a daemon: each with its own result, as the command gives it`, async (t) => {
    const home = await testHome(t);
    if (daemon) await home.daemon();
    const [first, second, third] = [
      await home.add('true', '--hold', '--check', 'true'),
      await home.add('true', '--hold'),
      await home.add('true', '--hold'),
    ];
    const said = await program(
      home,
      `const { ok, results } = await completionApi.batchComplete([${first.number}, 999, ${JSON.stringify(second.id)}], { summary: 'from a program' });
       return { ok, results: results.map((it) => it.ok ? it : { ...it, error: { code: it.error.code, hint: it.error.hint, known: isOperationalError(it.error) } }) };`,
    );
    const common = { error: null, ok: true, status: 'completed' };
    assert.deepEqual(said, {
      ok: false,
      results: [
        { ref: String(first.number), ...common, id: first.id, number: first.number, proof: 'verified' },
        { ref: '999', ok: false, error: { code: 'NOT_FOUND', hint: 'See: todo list', known: true } },
        { ref: second.id, ...common, id: second.id, number: second.number, proof: 'overridden' },
      ],
    });
    const { todo } = await home.json(['show', String(first.number)]);
    assert.deepEqual([todo.runs.length, todo.runs[0].saidBy, /from a program/.test(todo.summary)], [1, 'person', true]);
    const failed = await program(home, `return await completionApi.batchComplete([${third.number}], { verb: 'fail', reason: 'no more' });`);
    assert.deepEqual([failed.ok, failed.results[0].status], [true, 'failed']);
  });
}

test('[C-79] [C-56] scheduleCompletion: durable, said once by the daemon at its time, taken back by cancelScheduledCompletion', async (t) => {
  const home = await testHome(t);
  const { number, id } = await home.add('true', '--hold');
  const before = Date.now();
  const scheduled = await program(
    home,
    `return await completionApi.scheduleCompletion(${number}, { inMs: 86_400_000, summary: 'later' });`,
  );
  assert.deepEqual([scheduled.todo, scheduled.verb, scheduled.daemon], [{ id, number }, 'done', false]);
  assert.ok(scheduled.atMs >= before + 86_400_000 && scheduled.atMs <= Date.now() + 86_400_000);
  assert.deepEqual((await home.show(number)).scheduled, { id: scheduled.id, verb: 'done', atMs: scheduled.atMs });
  const cancelled = `return [await completionApi.cancelScheduledCompletion(${number}), await completionApi.cancelScheduledCompletion(${number})];`;
  assert.deepEqual(await program(home, cancelled), [true, false]);
  assert.equal((await home.show(number)).scheduled, null);
  await home.daemon();
  const soon = await program(home, `return await completionApi.scheduleCompletion(${number}, { atMs: Date.now() + 200 });`);
  assert.equal(soon.daemon, true);
  const todo = await home.untilTodo(number, 'it is completed', ({ status }) => status === 'completed');
  assert.ok(todo.runs.length === 1 && todo.runs[0].startedAtMs >= soon.atMs);
});

test('[C-79] getCompletionMetrics counts what ended, as todo status --completions does', async (t) => {
  const home = await testHome(t, { behavior: { completion_timeout: 0.2, emergency_timeout: 0.5, quiet_after: 0.1, term_grace: 0.5 } });
  const empty = await program(home, 'return await completionApi.getCompletionMetrics();');
  assert.deepEqual([empty.ended, empty.forcedShare, empty.durations], [0, null, { count: 0, meanMs: null, p50Ms: null, p95Ms: null }]);
  for (const [command, code] of [
    ['true', 0],
    ['exit 3', 1],
    ['exec sleep 600', 1],
  ] as const)
    await home.json(['run', '--', 'sh', '-c', command], { code });
  const checked = await home.add('true', '--check', 'true');
  await home.json(['run', String(checked.number)]);
  const cancelled = await home.add('true', '--hold');
  await home.json(['cancel', String(cancelled.number)]);
  const metrics = await program(home, 'return await completionApi.getCompletionMetrics();');
  assert.deepEqual(
    [metrics.ended, metrics.byStatus, metrics.byProof],
    [5, { completed: 3, failed: 1, cancelled: 1 }, { verified: 1, unverified: 1, forced: 1, overridden: 0 }],
  );
  assert.equal(metrics.forcedShare, 1 / 3);
  assert.deepEqual(metrics.attempts, { total: 4, mean: 0.8, max: 1 });
  assert.deepEqual(metrics.byOutcome, { done: 2, failed: 1, forced: 1 });
  const { todos } = await home.json(['list']);
  const took = todos
    .flatMap(({ runs }: Json) => runs)
    .map(({ startedAtMs, endedAtMs }: Json) => endedAtMs - startedAtMs)
    .sort((a: number, b: number) => a - b);
  const meanMs = took.reduce((sum: number, ms: number) => sum + ms, 0) / took.length;
  assert.deepEqual(metrics.durations, { count: 4, meanMs, p50Ms: took[1], p95Ms: took[3] });
  const { sinceMs: _since, untilMs: _until, byOutcome: _outcomes, byAgent, ...all } = metrics;
  assert.deepEqual(byAgent, { shell: all });
  const { schemaVersion: _version, kind, ...shown } = await home.json(['status', '--completions']);
  assert.deepEqual([kind, shown], ['completions', metrics]);
  assert.match(
    (await home.todo(['status', '--completions'])).stdout,
    /completed +3 \(verified 1, unverified 1, forced 1, overridden 0\)[\s\S]*shell +5 +3 +33\.3 %/,
  );
  const endedAtMs = todos.map((todo: Json) => todo.endedAtMs).sort((a: number, b: number) => a - b);
  const range = await program(
    home,
    `return await completionApi.getCompletionMetrics({ sinceMs: ${endedAtMs[1]}, untilMs: ${endedAtMs[4]} });`,
  );
  assert.equal(range.ended, endedAtMs.filter((ms: number) => ms >= endedAtMs[1] && ms < endedAtMs[4]).length);
});

test('[C-79] [C-58] exportSessionData: one file, each part verified by its manifest and the manifest by the record', async (t) => {
  const home = await testHome(t);
  const bytes = Buffer.from([0, 255, 254, 10]);
  const { todo } = await home.json(['run', '--', 'sh', '-c', `printf '\\000\\377\\376\\n' > made; echo exported`], { code: 0 });
  writeFileSync(join(home.work, 'note.bin'), bytes);
  await home.json(['comment', '1', 'seen by anna']);
  await home.json(['attach', '1', join(home.work, 'note.bin')]);
  const file = join(home.work, 'session.json');
  const { data, saved } = await program(home, `return await completionApi.exportSessionData(1, { file: ${JSON.stringify(file)} });`);
  assert.deepEqual(readdirSync(home.work).sort(), ['note.bin', 'session.json'], 'nothing beside it');
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), data, 'the file has what the call gave');
  assert.deepEqual(data, await home.json(['export', '1']), 'and the command says the same');
  const { createHash } = await import('node:crypto');
  const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
  assert.deepEqual(saved, { file, sizeBytes: readFileSync(file).length, sha256: sha256(readFileSync(file)) });
  assert.deepEqual([data.todo.id, data.records[0].runId, data.comments[0].text], [todo.id, todo.runs[0].id, 'seen by anna']);
  assert.deepEqual(Buffer.from(data.attachments[0].content, data.attachments[0].encoding), bytes);

  // The whole of it, checked by what stands in it alone.
  const [archive] = data.archives;
  const contents = new Map<string, Buffer>(archive.files.map((it: Json) => [it.name, Buffer.from(it.content, it.encoding)]));
  assert.ok(archive.here && archive.files.every((it: Json) => it.listed && sha256(contents.get(it.name)!) === it.sha256));
  assert.equal(sha256(contents.get('manifest.json')!), data.records[0].manifestSha256);
  const manifest = JSON.parse(contents.get('manifest.json')!.toString());
  const named = Object.values(manifest.files as Json[]).map((it: Json) => it.name);
  assert.deepEqual([...named, 'manifest.json'].sort(), [...contents.keys()].sort());
  for (const { name, sha256: digest } of manifest.files) assert.equal(sha256(contents.get(name)!), digest, name);

  const refused = (why: RegExp) => async () => {
    const said = await program(home, `return await seen(completionApi.exportSessionData(1, { file: ${JSON.stringify(`${file}.2`)} }));`);
    assert.deepEqual([said.operational, said.code], [true, 'BAD_DATA']);
    assert.match(said.message, why);
    assert.ok(!existsSync(`${file}.2`), 'nothing is written');
  };
  const manifestFile = join(archive.folder, 'manifest.json');
  writeFileSync(join(archive.folder, 'output.txt'), 'forged\n');
  await refused(/output\.txt has another digest than its manifest says/)();
  // Whoever forges the manifest too is found out by the record.
  const forged = manifest.files.map((it: Json) => (it.name === 'output.txt' ? { ...it, sha256: sha256(Buffer.from('forged\n')) } : it));
  writeFileSync(manifestFile, JSON.stringify({ ...manifest, files: forged }));
  await refused(/its manifest is not the one that was recorded/)();
  rmSync(manifestFile);
  await refused(/its manifest is missing/)();
  rmSync(archive.folder, { recursive: true });
  const elsewhere = await program(home, 'return await completionApi.exportSessionData(1);');
  assert.deepEqual([elsewhere.data.archives[0].here, elsewhere.data.archives[0].files, elsewhere.saved], [false, [], null]);
});

test('[C-79] errors are operational ones with a code: of the arguments, of the todo, of the store, of the place', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('true', '--hold');
  const wrong: [call: string, code: string][] = [
    [`scheduleCompletion(${number}, {})`, 'USAGE'],
    [`scheduleCompletion(${number}, { inMs: 1, atMs: 2 })`, 'USAGE'],
    [`scheduleCompletion(${number}, { inMs: -1 })`, 'USAGE'],
    [`scheduleCompletion(${number}, { inMs: NaN })`, 'USAGE'],
    [`scheduleCompletion(${number}, { inMs: 1000, verb: 'park' })`, 'USAGE'],
    [`scheduleCompletion(99, { inMs: 1000 })`, 'NOT_FOUND'],
    [`scheduleCompletion('0', { inMs: 1000 })`, 'NOT_FOUND'],
    [`batchComplete('${number}')`, 'USAGE'],
    [`batchComplete([null])`, 'USAGE'],
    [`batchComplete([${number}], { verb: 'emergency' })`, 'USAGE'],
    [`batchComplete([${number}], { summary: 5 })`, 'USAGE'],
    [`getCompletionMetrics({ sinceMs: 'yesterday' })`, 'USAGE'],
    [`exportSessionData(99)`, 'NOT_FOUND'],
    [`exportSessionData({})`, 'USAGE'],
    [`cancelScheduledCompletion(1.5)`, 'USAGE'],
  ];
  const said = await program(home, `return await Promise.all([${wrong.map(([call]) => `seen(completionApi.${call})`).join(',')}]);`);
  assert.deepEqual(
    said.map(({ operational, code }: Json, index: number) => [wrong[index]![0], operational, code]),
    wrong.map(([call, code]) => [call, true, code]),
  );
  assert.ok(said.every(({ message, hint }: Json) => message.length > 20 && hint.length > 5));
  const inside = await program(home, `return await seen(completionApi.batchComplete([${number}]));`, { TODO_RUN: 'a-run' });
  assert.deepEqual([inside.code, /a run speaks for its own todo only/.test(inside.message)], ['REFUSED', true]);
  const away = await program(home, 'return await seen(completionApi.getCompletionMetrics());', {
    TODO_STORE_URL: 'mysql://nobody@127.0.0.1:1/none',
  });
  assert.deepEqual([away.operational, away.code], [true, 'STORE_UNREACHABLE']);
  assert.equal((await home.show(number)).status, 'open');
});
