import { type KeptState, keptPlaces } from '../core/kept.ts';
import { counter, type Family } from './metric.ts';

/** Nothing where nothing is served. */
export function sessionFamilies(kept: KeptState | undefined): readonly Family[] {
  if (kept === undefined) return [];
  return [
    {
      name: 'todo_sessions_kept',
      help: '1 for the place where the logins of the dashboard are kept now.',
      type: 'gauge',
      series: keptPlaces.map((place) => ({ labels: { place }, value: place === kept.in ? 1 : 0 })),
    },
    counter('todo_sessions_fallbacks', 'How often they had to be kept elsewhere than is configured.', kept.fallbacks),
  ];
}
