import { worst } from '../../healing/health.ts';
import type { Condition } from '../../world.ts';
import type { CommandModule } from '../command.ts';
import { healthExit, looking, showComponents, statusLine } from '../health-look.ts';

/** The conditions of a safe system of record, each with what to change. Looks and changes nothing; exits as `todo health`. */
export const command: CommandModule = {
  async run({ open, out }) {
    using spinner = await out.spin('checking the store');
    const { driver, conditions } = await looking(open, async ({ world: { store } }) => ({
      driver: store.driver,
      conditions: (await store.care?.conditions()) ?? [],
    }));
    spinner.end();
    // A server that is away is as good as none only where all are: the others are judged by what they said.
    const answered = conditions.filter(({ name }) => name !== 'reachable');
    const status = answered.length === 0 ? 'unknown' : worst(conditions.map(ofMany(answered.length)));
    out.json('store-check', { status, driver, conditions });
    showComponents(
      conditions.map(({ name, server, status: each, found, change }) => ({
        name: isOneServer(conditions) || server === null ? name : `${server} ${name}`,
        status: each,
        reason: change === null ? found : `${found} ▸ ${change}`,
        sinceMs: 0,
      })),
      out,
    );
    out.line(statusLine(status, out));
    return healthExit[status];
  },
};

/** Where others answered, one that is away is a weakness and no riddle. */
const ofMany =
  (answered: number) =>
  (condition: Condition): Pick<Condition, 'status'> =>
    condition.name === 'reachable' && answered > 0 ? { status: 'degraded' } : condition;

const isOneServer = (conditions: readonly Condition[]): boolean => new Set(conditions.map(({ server }) => server)).size <= 1;
