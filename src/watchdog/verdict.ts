import type { ProbeAnswer } from '../core/probe.ts';
import { isObject, parsedJson } from '../core/shape.ts';

/**
 * What one probe says of a command. `hard`: it refuses, or says itself that it is unhealthy. `soft`: no answer in time, which load may explain.
 * Degraded is good: it is told, and nothing is restarted for it.
 */
export type Verdict =
  | { readonly kind: 'good'; readonly degraded: string | null }
  | { readonly kind: 'hard'; readonly why: string }
  | { readonly kind: 'soft'; readonly why: string };

export const good: Verdict = { kind: 'good', degraded: null };

/** An answer that took this share of its time is a sign. */
const slowShare = 0.5;
const shownChars = 200;

/**
 * `application/health+json` (draft-inadarei-api-health-check-06) and our own health document (`status` healthy, degraded, unhealthy, unknown) are read;
 * of anything else the status code speaks.
 */
export function verdictOf(answer: ProbeAnswer, probeMs: number): Verdict {
  if (answer.kind === 'late') return { kind: 'soft', why: answer.why };
  if (answer.kind === 'none') return { kind: 'hard', why: answer.why };
  const said = answer.mediaType.endsWith('json') ? statusIn(answer.body) : null;
  const about = said === null ? '' : ` and says ${said.word}${said.output === null ? '' : `: ${said.output}`}`;
  if (said?.means === 'fail') return { kind: 'hard', why: `it answers ${answer.status}${about}` };
  // A health document that names a state speaks louder than the code, which is 503 for degraded in places.
  if (said?.means !== 'warn' && !isGoodStatus(answer.status)) return { kind: 'hard', why: `it answers ${answer.status}` };
  if (said?.means === 'warn') return { kind: 'good', degraded: `it says ${said.word}${said.output === null ? '' : `: ${said.output}`}` };
  return { kind: 'good', degraded: answer.tookMs > probeMs * slowShare ? `its answer took ${Math.round(answer.tookMs)} ms` : null };
}

const isGoodStatus = (status: number): boolean => status >= 200 && status < 400;

const meanings: Readonly<Record<string, 'pass' | 'warn' | 'fail'>> = {
  pass: 'pass',
  ok: 'pass',
  up: 'pass',
  healthy: 'pass',
  warn: 'warn',
  degraded: 'warn',
  unknown: 'warn',
  fail: 'fail',
  error: 'fail',
  down: 'fail',
  unhealthy: 'fail',
};

function statusIn(
  body: string,
): { readonly word: string; readonly means: 'pass' | 'warn' | 'fail'; readonly output: string | null } | null {
  const document = parsedJson(body);
  if (!isObject(document) || typeof document['status'] !== 'string') return null;
  const means = meanings[document['status'].toLowerCase()];
  const output = typeof document['output'] === 'string' ? document['output'].slice(0, shownChars) : null;
  return means === undefined ? null : { word: document['status'], means, output };
}
