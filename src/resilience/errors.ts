import type { ErrorCode } from '../core/errors.ts';
import { OperationalError } from '../core/errors.ts';

/** Why a call was never made. */
export type RefusedBecause =
  /** The breaker is open. */
  | 'open'
  /** It is half-open and another call is the probe. */
  | 'probing'
  /** A person holds it open. */
  | 'isolated'
  /** As many calls as allowed run, and as many as allowed wait. */
  | 'full'
  /** It waited for a free place as long as allowed. */
  | 'waited';

/** The call was not made: nothing was sent, so nothing is in doubt. */
export class Refused extends OperationalError {
  readonly because: RefusedBecause;
  /** After this it may be asked again; null where only a person or the end of other calls can tell. */
  readonly retryAfterMs: number | null;

  constructor(
    code: ErrorCode,
    about: { readonly subject: string; readonly because: RefusedBecause; readonly retryAfterMs: number | null },
  ) {
    super(code, { operation: 'calling', subject: about.subject, why: whyRefused(about.because, about.retryAfterMs) });
    this.name = 'Refused';
    this.because = about.because;
    this.retryAfterMs = about.retryAfterMs;
  }
}

function whyRefused(because: RefusedBecause, retryAfterMs: number | null): string {
  switch (because) {
    case 'open':
      return `its breaker is open for ${Math.ceil(retryAfterMs ?? 0)} ms more`;
    case 'probing':
      return 'its breaker is half-open and another call is the probe';
    case 'isolated':
      return 'its breaker is held open by command';
    case 'full':
      return 'too many calls run and wait';
    case 'waited':
      return 'no place became free in time';
    default:
      return because satisfies never;
  }
}

/** No answer in time. What the call did meanwhile is not known. */
export class TimedOut extends OperationalError {
  readonly timeoutMs: number;

  constructor(code: ErrorCode, about: { readonly subject: string; readonly timeoutMs: number }) {
    super(code, { operation: 'calling', subject: about.subject, why: `no answer within ${about.timeoutMs} ms` });
    this.name = 'TimedOut';
    this.timeoutMs = about.timeoutMs;
  }
}

/** An open breaker refuses thousands of calls a second; where a refusal was thrown tells nothing that its words do not. */
export function withoutStack<T>(make: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
