import type { Component } from '../../../core/control.ts';
import type { HealReply, HealRequest, Overview } from '../../../core/dashboard.ts';
import { type Act, ActButton } from '../act.tsx';
import { post } from '../ask.ts';
import { say } from '../language.ts';
import { worstFirst } from '../liveness.ts';
import { Health } from '../mark.tsx';
import { Ago, Lasts, Said, Section } from '../parts.tsx';
import { firstOf, Rest } from './first.tsx';

/** What the whole consists of: how each is, why, since when, and what to do. */
export function Components({ health }: Pick<Overview, 'health'>) {
  const components = worstFirst(health.components);
  const note = (
    <>
      {say('asOf')} <Ago atMs={health.lookedAtMs} />
    </>
  );
  return (
    <Section title={say('components')} id="components" note={note}>
      <ul class="rows">
        {firstOf('components', components).map((component) => (
          <li key={component.name}>
            <Row component={component} />
          </li>
        ))}
      </ul>
      <Rest of="components" items={components} />
      <p>
        <ActButton act={heal} small>
          {say('healNow')} …
        </ActButton>
      </p>
    </Section>
  );
}

function Row({ component }: { readonly component: Component }) {
  const { name, status, reason, sinceMs, evidence, whatToDo } = component;
  const measured = Object.entries(evidence ?? {}).filter(([, value]) => value !== null);
  return (
    <details>
      <summary>
        <Health status={status} />
        <span class="name">{name}</span>
        <span class="grow note">
          <Said text={reason} />
        </span>
        {sinceMs > 0 && (
          <span class="aside">
            {say('since')} <Lasts sinceMs={sinceMs} />
          </span>
        )}
      </summary>
      <dl class="facts">
        <dt>{say('reason')}</dt>
        <dd>
          <Said text={reason} most={2000} />
        </dd>
        {whatToDo !== null && whatToDo !== undefined && (
          <>
            <dt>{say('whatToDo')}</dt>
            <dd>
              <Said text={whatToDo} most={2000} />
            </dd>
          </>
        )}
        {measured.length > 0 && (
          <>
            <dt>{say('measured')}</dt>
            <dd>
              <ul class="measured">
                {measured.map(([key, value]) => (
                  <li key={key}>
                    <code>{key}</code> <Said text={String(value)} />
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
      </dl>
    </details>
  );
}

const heal = (): Act => ({
  title: say('healNow'),
  subject: null,
  choices: [{ action: 'heal', label: 'healNow', will: 'healWill', fields: ['lookOnly'] }],
  send: async ({ reason, lookOnly }, key) => {
    const answer = await post<HealReply>('/api/heal', { what: null, dryRun: lookOnly, reason } satisfies HealRequest, key);
    if (!answer.ok) return answer;
    const { plans, results } = answer.value;
    const what = lookOnly
      ? plans.map(({ action, subject }) => `${action} ${subject}`)
      : results.map(({ plan, outcome, why }) => `${plans.find(({ id }) => id === plan)?.action ?? plan}: ${outcome}, ${why}`);
    const text = what.length === 0 ? say('noHealing') : what.slice(0, 5).join(' · ');
    return { ...answer, value: { text, tone: results.some(({ outcome }) => outcome === 'failed') ? 'bad' : 'good' } };
  },
});
