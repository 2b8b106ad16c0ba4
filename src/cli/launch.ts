import { adaptersFor } from '../agents/adapters.ts';
import { environmentOf, planLaunch, quote } from '../agents/start.ts';
import { settingsOf } from '../core/config.ts';
import { OperationalError } from '../core/errors.ts';
import { runFiles } from '../core/run-folder.ts';
import { autoAgent, chainOf, fallbackRunner } from '../core/runners.ts';
import { inMs } from '../core/seconds.ts';
import type { Todo } from '../core/todo.ts';
import { builtInAdapters } from './agents.ts';
import type { Call, Opened } from './command.ts';
import { exit } from './exit-codes.ts';
import { isSecretName, secretsOf } from './secrets.ts';

/** Stands for what is known only when it is started. */
const idsOf = { runId: '‹run id›', conversationId: '‹conversation id›' } as const;
const masked = '‹masked›';

/** Exactly what would be started: the adapter's own plan, by the function that the daemon starts it with. Secrets are masked. */
export function showLaunch(given: Todo, { out }: Call, { world, config }: Opened): number {
  const isOpen = given.agent === autoAgent;
  // Who takes it is decided when it starts; shown is the first choice.
  const todo = isOpen ? { ...given, agent: chainOf(config.runners)[0] ?? fallbackRunner } : given;
  if (isOpen) out.note(`Agent auto: chosen when it starts. This is how ${todo.agent}, the first choice, would be started.`);
  const adapter = adaptersFor(builtInAdapters, config).get(todo.agent);
  if (adapter === undefined) {
    throw new OperationalError('AGENT_UNKNOWN', {
      operation: 'planning the start of',
      subject: `todo ${todo.number}`,
      why: `agent "${todo.agent}" is not known here`,
    });
  }
  const settings = settingsOf(config, todo.agent);
  const kind = todo.session ?? settings.session ?? adapter.defaultSession;
  const runId = todo.runId ?? idsOf.runId;
  const entry = { ref: { todoId: todo.id, runId, fence: todo.fence }, todo, conversationId: idsOf.conversationId, round: 1, kind } as const;
  const launch = planLaunch(entry, null, adapter, settings, inMs(config.behavior.hook_wait), world);
  const secrets = secretsOf({ world, config });
  const mask = (text: string) => secrets.reduce((seen, secret) => seen.replaceAll(secret, masked), text);
  const environment = Object.fromEntries(
    Object.entries({ ...environmentOf(entry, launch, false, world), TODO_TOKEN: masked }).map(([name, value]) => [
      name,
      isSecretName(name) ? masked : mask(value),
    ]),
  );
  const argv = launch.argv.map(mask);
  const files = launch.files.map(({ name, content }) => ({ name, content: mask(content) }));
  const stdin = launch.stdin;
  const folder = runFiles(world.home.runs, runId).folder;
  out.json('launch', {
    todo: todo.id,
    number: todo.number,
    agent: todo.agent,
    session: kind,
    cwd: todo.cwd,
    argv,
    env: environment,
    stdin,
    files,
    prompt: todo.prompt,
    checks: todo.checks,
    runFolder: folder,
  });
  const heading = (text: string) => out.line(out.paint('bold', text));
  heading('Command');
  out.line(`  cd ${quote(todo.cwd)}`);
  out.line(`  ${argv.map(quote).join(' ')}${stdin === null ? '' : ` < ${quote(`${folder}/${stdin}`)}`}`);
  out.line(out.paint('dim', `  in a ${kind === 'tmux' ? 'tmux window' : 'child process'} of its own, output to ${folder}/output.log`));
  heading('Environment (beside what is inherited)');
  for (const [name, value] of Object.entries(environment)) out.line(`  ${name}=${quote(value)}`);
  for (const file of files) {
    heading(`File ${file.name}`);
    for (const line of file.content.trimEnd().split('\n')) out.line(`  ${line}`);
  }
  heading('Prompt of the todo');
  for (const line of todo.prompt.trimEnd().split('\n')) out.line(`  ${line}`);
  if (todo.checks.length > 0) {
    heading('Checks, run by the daemon when it says done');
    for (const check of todo.checks) out.line(`  ${check}`);
  }
  return exit.yes;
}
