import type { Entry, Signal } from './entry.ts';
import { isCompletion } from './entry.ts';

/** Words that came after the first are evidence; a flood of them is not. */
const laterSignalsMax = 20;

/** The first word stands; later ones are kept as evidence and change nothing. */
export function applySignal(entry: Entry, signal: Signal): Entry {
  if (entry.signal !== null || isCompletion(entry.fact)) {
    return {
      ...entry,
      later: [...entry.later, signal].slice(-laterSignalsMax),
      timeline: stamp(entry, {
        atMs: signal.atMs,
        fact: 'late-signal',
        reason: `${signal.saidBy} said ${signal.says ?? 'nothing'}; the first word stands`,
      }),
    };
  }
  return {
    ...entry,
    signal,
    // Left for a person, until it spoke for itself.
    emergency: entry.emergency?.action === 'stall' ? null : entry.emergency,
    fact: 'signalled',
    attempt: 1,
    nextAttemptAtMs: 0,
    timeline: stamp(entry, { atMs: signal.atMs, fact: 'signalled', reason: wordsOf(signal) }),
  };
}

const wordsOf = (signal: Signal): string =>
  `${signal.saidBy}${signal.says ? ` said ${signal.says}` : ''}${signal.reason ? `: ${signal.reason}` : ''}`;

/** A run that is retried for hours must not grow its own record without end: the first and the last of it tell the story. */
const timelineHeadMax = 40;
const timelineTailMax = 160;

/** Adds one line to the run's history. */
export function stamp(
  entry: Pick<Entry, 'timeline' | 'attempt'>,
  line: Pick<Entry['timeline'][number], 'atMs' | 'fact'> & Partial<Entry['timeline'][number]>,
): Entry['timeline'] {
  const all = [...entry.timeline, { layer: null, attempt: entry.attempt, durationMs: null, reason: null, ...line }];
  return all.length <= timelineHeadMax + timelineTailMax ? all : [...all.slice(0, timelineHeadMax), ...all.slice(-timelineTailMax)];
}
