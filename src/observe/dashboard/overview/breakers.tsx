import type { ShownBreaker } from '../../../core/control.ts';
import type { BreakerRequest, Overview } from '../../../core/dashboard.ts';
import { type Act, ActButton } from '../act.tsx';
import { post } from '../ask.ts';
import { shortDuration } from '../duration.ts';
import { say } from '../language.ts';
import { live } from '../live.ts';
import { Mark, type Tone } from '../mark.tsx';
import { Lasts, Said, Section } from '../parts.tsx';
import { firstOf, Rest } from './first.tsx';

const tones: Readonly<Record<ShownBreaker['state'], Tone>> = { closed: 'good', 'half-open': 'warn', open: 'bad', isolated: 'bad' };
const order = ['isolated', 'open', 'half-open', 'closed'];

export function Breakers({ breakers }: Pick<Overview, 'breakers'>) {
  const sorted = [...breakers].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.name.localeCompare(b.name));
  return (
    <Section title={say('breakers')} id="breakers">
      {sorted.length === 0 && <p class="note">{say('noBreakers')}</p>}
      <ul class="rows">
        {firstOf('breakers', sorted).map((breaker) => (
          <li key={breaker.name}>
            <details>
              <summary>
                <span class="state">
                  <Mark tone={live.value ? tones[breaker.state] : 'quiet'} />
                  <span>{say(breaker.state)}</span>
                </span>
                <span class="name">{breaker.name}</span>
                <span class="grow note">{breaker.state !== 'closed' && <Said text={breaker.why} />}</span>
                <span class="aside">
                  {say('since')} <Lasts sinceMs={breaker.sinceMs} />
                </span>
              </summary>
              <dl class="facts">
                <dt>{say('reason')}</dt>
                <dd>
                  <Said text={breaker.why} most={2000} />
                </dd>
                <dt>{say('measured')}</dt>
                <dd>{say('breakerFigures', { ...figures(breaker) })}</dd>
                {breaker.retryAfterMs !== null && (
                  <>
                    <dt>{say('nextTry')}</dt>
                    <dd>{shortDuration(breaker.retryAfterMs)}</dd>
                  </>
                )}
              </dl>
              <p class="buttons">
                {breaker.state !== 'isolated' && (
                  <ActButton act={() => change(breaker, 'isolate')} small>
                    {say('isolate')} …
                  </ActButton>
                )}
                {breaker.state !== 'closed' && (
                  <ActButton act={() => change(breaker, 'reset')} small>
                    {say('reset')} …
                  </ActButton>
                )}
              </p>
            </details>
          </li>
        ))}
      </ul>
      <Rest of="breakers" items={sorted} />
    </Section>
  );
}

const figures = ({ failures, successes, refused, reopenings }: ShownBreaker) => ({ failures, successes, refused, reopenings });

const change = ({ name }: ShownBreaker, action: 'isolate' | 'reset'): Act => ({
  title: `${say(action)}: ${name}`,
  subject: null,
  choices: [{ action, label: action, will: action === 'isolate' ? 'isolateWill' : 'resetWill', fields: [] }],
  send: async ({ reason }, key) => {
    const request: BreakerRequest = { action, reason };
    const answer = await post<unknown>(`/api/breakers/${encodeURIComponent(name)}`, request, key);
    return answer.ok ? { ...answer, value: { text: say('did', { action: `${say(action)} ${name}` }), tone: 'good' } } : answer;
  },
});
