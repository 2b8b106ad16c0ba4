import type { Entry } from '../core/entry.ts';
import { hasEnded, isCompletion } from '../core/entry.ts';
import { messageOf } from '../core/errors.ts';
import { parsedJson } from '../core/shape.ts';
import type { World } from '../world.ts';
import type { Context } from './context.ts';
import { noteLater } from './notebook.ts';

/** What may be away while work for it is kept here. */
export type Subject = 'store' | 'webhook';

/** What went through of all that waited. */
export type Drained = { readonly completions: number; readonly deliveries: number; readonly notes: number; readonly dead: number };

/** From the moment at which something outside was away until the last that waited for it is through. In the journal, so that it outlives us. */
export type RecoverySession = {
  readonly v: 1;
  readonly id: string;
  readonly subject: Subject;
  readonly why: string;
  readonly startedAtMs: number;
  /** Null while it is away. */
  readonly backAtMs: number | null;
  readonly drained: Drained;
};

/** `held`: runs that wait for it. `kept`: what the journal has. */
type Open = { session: RecoverySession; readonly held: Set<string>; kept: string };
export type Sessions = Map<Subject, Open>;
export const newSessions = (): Sessions => new Map();

const prefix = 'recovery-session:';
const nothing: Drained = { completions: 0, deliveries: 0, notes: 0, dead: 0 };

export function openSessions(journal: Pick<World['journal'], 'notes'>): readonly RecoverySession[] {
  return journal.notes(prefix).flatMap(({ value }) => {
    const session = parsedJson(value) as RecoverySession | null;
    return session?.v === 1 ? [session] : [];
  });
}

/** Those of an earlier process go on: what waited then waits now. */
export function readSessions({ world, sessions }: Pick<Context, 'world' | 'sessions'>): void {
  for (const session of openSessions(world.journal)) {
    const held = session.subject === 'store' ? world.journal.live().filter(waitsForStore) : [];
    sessions.set(session.subject, { session, held: new Set(held.map(({ ref }) => ref.runId)), kept: JSON.stringify(session) });
  }
}

const waitsForStore = ({ fact }: Entry): boolean => fact === 'reported' || fact === 'recorded';

export function wentAway(context: Context, subject: Subject, why: string): void {
  if (context.scope.kind !== 'daemon') return;
  const open = context.sessions.get(subject);
  if (open !== undefined) {
    open.session = { ...open.session, backAtMs: null };
    return;
  }
  const { world } = context;
  const session = {
    v: 1,
    id: world.random.uuidv7(),
    subject,
    why,
    startedAtMs: world.clock.nowMs(),
    backAtMs: null,
    drained: nothing,
  } as const;
  context.sessions.set(subject, { session, held: new Set(), kept: '' });
  world.log.info('monitor', 'recovery session started', { subject, session: session.id, why });
}

export function cameBack(context: Context, subject: Subject): void {
  const open = context.sessions.get(subject);
  if (open !== undefined) open.session = { ...open.session, backAtMs: open.session.backAtMs ?? context.world.clock.nowMs() };
}

/** Something that waited is through, or was given up. */
export function wentThrough({ sessions }: Pick<Context, 'sessions'>, subject: Subject, what: keyof Drained, count = 1): void {
  const open = sessions.get(subject);
  if (open === undefined) return;
  open.session = { ...open.session, drained: { ...open.session.drained, [what]: open.session.drained[what] + count } };
}

/** Of each pass, while one is open: who waits, what is through, and whether that was all. */
export function watchSessions(context: Context): void {
  for (const [subject, open] of context.sessions) {
    if (subject === 'store') watchStore(context, open);
    if (open.session.backAtMs !== null && isDrained(context, subject, open)) end(context, open);
    else keep(context, open);
  }
}

function watchStore(context: Context, { held }: Open): void {
  const { ledger, state } = context;
  if (state.store.reachable !== 'yes')
    for (const entry of ledger.all()) if (isCompletion(entry.fact) && waitsForStore(entry)) held.add(entry.ref.runId);
  for (const runId of held) {
    const entry = ledger.has(runId) ? ledger.get(runId) : null;
    if (entry !== null && waitsForStore(entry)) continue;
    held.delete(runId);
    if (entry !== null && !hasEnded(entry.fact) && !isCompletion(entry.fact)) continue;
    wentThrough(context, 'store', entry?.fact === 'dead-lettered' ? 'dead' : 'completions');
  }
}

function isDrained({ state, notebook, deliveries }: Context, subject: Subject, { held }: Open): boolean {
  if (subject === 'store') return state.store.reachable === 'yes' && held.size === 0 && notebook.rows.length === 0;
  return [...deliveries.all.values()].every(({ isDead }) => isDead);
}

/** One row, told as all that is noted is: by an id that makes twice the same as once. */
function end(context: Context, { session }: Open): void {
  const { world, sessions } = context;
  const { id, subject, why, startedAtMs, backAtMs, drained } = session;
  const endedAtMs = world.clock.nowMs();
  sessions.delete(subject);
  noteLater(context, {
    kind: 'recovery',
    id,
    todoId: null,
    runId: null,
    atMs: startedAtMs,
    what: subject,
    detail: JSON.stringify({ ...drained, backAtMs }),
    session: { host: world.host.id, why, outcome: drained.dead > 0 ? 'drained-with-dead' : 'drained', endedAtMs },
  });
  world.log.info('monitor', 'recovery session ended', {
    subject,
    session: id,
    awayMs: (backAtMs ?? endedAtMs) - startedAtMs,
    drainMs: endedAtMs - (backAtMs ?? endedAtMs),
    ...drained,
  });
  inJournal(context, id, () => world.journal.dropNotes([`${prefix}${id}`]));
}

function keep(context: Context, open: Open): void {
  const text = JSON.stringify(open.session);
  if (text === open.kept) return;
  open.kept = text;
  inJournal(context, open.session.id, () => context.world.journal.setNote(`${prefix}${open.session.id}`, text));
}

let turn = 0;
function inJournal(context: Context, id: string, work: () => Promise<void>): void {
  context.tasks.start(`keep:${prefix}${id}.${++turn}`, work, (error) =>
    context.world.log.warn('monitor', 'a recovery session could not be kept', { session: id, reason: messageOf(error) }),
  );
}
