import { redactorFor } from '../completion/redactor-for.ts';
import type { ExitWord, HookVerdict } from '../core/agent.ts';
import type { Entry, Signal } from '../core/entry.ts';
import { hasEnded, isCompletion } from '../core/entry.ts';
import { fallbackRunner } from '../core/runners.ts';
import { applySignal, stamp } from '../core/signal.ts';
import { lossOf } from '../core/verdict.ts';
import type { Standing, Taken } from '../signals/spool.ts';
import type { Context } from './context.ts';
import { learnFrom, putOffWord } from './runners.ts';
import { limitWord } from './usage-limits.ts';

/** Hook events kept for the report. */
const hooksMax = 200;

/** Who a marker of this run belongs to. Positive knowledge only: the journal has every run of this home. */
export function standingOf(context: Context, runId: string): Standing {
  if (context.ledger.has(runId)) {
    const entry = context.ledger.get(runId);
    return hasEnded(entry.fact) ? { kind: 'closed' } : { kind: 'ours', tokenSha256: entry.tokenSha256 };
  }
  const known = context.world.journal.get(runId);
  if (known === null) return context.scope.kind === 'daemon' ? { kind: 'unknown' } : { kind: 'elsewhere' };
  if (!hasEnded(known.fact)) return { kind: 'elsewhere' };
  return context.scope.kind === 'daemon' ? { kind: 'closed' } : { kind: 'elsewhere' };
}

/** One marker or hook file that was claimed for a live run of ours. */
export async function hear(context: Context, taken: Taken): Promise<void> {
  const { marker } = taken;
  const entry = context.ledger.get(marker.runId);
  if (wasHeard(entry, taken)) return;
  if (marker.kind === 'word') {
    const { says, summary, reason, notBeforeMs } = marker;
    await say(context, entry, {
      says,
      saidBy: 'marker',
      summary,
      reason,
      atMs: taken.writtenAtMs,
      round: entry.round,
      from: { kind: 'marker', path: taken.path, sha256: taken.sha256 },
      notBeforeMs,
    });
    return;
  }
  const adapter = context.adapters.get(marker.agent);
  const verdict: HookVerdict = adapter
    ? adapter.hook(marker.event, marker.payload, entry.kind === 'tmux' ? 'tmux' : 'child')
    : { kind: 'ignored', why: `no adapter for ${marker.agent}` };
  await hearHook(context, entry, verdict, taken, marker.event);
}

/** After a crash the claimed files are read again; what the journal already has is not news. */
const wasHeard = (entry: Entry, taken: Taken): boolean =>
  [entry.signal, ...entry.later].some(
    // By name, not by content: the same word said again in the next round reads the same and is news.
    (signal) => signal !== null && (signal.from.kind === 'marker' || signal.from.kind === 'hook') && signal.from.path === taken.path,
  );

/** What an agent says may quote its own secrets; journal, log and record get it without. */
const clean = (context: Context, entry: Entry, text: string | null): string | null =>
  text === null ? null : redactorFor(entry, context.steps)(text);

/** The first word stands. It is durable before anything is ended because of it; where nothing is left to end, it may share the next flush. */
export async function say(context: Context, entry: Entry, said: Signal): Promise<Entry> {
  const isFirst = entry.signal === null && !isCompletion(entry.fact);
  const word = isFirst ? learnFrom(context, entry, said) : said;
  const signal = { ...word, summary: clean(context, entry, word.summary), reason: clean(context, entry, word.reason) };
  const alreadyOver = entry.exit !== null || entry.kind === 'external' || entry.kind === 'person';
  const now = await context.ledger.update(
    entry.ref.runId,
    (current) => ({
      ...applySignal(current, signal),
      lastSignAtMs: signal.saidBy === 'deadline' ? current.lastSignAtMs : Math.max(current.lastSignAtMs, signal.atMs),
    }),
    alreadyOver,
  );
  context.state.nudges.delete(entry.ref.runId);
  context.world.log.info('completion', 'signal', {
    todo: now.todo.number,
    run: now.ref.runId,
    says: signal.says,
    saidBy: signal.saidBy,
    fact: now.fact,
    first: now.signal === signal,
  });
  context.wakeup.ring();
  return now;
}

async function hearHook(context: Context, entry: Entry, verdict: HookVerdict, taken: Taken, event: string): Promise<void> {
  const { world, ledger } = context;
  const seen = (text: string | null) => ({
    hooks: [...entry.hooks, { event, atMs: taken.writtenAtMs, text: clean(context, entry, text) }].slice(-hooksMax),
    lastSignAtMs: Math.max(entry.lastSignAtMs, taken.writtenAtMs),
  });
  const runId = entry.ref.runId;
  const forget = () => world.files.unlink(taken.path);
  const word = (says: Signal['says'], summary: string | null, reason: string | null, notBeforeMs: number | null): Signal => ({
    says,
    saidBy: 'hook',
    summary,
    reason,
    atMs: taken.writtenAtMs,
    round: entry.round,
    from: { kind: 'hook', event, path: taken.path },
    notBeforeMs,
  });
  switch (verdict.kind) {
    case 'progress':
    case 'session-ended':
      await ledger.update(
        runId,
        (now) => ({
          ...now,
          ...seen(null),
          ...(verdict.kind === 'progress' && (!isCompletion(now.fact) || now.fact === 'signalled') ? worksAgain(now) : {}),
        }),
        true,
      );
      await awake(context, runId);
      forget();
      return;
    case 'turn-ended': {
      const now = await ledger.update(runId, (current) => ({ ...current, ...seen(verdict.text), turn: 'ended' }));
      if (verdict.says !== null) await say(context, now, word(verdict.says, verdict.text, null, null));
      else {
        if (now.signal === null && now.kind === 'tmux') await nudge(context, now);
        forget();
      }
      return;
    }
    case 'turn-paused':
      await ledger.update(runId, (now) => ({ ...now, ...seen(verdict.why), turn: 'paused' }));
      forget();
      return;
    case 'turn-failed':
      await ledger.update(runId, (now) => ({ ...now, ...seen(verdict.why), turn: 'ended' }));
      if (entry.kind === 'tmux') await stall(context, entry, verdict.why);
      forget();
      return;
    case 'usage-limit':
      await ledger.update(runId, (now) => ({ ...now, ...seen(verdict.why), turn: 'ended' }));
      await say(context, entry, {
        ...word('parked', null, null, null),
        ...limitWord(context, entry, { resetsAtMs: verdict.resetsAtMs }, verdict.why),
      });
      return;
    case 'waiting':
      await ledger.update(runId, (now) => ({ ...now, ...seen(verdict.why), turn: 'paused' }), true);
      await stall(context, ledger.get(runId), verdict.why);
      forget();
      return;
    case 'ignored':
      await ledger.update(runId, (now) => ({ ...now, ...seen(verdict.why) }), true);
      forget();
      return;
    default:
      verdict satisfies never;
  }
}

/** What the checks said before is void: it can write again. */
const worksAgain = (entry: Entry): Pick<Entry, 'turn' | 'checks'> => ({
  turn: 'busy',
  checks: entry.checks.filter(({ round }) => round !== entry.round),
});

/** A bare end of turn is answered once; the second one leaves the todo to a person. */
async function nudge(context: Context, entry: Entry): Promise<void> {
  if (entry.nudged) return stall(context, entry, 'the agent ended its turn without a word, twice');
  context.state.nudges.add(entry.ref.runId);
  await context.ledger.update(entry.ref.runId, (now) => ({
    ...now,
    nudged: true,
    // The answer goes on in the same turn, without an event of its own.
    turn: 'busy',
    timeline: stamp(now, { atMs: context.world.clock.nowMs(), fact: 'nudged', reason: 'the turn ended without a word' }),
  }));
}

export async function stall(context: Context, entry: Entry, reason: string): Promise<void> {
  if (entry.shown === 'stalled' || isCompletion(context.ledger.get(entry.ref.runId).fact)) return;
  await context.ledger.update(entry.ref.runId, (now) => ({
    ...now,
    shown: 'stalled',
    timeline: stamp(now, { atMs: context.world.clock.nowMs(), fact: 'stalled', reason }),
  }));
  context.state.untold.set(entry.ref.runId, { status: 'stalled', reason });
  context.world.log.warn('completion', 'stalled', { todo: entry.todo.number, run: entry.ref.runId, reason });
}

/** A sign of life takes a stalled run back to running. */
export async function awake(context: Context, runId: string): Promise<void> {
  const entry = context.ledger.get(runId);
  if (entry.shown !== 'stalled' || isCompletion(entry.fact)) return;
  await context.ledger.update(runId, (now) => ({
    ...now,
    shown: 'running',
    emergency: null,
    timeline: stamp(now, { atMs: context.world.clock.nowMs(), fact: 'resumed', reason: 'a sign of progress' }),
  }));
  context.state.untold.set(runId, { status: 'running', reason: null });
}

/** Where nothing was said, the exit speaks; death by an OS signal, a spawn error or a lost session is no answer. */
export async function hearExit(context: Context, entry: Entry, tail: string): Promise<void> {
  const exit = entry.exit;
  if (exit === null || isCompletion(entry.fact)) return;
  const from = {
    kind: 'exit',
    code: exit.kind === 'code' ? exit.code : null,
    osSignal: exit.kind === 'signal' ? exit.osSignal : null,
  } as const;
  const base = { saidBy: 'process-end', atMs: exit.atMs, round: entry.round, from, notBeforeMs: null } as const;
  if (entry.todo.agent === fallbackRunner && entry.choice !== undefined) {
    await say(context, entry, { ...base, summary: null, ...putOffWord(context, entry, entry.choice) });
    return;
  }
  if (exit.kind !== 'code') {
    await say(context, entry, { ...base, says: null, summary: null, reason: lossOf(entry) });
    return;
  }
  const spoken: ExitWord = context.steps.adapterOf(entry.todo.agent).exitSays({ code: exit.code }, tail);
  const limit = spoken.limit === undefined ? {} : limitWord(context, entry, spoken.limit, spoken.reason ?? 'the provider refuses work');
  await say(context, entry, { ...base, ...spoken, ...limit });
}
