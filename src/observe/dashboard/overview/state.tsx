import { useEffect } from 'preact/hooks';
import type { Overview } from '../../../core/dashboard.ts';
import { speak } from '../announce.tsx';
import { say } from '../language.ts';
import { lastHeardMs, live } from '../live.ts';
import { bigState } from '../liveness.ts';
import { Mark, toneOfHealth, wordOfHealth } from '../mark.tsx';
import { Lasts, Said } from '../parts.tsx';

/** How it is, in one word: the first line of the page. */
export function State({ overview }: { readonly overview: Overview }) {
  const isLive = live.value;
  const { status, sinceMs, because } = isLive
    ? bigState(overview.health)
    : { status: 'unknown' as const, sinceMs: lastHeardMs.value, because: null };
  const word = wordOfHealth(status);
  useEffect(() => speak(say('nowState', { state: word })), [word]);
  const [first, ...others] = because ?? [];
  return (
    <div class={`outcome ${toneOfHealth[status]}`} id="state" data-status={status}>
      <Mark tone={toneOfHealth[status]} isUnknown={status === 'unknown'} />
      <div>
        <h1>{word}</h1>
        {sinceMs !== null && sinceMs > 0 && (
          <span class="since">
            {say('since')} <Lasts sinceMs={sinceMs} />
          </span>
        )}
        <p>
          {because === null && say('nothingHeard')}
          {because !== null && first === undefined && say('allWell', { n: overview.health.components.length })}
          {first !== undefined && (
            <>
              <strong>{first.name}</strong>: <Said text={first.reason} />
              {others.length > 0 && <span class="note"> · {say('more', { n: others.length })}</span>}
            </>
          )}
        </p>
      </div>
    </div>
  );
}
