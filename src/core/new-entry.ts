import type { Entry, Owner } from './entry.ts';
import { stamp } from './signal.ts';
import type { Run, Todo } from './todo.ts';

/** What the journal first knows of a run: the store says that it is ours. */
export function newEntry({
  todo,
  run,
  owner,
  conversationId,
  nowMs,
}: {
  todo: Todo;
  run: Run;
  owner: Owner;
  conversationId: string;
  nowMs: number;
}): Entry {
  const entry: Entry = {
    v: 1,
    ref: { todoId: todo.id, runId: run.id, fence: run.fence },
    todo,
    owner,
    kind: run.kind,
    conversationId,
    tokenSha256: run.tokenSha256,
    startedAtMs: nowMs,
    round: 1,
    session: null,
    shown: 'claimed',
    lastSignAtMs: nowMs,
    seen: { outputBytes: 0, cpuMs: 0, progressMs: 0 },
    turn: 'unreported',
    hooks: [],
    nudged: false,
    warnedAtMs: null,
    exit: null,
    pointer: null,
    signal: null,
    later: [],
    emergency: null,
    fact: 'claimed',
    attempt: 1,
    disproved: 0,
    defects: 0,
    nextAttemptAtMs: 0,
    simple: false,
    lastError: null,
    collected: null,
    checks: [],
    ending: null,
    reported: null,
    givenUp: null,
    superseded: false,
    timeline: [],
  };
  return { ...entry, timeline: stamp(entry, { atMs: nowMs, fact: 'claimed', reason: `fence ${run.fence}` }) };
}
