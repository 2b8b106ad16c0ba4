import { say } from './language.ts';
import { Mark } from './mark.tsx';
import { dayAndTime, Said, Time } from './parts.tsx';

/** The store is away: this is what was last seen of it. */
export const Stale = ({ asOf, why }: { readonly asOf: string | null; readonly why: string }) => (
  <p class="outcome warn">
    <Mark tone="warn" />
    <span>
      <Said text={say('staleList', { why })} most={500} />
      {asOf !== null && (
        <>
          : <Time atMs={Date.parse(asOf)}>{dayAndTime(Date.parse(asOf))}</Time>
        </>
      )}
    </span>
  </p>
);
