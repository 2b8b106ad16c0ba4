import type { CommandModule } from '../command.ts';
import { healthExit, lookFrom, looking, showComponents, statusLine } from '../health-look.ts';
import { plain } from '../text/plain.ts';

/** Looks and changes nothing: no database is made, no folder, no log (I-32). */
export const command: CommandModule = {
  async run({ open, out }) {
    using spinner = await out.spin('looking at daemon, store, queue and runs');
    const health = await looking(open, lookFrom);
    spinner.end();
    out.json('health', health);
    showComponents(health.components, out);
    const shown = new Set(health.components.flatMap(({ reason }) => reason.split('; ')));
    for (const { reason } of health.findings.filter((it) => !shown.has(it.reason))) out.line(`  - ${plain(reason)}`);
    out.line(statusLine(health.status, out));
    return healthExit[health.status];
  },
};
