import type { Adapter } from './agent.ts';
import type { Config } from './config.ts';
import type { Entry } from './entry.ts';
import { inMs } from './seconds.ts';

/**
 * When a signalled run may be collected: its session ended, its agent reported the end of its main turn without background work,
 * or, where no turns are reported, some seconds passed after the word. Infinity: only an event or a deadline can tell.
 */
export function quietAtMs(
  entry: Pick<Entry, 'kind' | 'exit' | 'turn' | 'signal' | 'emergency' | 'superseded' | 'session'>,
  adapter: Pick<Adapter, 'reportsTurns'>,
  config: Config,
): number {
  if (entry.kind === 'external' || entry.kind === 'person') return 0;
  if (entry.exit !== null || entry.session === null || entry.emergency !== null || entry.superseded) return 0;
  if (entry.signal === null) return Number.POSITIVE_INFINITY;
  if (entry.signal.saidBy === 'person' || entry.signal.saidBy === 'deadline') return 0;
  if (entry.turn === 'ended') return 0;
  if (adapter.reportsTurns && entry.turn !== 'unreported') return Number.POSITIVE_INFINITY;
  return entry.signal.atMs + inMs(config.behavior.quiet_after);
}
