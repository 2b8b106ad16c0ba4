import { useEffect, useRef } from 'preact/hooks';
import { announce } from './announce.tsx';
import { shortDuration } from './duration.ts';
import { say } from './language.ts';
import { lastHeardMs, live, overview, way } from './live.ts';
import { Mark } from './mark.tsx';
import { serverNowMs } from './now.ts';
import { clockTime, Time } from './parts.tsx';

/** What must be known before anything below is believed. */
export function Banner() {
  const wasLive = useRef(true);
  const isLive = live.value;
  useEffect(() => {
    if (isLive && !wasLive.current) announce(say('backLive'), 'good');
    wasLive.current = isLive;
  }, [isLive]);
  return (
    <>
      {!isLive && (
        <p class="outcome bad dead" id="dead">
          <Mark tone="bad" />
          <span>
            {/* Only this is read aloud: the seconds beside it go on. */}
            <strong role="alert">
              {overview.value === null ? (
                say('neverLive')
              ) : (
                <Time atMs={lastHeardMs.value}>{say('notLive', { time: clockTime(lastHeardMs.value) })}</Time>
              )}
            </strong>
            . {overview.value === null ? say('neverLiveNote', { command: 'todo daemon status' }) : <Silence />}
          </span>
        </p>
      )}
      {isLive && way.value === 'poll' && <Note text={say('pollingNote')} />}
      {isLive && overview.value?.acts === false && <Note text={say('noDaemon')} />}
      {isLive && overview.value?.daemon?.draining && <Note text={say('draining')} />}
    </>
  );
}

const Silence = () => <>{say('notLiveNote', { ago: shortDuration(serverNowMs() - lastHeardMs.value) })}</>;

const Note = ({ text }: { readonly text: string }) => (
  <p class="outcome warn">
    <Mark tone="warn" />
    <span>{text}</span>
  </p>
);
