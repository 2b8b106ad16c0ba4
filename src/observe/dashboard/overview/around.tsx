import type { Overview, ShownNote, ShownWatchdog } from '../../../core/dashboard.ts';
import type { HealingEvent } from '../../../core/healing-event.ts';
import { say } from '../language.ts';
import { live } from '../live.ts';
import { Mark, type Tone } from '../mark.tsx';
import { Ago, Lasts, OfPart, Said, TodoLink } from '../parts.tsx';

/** The words of `todo watchdog status`. */
const watchdogTones: Readonly<Record<string, Tone>> = { healthy: 'good', starting: 'work', ended: 'quiet', held: 'bad' };
const watchdogTone = (state: string): Tone => watchdogTones[state] ?? 'warn';

export const Watchdogs = ({ watchdogs }: Pick<Overview, 'watchdogs'>) => (
  <OfPart title={say('watchdogs')} id="watchdogs" part={watchdogs}>
    {(all) => (
      <>
        {all.length === 0 && <p class="note">{say('noWatchdogs', { command: 'todo start' })}</p>}
        <ul class="rows">
          {all.map((watchdog) => (
            <li key={watchdog.name} class="row">
              <Mark tone={live.value ? watchdogTone(watchdog.state) : 'quiet'} />
              <span class="grow">
                <span class="name">{watchdog.name}</span> {watchdog.state}
                {watchdog.reason !== null && (
                  <span class="note">
                    {' '}
                    · <Said text={watchdog.reason} />
                  </span>
                )}
              </span>
              <span class="aside">{about(watchdog)}</span>
            </li>
          ))}
        </ul>
      </>
    )}
  </OfPart>
);

const about = ({ restarts, pid, sinceMs }: ShownWatchdog) => (
  <>
    {say('restarts', { n: restarts })}
    {pid !== null && ` · pid ${pid}`}
    {sinceMs !== null && (
      <>
        {' '}
        · {say('since')} <Lasts sinceMs={sinceMs} />
      </>
    )}
  </>
);

export const Notifications = ({ notifications }: Pick<Overview, 'notifications'>) => (
  <OfPart title={say('notifications')} id="notifications" part={notifications}>
    {({ configured, waiting, dead }) => (
      <p class={configured || waiting + dead > 0 ? 'state' : 'note'}>
        {(configured || waiting + dead > 0) && <Mark tone={dead > 0 ? 'warn' : 'plain'} />}
        <span>{configured || waiting + dead > 0 ? say('notifyFigures', { waiting, dead }) : say('notConfigured')}</span>
      </p>
    )}
  </OfPart>
);

const outcomeTone = (outcome: string | null): Tone =>
  outcome === 'done' ? 'good' : outcome === 'failed' ? 'bad' : outcome === null ? 'quiet' : 'warn';

export const Healing = ({ healing }: Pick<Overview, 'healing'>) => (
  <OfPart title={say('healing')} id="healing" part={healing}>
    {(events) => (
      <>
        {events.length === 0 && <p class="note">{say('noHealing')}</p>}
        <ul class="rows">
          {events.map((event) => (
            <li key={event.id} class="row">
              <Mark tone={outcomeTone(event.outcome)} />
              <span class="grow">
                <span class="name">{event.what}</span> {event.todoId !== null && <TodoLink id={event.todoId} number={null} />}{' '}
                <span class="note">
                  <Said text={inWords(event)} />
                </span>
              </span>
              <span class="aside">
                <Ago atMs={event.atMs} />
              </span>
            </li>
          ))}
        </ul>
      </>
    )}
  </OfPart>
);

const inWords = ({ reason, actor, before, after, outcome }: HealingEvent): string =>
  [reason, before !== null && after !== null ? `${before} → ${after}` : null, outcome, actor].filter((it) => it !== null).join(' · ');

export const Audit = ({ audit }: Pick<Overview, 'audit'>) => (
  <OfPart title={say('audit')} id="audit" part={audit}>
    {(notes) => <Notes notes={notes} />}
  </OfPart>
);

export const Notes = ({ notes }: { readonly notes: readonly ShownNote[] }) =>
  notes.length === 0 ? (
    <p class="note">{say('noAudit')}</p>
  ) : (
    <ul class="rows">
      {notes.map((note, index) => (
        <li key={`${note.atMs}${note.what}${index}`} class="row">
          <span class="grow">
            {note.todoId !== null && note.number !== null && <TodoLink id={note.todoId} number={note.number} />}{' '}
            <span class="name">
              <Said text={note.what} most={80} />
            </span>{' '}
            <span class="note">
              <Said text={note.detail} most={400} />
            </span>
          </span>
          <span class="aside">
            <Ago atMs={note.atMs} />
          </span>
        </li>
      ))}
    </ul>
  );
