import { runFiles } from '../../core/run-folder.ts';
import { claimExternal } from '../../daemon/claim-external.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { nothingToRun } from '../nothing.ts';
import { plain } from '../text/plain.ts';
import { findTodo, todoJson } from '../todos.ts';

/** Takes a todo to work on it by hand, or in a session of one's own: prints its prompt, arms its timers, writes the pointer. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander.option('--env', 'print shell lines that tell a session of your own which run it is (eval "$(todo claim --env)")'),
  async run(call) {
    const { out, args, options } = call;
    await using opened = await call.open({ log: true });
    const { world } = opened;
    const wanted = args[0] === undefined ? null : (await findTodo(world.store, args[0], 'claiming')).id;
    const claimed = await claimExternal(wanted, opened);
    if (claimed === null) throw await nothingToRun(opened, 'claiming');
    const { entry, token } = claimed;
    const { folder, token: tokenPath } = runFiles(world.home.runs, entry.ref.runId);
    world.files.makeFolder(folder);
    world.files.write(tokenPath, token, 0o600);
    const daemon = await opened.wake();
    const todo = await findTodo(world.store, entry.todo.id, 'looking at');
    const { marker } = world.home.legacy;
    const environment = {
      TODO_ID: todo.id,
      TODO_NUMBER: String(todo.number),
      TODO_RUN: entry.ref.runId,
      TODO_RUN_DIR: folder,
      TODO_TOKEN: token,
      TODO_HOME: world.home.root,
      TODO_SPOOL: world.home.spool.new.replace(/\/new$/, ''),
      TODO_MARKER: `${world.host.hooksFolder}/mark-done`,
    };
    out.json('claim', {
      todo: todoJson(todo, todo.status, await world.store.runsOf(todo.id)),
      run: entry.ref.runId,
      prompt: todo.prompt,
      env: environment,
      marker,
      pointer: world.home.legacy.pointer,
    });
    if (options['env'])
      for (const [name, value] of Object.entries(environment)) out.line(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
    else out.line(todo.prompt);
    out.note(`\nTodo ${todo.number} is yours: ${plain(todo.title)} (in ${todo.cwd})`);
    out.note(`When it is done: todo done ${todo.number}${marker === null ? '' : `, or: echo TASK_COMPLETED > ${marker}`}`);
    if (!daemon) out.note('No daemon runs, so nobody watches the marker and the timers yet. Start one with: todo daemon start');
    return exit.yes;
  },
};
