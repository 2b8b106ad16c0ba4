import type { TodoDetail } from '../../../core/dashboard.ts';
import { durationInWords } from '../duration.ts';
import { language, say } from '../language.ts';
import { serverNowMs } from '../now.ts';
import { Copy, dayAndTime, Said, Time } from '../parts.tsx';

type Run = TodoDetail['todo']['runs'][number];

/** Each agent that worked on it. */
export function Runs({ runs }: { readonly runs: readonly Run[] }) {
  if (runs.length === 0) return <p class="note">{say('noRunsYet')}</p>;
  return (
    // biome-ignore-start lint/a11y: what scrolls must be reached by keyboard, and then it needs a name
    <div class="scroll" tabIndex={0} role="group" aria-label={say('runsOf')}>
      <table>
        <thead>
          <tr>
            {(['run', 'agent', 'started', 'took', 'outcome', 'saidBy', 'host'] as const).map((key) => (
              <th key={key} scope="col">
                {say(key)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[...runs].reverse().map((run) => (
            <tr key={run.id}>
              <td>
                <Copy text={run.id} label={`${run.fence}`} />
              </td>
              <td>{run.agent}</td>
              <td>
                <Time atMs={run.startedAtMs}>{dayAndTime(run.startedAtMs)}</Time>
              </td>
              <td>
                {durationInWords(Math.max(0, (run.endedAtMs ?? serverNowMs()) - run.startedAtMs), language.value === 'de' ? ',' : '.')}
              </td>
              <td>{run.outcome ?? (run.endedAtMs === null ? say('goesOn') : '–')}</td>
              <td>{run.saidBy ?? '–'}</td>
              <td>
                <Said text={run.host} most={80} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
    // biome-ignore-end lint/a11y: as above
  );
}
