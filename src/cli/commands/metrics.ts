import { OperationalError } from '../../core/errors.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';

/** Nothing is asked of anybody for it. */
const answersWithinMs = 5_000;

/** Files that make figures into alerts and pictures, by the option that prints each. */
const files: Readonly<Record<string, () => Promise<string>>> = {
  rules: async () => (await import('../../observe/alerts.ts')).alertRules(),
  prometheus: async () => (await import('../../observe/prometheus-config.ts')).prometheusConfig(),
  alertmanager: async () => (await import('../../observe/alertmanager-config.ts')).alertmanagerConfig(),
  grafana: async () => (await import('../../observe/grafana.ts')).dashboardFile(),
};

export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--openmetrics', 'in the format OpenMetrics 1.0.0 in place of Prometheus text 0.0.4')
      .option('--rules', 'no figures: alerts on them, as a file of rules for Prometheus (alerts.yml)')
      .option('--prometheus', 'no figures: a configuration of Prometheus that scrapes this home and loads the rules (prometheus.yml)')
      .option('--alertmanager', 'no figures: a configuration of Alertmanager that tells people of the alerts (alertmanager.yml)')
      .option('--grafana', 'no figures: a dashboard of them for Grafana (signoff.json)'),
  async run({ open, options, out, json }) {
    const asked = Object.keys(files).filter((name) => options[name] === true);
    if (asked.length + (options['openmetrics'] === true ? 1 : 0) > 1)
      throw new OperationalError('USAGE', {
        operation: 'asking for',
        subject: 'metrics',
        why: 'one thing at a time',
        hint: 'See: todo metrics --help',
      });
    for (const name of asked) {
      show(await files[name]!(), name);
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
