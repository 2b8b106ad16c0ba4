import { OperationalError } from '../../core/errors.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';

/** Nothing is asked of anybody for it. */
const answersWithinMs = 5_000;

export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--openmetrics', 'in the format OpenMetrics 1.0.0 in place of Prometheus text 0.0.4')
      .option('--rules', 'no figures: alerts on them, as a file of rules for Prometheus'),
  async run({ open, options, out, json }) {
    if (options['rules'] === true) {
      const text = (await import('../../observe/alerts.ts')).alertRules();
      show(text, 'rules');
      return exit.yes;
    }
    const format = options['openmetrics'] === true ? 'openmetrics' : 'text';
    await using opened = await open({ readOnly: true });
    const reply = await opened.ask({ op: 'metrics', format }, answersWithinMs);
    if (reply === null)
      throw new OperationalError('NO_DAEMON', { operation: 'asking for', subject: 'metrics', why: 'no daemon runs in this home' });
    if (!reply.ok)
      throw new OperationalError('NO_DAEMON', { operation: 'asking for', subject: 'metrics', why: reply.message, hint: reply.hint });
    if (reply.kind !== 'metrics') throw new Error(`the daemon answered "${reply.kind}" when asked for metrics`);
    show(reply.text, format);
    return exit.yes;

    function show(text: string, of: string): void {
      if (json) out.json('metrics', { format: of, text });
      else for (const line of text.trimEnd().split('\n')) out.line(line);
    }
  },
};
