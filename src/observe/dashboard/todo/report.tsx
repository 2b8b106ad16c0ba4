import { useState } from 'preact/hooks';
import type { ReportLink } from '../../../core/dashboard.ts';
import { announce } from '../announce.tsx';
import { get } from '../ask.ts';
import { say } from '../language.ts';

/** Opens the report in a tab of its own that knows nothing of this one. Its address is asked for when somebody wants it: it ends after minutes. */
export function ReportButton({ id, isThere }: { readonly id: string; readonly isThere: boolean }) {
  const [isAsking, setAsking] = useState(false);
  const open = async (): Promise<void> => {
    setAsking(true);
    const answer = await get<ReportLink>(`/api/todos/${encodeURIComponent(id)}/report`);
    setAsking(false);
    if (!answer.ok) return announce(say('reportFailed', { why: answer.message }), 'bad');
    const url = new URL(answer.value.url, location.href);
    if (!/^https?:$/.test(url.protocol)) return announce(say('reportFailed', { why: url.protocol }), 'bad');
    // A link of its own rather than window.open: that is blocked more often after a wait, and it is known at once that there is no opener.
    const link = document.createElement('a');
    link.href = url.href;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    link.click();
  };
  return (
    <button type="button" class="main" onClick={open} disabled={!isThere || isAsking} title={isThere ? undefined : say('noReport')}>
      {say('report')}
    </button>
  );
}
