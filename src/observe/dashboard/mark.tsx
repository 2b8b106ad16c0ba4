import type { HealthStatus, ShownStatus } from '../../core/words.ts';
import { say } from './language.ts';
import { live } from './live.ts';
import type { TextKey } from './texts.ts';
import { texts } from './texts.ts';

/** As in the report: each tone has a shape of its own, for those who do not see its colour, and stands beside a word. */
export type Tone = 'good' | 'plain' | 'work' | 'warn' | 'bad' | 'quiet';

const circle = 'M10 1a9 9 0 1 0 0 18 9 9 0 1 0 0-18z';
const shapes: Readonly<Record<Tone, readonly [fill: string, line: string]>> = {
  good: [
    'M10 0l2.6 1.9 3.2-.1 1 3.1 2.6 1.9-1 3.2 1 3.2-2.6 1.9-1 3.1-3.2-.1L10 20l-2.6-1.9-3.2.1-1-3.1L.6 13.2l1-3.2-1-3.2 2.6-1.9 1-3.1 3.2.1z',
    'M5.8 10.2l3 3 5.5-6',
  ],
  plain: [circle, 'M5.8 10.2l3 3 5.5-6'],
  work: [circle, 'M7.5 6l5.5 4-5.5 4z'],
  warn: [
    'M10 .8c.6 0 1.1.3 1.4.8l8.1 14.9c.6 1.1-.2 2.5-1.4 2.5H1.9C.7 19-.1 17.6.5 16.5L8.6 1.6C8.9 1.1 9.4.8 10 .8z',
    'M10 6.5v5.8M10 15.3v.4',
  ],
  bad: ['M6.1.6h7.8l5.5 5.5v7.8l-5.5 5.5H6.1L.6 13.9V6.1z', 'M6.7 6.7l6.6 6.6M13.3 6.7l-6.6 6.6'],
  quiet: ['M4.5 1.5h11a3 3 0 0 1 3 3v11a3 3 0 0 1-3 3h-11a3 3 0 0 1-3-3v-11a3 3 0 0 1 3-3z', 'M6 10h8'],
};
/** A diamond with a question: nobody knows. */
const unknownShape = ['M10 0l10 10-10 10L0 10z', 'M7.7 8a2.3 2.3 0 1 1 3.2 2.1c-.6.3-.9.7-.9 1.5M10 14.3v.3'] as const;

export function Mark({ tone, isUnknown = false }: { readonly tone: Tone; readonly isUnknown?: boolean }) {
  const [fill, line] = isUnknown ? unknownShape : shapes[tone];
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 20 20" aria-hidden="true">
      <path class="fill" d={fill} />
      <path class="line" d={line} />
    </svg>
  );
}

export const toneOfHealth: Readonly<Record<HealthStatus, Tone>> = { healthy: 'good', degraded: 'warn', unhealthy: 'bad', unknown: 'quiet' };
export const wordOfHealth = (status: HealthStatus): string => say(status === 'unknown' ? 'unknownState' : status);

/** Never stale green: while nothing is heard, what was so is not said to be so. */
export function Health({ status }: { readonly status: HealthStatus }) {
  const shown = live.value ? status : 'unknown';
  return (
    <span class="state">
      <Mark tone={toneOfHealth[shown]} isUnknown={shown === 'unknown'} />
      <span>
        {wordOfHealth(shown)}
        {shown !== status && <span class="note"> ({say('was', { what: wordOfHealth(status) })})</span>}
      </span>
    </span>
  );
}

export const toneOfStatus: Readonly<Record<ShownStatus, Tone>> = {
  open: 'quiet',
  claimed: 'work',
  running: 'work',
  finishing: 'work',
  parked: 'quiet',
  stalled: 'warn',
  blocked: 'warn',
  'dead-lettered': 'bad',
  completed: 'plain',
  failed: 'bad',
  cancelled: 'quiet',
};

/** Completed alone is no proof: only what checks have verified is shown as good. */
export const toneOf = (status: ShownStatus, proof: string | null = null): Tone =>
  status === 'completed' ? (proof === 'verified' ? 'good' : proof === 'forced' ? 'warn' : 'plain') : (toneOfStatus[status] ?? 'quiet');

export const wordOfStatus = (status: string): string => known(`s-${status}`) ?? status;
export const wordOfProof = (proof: string): string => known(`p-${proof}`) ?? proof;
const known = (key: string): string | null => (Object.hasOwn(texts, key) ? say(key as TextKey) : null);

export function Status({ status, proof = null }: { readonly status: ShownStatus; readonly proof?: string | null }) {
  return (
    <span class="state">
      <Mark tone={toneOf(status, proof)} />
      <span>{wordOfStatus(status)}</span>
    </span>
  );
}
