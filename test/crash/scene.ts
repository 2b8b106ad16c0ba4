// Three todos whose agents are real shells, and what must be true of them in the end, however often the daemon died meanwhile.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { childEnvironment, program } from './program.ts';

export type Agent = {
  readonly title: string;
  readonly prompt: string;
  readonly check: string | null;
  readonly output: string;
  readonly proof: 'verified' | 'unverified';
  readonly saidBy: 'marker' | 'process-end';
  readonly summary: string | null;
};

/** Colours, more than one byte a character, and no line end at the end: it must come back byte by byte. */
const lines = (word: string): string =>
  `${Array.from({ length: 40 }, (_, index) => `\u001b[3${index % 8}m${word} ${index}\u001b[0m …`).join('\n')}\nend`;

/** Each agent leaves a line in `ran`, so that one that was started twice shows. */
export const agents: readonly Agent[] = [
  {
    title: 'honest',
    prompt: 'echo ran >>ran; cat say; "$TODO_MARKER" done "the honest one is done" 2>&1 >/dev/null',
    check: null,
    output: lines('honest'),
    proof: 'unverified',
    saidBy: 'marker',
    summary: 'the honest one is done',
  },
  {
    title: 'checked',
    prompt: 'echo ran >>ran; cat say; : >made; "$TODO_MARKER" done "the checked one is done" 2>&1 >/dev/null',
    check: 'echo looked; test -f made',
    output: lines('checked'),
    proof: 'verified',
    saidBy: 'marker',
    summary: 'the checked one is done',
  },
  { title: 'silent', prompt: 'echo ran >>ran', check: null, output: '', proof: 'unverified', saidBy: 'process-end', summary: null },
];

/** A claim that reached the store and not the journal is taken back when its lease ends: not in a minute, here. */
const config = {
  slots: { total: 3, agent: 3, project: 1 },
  behavior: { lease: 3 },
  run: { retry_delay: 0.01 },
  monitoring: { rescan: 0.5 },
};

/** Made once by the real `todo add`; each point gets a copy. */
export function makeTemplate(folder: string): void {
  mkdirSync(join(folder, 'hooks'), { recursive: true });
  writeFileSync(join(folder, 'hooks', 'config.json'), JSON.stringify(config));
  for (const { title, prompt, check, output } of agents) {
    const cwd = join(folder, 'work', title);
    mkdirSync(cwd, { recursive: true });
    writeFileSync(join(cwd, 'say'), output);
    const args = [
      '--home',
      folder,
      'add',
      title,
      '--agent',
      'shell',
      '--prompt',
      prompt,
      '--cwd',
      cwd,
      ...(check ? [`--check=${check}`] : []),
    ];
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { env: childEnvironment(folder), encoding: 'utf8' });
    if (status !== 0) throw new Error(`todo add exited ${status}\n${stderr}`);
  }
}

/** A fresh folder each time; the todos work in it and not in the template. */
export function copyHome(template: string, home: string): void {
  cpSync(template, home, { recursive: true });
  const db = new DatabaseSync(join(home, 'todo.db'));
  db.exec('PRAGMA synchronous = OFF');
  db.prepare('UPDATE todo SET cwd = replace(cwd, ?, ?), project = replace(project, ?, ?)').run(template, home, template, home);
  db.close();
}

/** All todos are in a terminal state and the journal has nothing left to do. */
export function hasEnded(home: string): boolean {
  const db = new DatabaseSync(join(home, 'todo.db'), { readOnly: true });
  try {
    const open = db.prepare(
      "SELECT count(*) AS n FROM todo WHERE status NOT IN ('completed', 'failed', 'cancelled', 'dead-lettered', 'blocked')",
    );
    const live = db.prepare("SELECT count(*) AS n FROM journal WHERE fact NOT IN ('closed', 'dead-lettered')");
    return [open, live].every((statement) => (statement.get() as { n: number }).n === 0);
  } finally {
    db.close();
  }
}

export type Row = Readonly<Record<string, string | number | null>>;

/** Looked at from outside, with no code of the daemon's: what is wrong, or nothing. A daemon that dies costs no attempt; a disk that fails may. */
export function problemsOf(home: string, lostAttempts: 'never' | 'may-be' = 'never'): readonly string[] {
  const problems: string[] = [];
  const must = (holds: boolean, what: string): void => {
    if (!holds) problems.push(what);
  };
  const db = new DatabaseSync(join(home, 'todo.db'));
  const rows = (sql: string, ...values: string[]): readonly Row[] => db.prepare(sql).all(...values) as Row[];
  must(rows('PRAGMA integrity_check')[0]?.['integrity_check'] === 'ok', 'the database is damaged');
  must(rows("SELECT 1 FROM journal WHERE fact <> 'closed'").length === 0, 'the journal has entries that are not closed');
  for (const agent of agents) {
    const todo = rows('SELECT * FROM todo WHERE title = ?', agent.title)[0];
    if (todo === undefined) problems.push(`todo ${agent.title} is gone`);
    else problems.push(...problemsOfTodo(home, agent, todo, rows, lostAttempts).map((problem) => `${agent.title}: ${problem}`));
  }
  const ended = new Set(rows("SELECT id FROM run WHERE outcome = 'done'").map(({ id }) => String(id)));
  const lost = new Set(rows("SELECT id FROM run WHERE outcome = 'lost'").map(({ id }) => String(id)));
  const kept = rows('SELECT 1 FROM completion').length;
  db.close();
  const archived = readdirSync(join(home, 'archive'));
  must(archived.length === kept, `the archive has ${archived.length} folders for ${kept} records: ${archived.join(', ')}`);
  must(lostAttempts === 'may-be' || kept === ended.size, `${kept} records of ${ended.size} runs that are done`);
  for (const name of readdirSync(join(home, 'runs'))) must(lost.has(name), `runs/${name} is still there`);
  for (const folder of ['tmp', 'new', 'cur', 'bad']) {
    const left = readdirSync(join(home, 'spool', folder));
    must(left.length === 0, `spool/${folder} has ${left.join(', ')}`);
  }
  return problems;
}

function problemsOfTodo(
  home: string,
  agent: Agent,
  todo: Row,
  rows: (sql: string, ...values: string[]) => readonly Row[],
  lostAttempts: 'never' | 'may-be',
): string[] {
  const problems: string[] = [];
  const same = (what: string, found: unknown, wanted: unknown): void => {
    if (found !== wanted) problems.push(`${what} is ${shown(found)}, not ${shown(wanted)}`);
  };
  const id = String(todo['id']);
  // A start that failed for good is an attempt with a record of its own, which opens the todo again.
  const records = rows('SELECT * FROM completion WHERE todo_id = ?', id).filter(
    (record) => lostAttempts === 'never' || record['todo_status'] !== 'open',
  );
  const [record] = records;
  same('number of records', records.length, 1);
  if (record === undefined) return problems;
  const runs = rows('SELECT * FROM run WHERE todo_id = ? ORDER BY fence', id);
  const last = runs.at(-1);
  same('status', todo['status'], 'completed');
  same('proof', todo['proof'], agent.proof);
  same('run of the todo', todo['run_id'], null);
  same('fence', todo['fence'], record['fence']);
  same('recorded run', record['run_id'], last?.['id']);
  same('recorded status', record['todo_status'], 'completed');
  same('recorded proof', record['proof'], agent.proof);
  same('recorded saidBy', record['said_by'], agent.saidBy);
  if (agent.summary !== null && !String(record['summary']).includes(agent.summary))
    problems.push(`the summary is ${shown(record['summary'])}`);
  for (const run of runs) same(`outcome of the run with fence ${run['fence']}`, run['outcome'], run === last ? 'done' : 'lost');
  if (lostAttempts === 'never' || runs.length === 1)
    same('times that the agent ran', readFileSync(join(home, 'work', agent.title, 'ran'), 'utf8'), 'ran\n');
  return [...problems, ...problemsOfArchive(agent, todo, record, agent.output)];
}

/** The archive of a record is whole and says the same. `wantedOutput` is what its agent has certainly written; null where a power cut may have taken some of it. */
export function problemsOfArchive(agent: Agent, todo: Row, record: Row, wantedOutput: string | null): string[] {
  const problems: string[] = [];
  const report = String(record['report_path']);
  const folder = join(report, '..');
  if (!existsSync(report)) return [`there is no ${report}`];
  if (!basename(folder).endsWith(String(record['run_id']))) problems.push(`its archive folder is ${basename(folder)}`);
  const manifest = readFileSync(join(folder, 'manifest.json'));
  if (sha256(manifest) !== record['manifest_sha256']) problems.push('the manifest is not the recorded one');
  const files = (JSON.parse(manifest.toString()) as { files: { name: string; sha256: string }[] }).files;
  for (const file of files)
    if (sha256(readFileSync(join(folder, file.name))) !== file.sha256) problems.push(`${file.name} is not what the manifest says`);
  const names = [...files.map(({ name }) => name), 'manifest.json'].sort().join(', ');
  if (readdirSync(folder).sort().join(', ') !== names)
    problems.push(`the folder has ${readdirSync(folder).join(', ')}; the manifest names ${names}`);
  const output = readFileSync(join(folder, 'output.txt'), 'utf8');
  if (output !== (wantedOutput ?? output))
    problems.push(`the output has ${output.length} characters, the agent wrote ${agent.output.length}`);
  if (record['output'] !== output) problems.push('the recorded output is not the one in the archive');
  if (record['report_html'] !== readFileSync(report, 'utf8')) problems.push('the recorded report is not the one in the archive');
  if (todo['report'] !== report) problems.push(`the todo's report is ${shown(todo['report'])}`);
  const text = readFileSync(join(folder, 'evidence.json'), 'utf8');
  if (record['evidence'] !== text) problems.push('the recorded evidence is not the one in the archive');
  const evidence = JSON.parse(text) as { todo: Row; run: Row; result: Row; checks: { passed: boolean; outputTail: string }[] };
  const found = [evidence.todo['id'], evidence.run['id'], evidence.result['status'], evidence.result['proof'], evidence.result['saidBy']];
  const wanted = [todo['id'], record['run_id'], 'completed', agent.proof, record['said_by']];
  if (found.join() !== wanted.join()) problems.push(`the evidence says ${found.join()}, the store ${wanted.join()}`);
  const checks = evidence.checks.map(({ passed, outputTail }) => `${passed} ${outputTail.trim()}`).join();
  if (checks !== (agent.check === null ? '' : 'true looked')) problems.push(`the evidence shows these checks: ${shown(checks)}`);
  return problems;
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
export const shown = (value: unknown): string => JSON.stringify(value) ?? 'undefined';
