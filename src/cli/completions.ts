import { type CompletionCounts, completionMetrics } from '../core/completion-metrics.ts';
import type { Call } from './command.ts';
import { exit } from './exit-codes.ts';
import { facts } from './text/facts.ts';
import { plain } from './text/plain.ts';
import { table } from './text/table.ts';
import { momentText, tookText } from './text/times.ts';

/** What ended, counted: by status and proof, how long it took, how many runs it needed, by agent. */
export async function showCompletions(call: Call, sinceMs: number | null): Promise<number> {
  const { out } = call;
  await using opened = await call.open({ readOnly: true });
  const range = { sinceMs, untilMs: null };
  const metrics = completionMetrics(await opened.world.store.ended(range), range);
  out.json('completions', metrics);
  const { byStatus, byProof, attempts, durations } = metrics;
  const lines = facts(
    [
      ['ended', `${metrics.ended} ${metrics.ended === 1 ? 'todo' : 'todos'}${sinceMs === null ? '' : ` since ${momentText(sinceMs)}`}`],
      [
        'completed',
        `${byStatus.completed} (${Object.entries(byProof)
          .map(([proof, todos]) => `${proof} ${todos}`)
          .join(', ')})`,
      ],
      ['otherwise', `failed ${byStatus.failed}, cancelled ${byStatus.cancelled}`],
      ['forced', metrics.forcedShare === null ? null : `${percent(metrics.forcedShare)} of the completed`],
      ['took', durations.count === 0 ? null : `p50 ${took(durations.p50Ms)}, p95 ${took(durations.p95Ms)}, mean ${took(durations.meanMs)}`],
      ['runs', attempts.mean === null ? null : `${attempts.mean.toFixed(2)} a todo, at most ${attempts.max}`],
    ],
    out,
  );
  for (const line of lines) out.line(line);
  const agents = Object.entries(metrics.byAgent);
  if (agents.length === 0) return exit.yes;
  const right = (title: string) => ({ title, align: 'right' as const });
  const columns = [
    { title: 'AGENT', grows: 'cut' as const },
    right('ENDED'),
    right('DONE'),
    right('FORCED'),
    right('P50'),
    right('P95'),
    right('RUNS'),
  ];
  const rows = agents.map(([agent, it]: [string, CompletionCounts]) => [
    plain(agent),
    String(it.ended),
    String(it.byStatus.completed),
    it.forcedShare === null ? '' : percent(it.forcedShare),
    it.durations.count === 0 ? '' : took(it.durations.p50Ms),
    it.durations.count === 0 ? '' : took(it.durations.p95Ms),
    it.attempts.mean === null ? '' : it.attempts.mean.toFixed(2),
  ]);
  out.line();
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  return exit.yes;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const took = (ms: number | null): string => tookText(ms ?? 0);
