import type { CheckResult, Evidence } from '../../../core/evidence.ts';
import { bytesInWords, counted, durationInWords } from '../format.ts';
import { Html, html } from '../html.ts';
import { toneMark } from '../marks.ts';
import { lastRound } from '../outcome.ts';
import { renderTail } from '../terminal-html.ts';
import { folded, section } from './section.ts';

/** The todo's acceptance commands with exit code, duration and the end of their output; rounds that were sent back stand below, folded. */
export function checksSection(evidence: Evidence, tails: CheckTails): Html {
  const last = lastRound(evidence);
  if (last.length === 0)
    return section(
      'Checks',
      '',
      html`<p class="note">None were run${evidence.result.proof === 'unverified' ? ', so nothing but the word above speaks for this end' : null}.</p>`,
    );
  const rounds = [...new Set(evidence.checks.map((check) => check.round))].filter((round) => round !== last[0]!.round);
  return section('Checks', 'run by the daemon, not by the agent', [
    checkList(last, tails),
    ...rounds.map((round) => {
      const checks = evidence.checks.filter((check) => check.round === round);
      const failed = checks.filter((check) => !check.passed).length;
      return folded(
        `Round ${round}: ${failed} of ${counted(checks.length, 'check')} failed, sent back to the agent`,
        checkList(checks, tails),
        'round',
      );
    }),
  ]);
}

/** Rendered once, because the page's style needs to know their colours before the page is written. */
export type CheckTails = ReadonlyMap<CheckResult, ReturnType<typeof renderTail>>;

export const renderTails = ({ checks }: Pick<Evidence, 'checks'>): CheckTails =>
  new Map(checks.map((check) => [check, renderTail(check.outputTail.trimEnd())]));

const checkList = (checks: readonly CheckResult[], tails: CheckTails): Html =>
  html`<ul class="checks">${checks.map((check) => checkItem(check, tails.get(check)?.rows ?? []))}</ul>`;

function checkItem(check: CheckResult, rows: readonly string[]): Html {
  const tone = check.passed ? 'good' : 'bad';
  return html`<li><div class="check"><span class="${tone}">${toneMark(tone)}</span><code>${check.command}</code><span class="how"><b class="${tone}">${check.passed ? 'passed' : 'failed'}</b> · ${howItEnded(check)} · ${durationInWords(check.durationMs)}</span></div>${tail(check, rows)}</li>`;
}

function tail(check: CheckResult, rows: readonly string[]): Html {
  if (check.outputTail.trim() === '') return html``;
  const open = check.passed ? new Html('') : new Html(' open');
  const label =
    check.outputBytes > new TextEncoder().encode(check.outputTail).length
      ? `End of its output (${bytesInWords(check.outputBytes)} in all)`
      : `Output (${bytesInWords(check.outputBytes)})`;
  return html`<details${open}><summary>${label}</summary><pre class="term short">${new Html(rows.join('\n'))}</pre></details>`;
}

const howItEnded = (check: CheckResult): string =>
  check.startError !== null
    ? `could not be started: ${check.startError}`
    : check.timedOut
      ? 'timed out'
      : check.osSignal !== null
        ? `ended by ${check.osSignal}`
        : check.exitCode === null
          ? 'no exit code'
          : `exit code ${check.exitCode}`;
