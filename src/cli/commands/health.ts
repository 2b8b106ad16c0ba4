import type { CommandModule } from '../command.ts';
import { healthExit, lookFrom, looking, showComponents, statusLine } from '../health-look.ts';
import { moment } from '../options.ts';
import { plain } from '../text/plain.ts';

const help = `
--history shows what the daemon measured: itself (daemon), its machine, the processes of each run (run:ID, or todo:NUMBER), and changes of all other components.
Samples are kept for a day, minutes for a week, hours for a year.
`;

/** Looks and changes nothing: no database is made, no folder, no log (I-32). */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--history', 'what was measured, instead of how it is now')
      .option('--since <time>', 'history: since then: 10m, 2h, 2030-01-31T08:00 (an hour)', moment('back'))
      .option('--metric <name>', 'history: that figure alone, as cpu_percent or rss_mb')
      .option('--component <name>', 'history: daemon, machine, todo:NUMBER, run:ID or another component')
      .addHelpText('after', help),
  async run(call) {
    if (call.options['history'] === true) return (await import('../health-history.ts')).showHistory(call);
    const { open, out } = call;
    using spinner = await out.spin('looking at daemon, store, queue and runs');
    const health = await looking(open, lookFrom);
    spinner.end();
    out.json('health', health);
    showComponents(health.components, out);
    const shown = new Set(health.components.flatMap(({ reason }) => reason.split('; ')));
    for (const { reason } of health.findings.filter((it) => !shown.has(it.reason))) out.line(`  - ${plain(reason)}`);
    for (const { name, whatToDo } of health.components) if (whatToDo) out.line(`  ${name}: ${plain(whatToDo)}`);
    out.line(statusLine(health.status, out));
    return healthExit[health.status];
  },
};
