import { adaptersFor, forgottenAgent } from '../agents/adapters.ts';
import type { StepNeeds } from '../completion/needs.ts';
import { redactorOf } from '../completion/redactor-for.ts';
import type { ControlReply, ControlRequest, DaemonStatus } from '../core/control.ts';
import { nextDeadlineAtMs } from '../core/deadlines.ts';
import type { Entry, Owner } from '../core/entry.ts';
import { hasEnded, isCompletion } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { quietAtMs } from '../core/quiet.ts';
import { redated } from '../core/redate.ts';
import { runFiles } from '../core/run-folder.ts';
import { inMs } from '../core/seconds.ts';
import { stamp } from '../core/signal.ts';
import { createTurns } from '../healing/turns.ts';
import { lookForLegacy } from '../signals/legacy.ts';
import { type Closer, observe } from '../signals/observe.ts';
import { rescanClaimed, scanSpool, type Taken } from '../signals/spool.ts';
import { adoptNamed } from './adopt-named.ts';
import { asideUntilMs, setAside } from './aside.ts';
import { behindBulkhead, newBounds } from './bounds.ts';
import { tellBreaker } from './breaker-events.ts';
import type { Context, EngineNeeds } from './context.ts';
import { deliverWaiting, newDeliveries, readDeliveries } from './deliveries.ts';
import { actOnDeadlines } from './emergency.ts';
import { announceRestart, arrive, flushOutbox, handOver, restartAfter } from './handover.ts';
import { healNow } from './heal.ts';
import { healthDueMs, watchHealth } from './health.ts';
import { keepHistory } from './health-history.ts';
import { flushedInTurn, sharedInTurn } from './in-turn.ts';
import { keepWatchdog } from './keep-watchdog.ts';
import { createLedger } from './ledger.ts';
import { newNotebook, readNotebook, tellRest, tellRows, tellRowsEveryMs } from './notebook.ts';
import { behindBreakers, breakerNames, type Outside } from './outside.ts';
import { keepPrediction } from './prediction.ts';
import { keepReceipts } from './receipts.ts';
import { heals, recoverNow, sweepDueMs, sweepWhenDue } from './recovery.ts';
import { newSessions, readSessions, watchSessions } from './recovery-session.ts';
import { configDueMs, lookAtConfig, newReloading } from './reload.ts';
import { answer, statusOf } from './requests.ts';
import { newWatch, resourcesDueMs, watchResources } from './resources.ts';
import { newRestarting } from './restart.ts';
import { newRunners, readRunners, runnersDueMs, takeBackPutOff, watchRunners } from './runners.ts';
import { actOnSchedules, lookAtSchedules, nextScheduleAtMs } from './schedules.ts';
import { beatDueMs, beatService, newService, tellStopping } from './service.ts';
import { bringToEnd, dueInLineAtMs } from './settle.ts';
import { keepSnapshot } from './snapshot.ts';
import type { Claimed } from './starts.ts';
import { claim, findSession, start } from './starts.ts';
import { careForStore } from './store-care.ts';
import { keepLeases, rescueDueMs, rescueExpired, tellEveryMs, tellStore, watchDependents } from './store-chores.ts';
import { noteStore, pingWhileAway } from './store-link.ts';
import { newDaemonTally } from './tally.ts';
import { createTasks } from './tasks.ts';
import { keepTemporarySwept } from './temporary.ts';
import { takeUntold } from './untold.ts';
import { createChanges, createWakeup } from './wakeup.ts';
import { newHealthMemory } from './watched.ts';
import { awake, hear, hearExit, say, standingOf } from './words.ts';

/** Completions under way at once; they share commits in waves of about this size. */
const completionsMax = 64;
const tailForExitBytes = 64 * 1024;
/** CPU is looked at (one scan of all processes) only when a run has shown nothing else for this part of its timer. */
const silenceBeforeCpuLook = 1 / 4;
/** Closed entries are remembered for late signals and `todo why`. */
const rememberMs = 7 * 86_400_000;
const adoptEveryMs = 2000;
/** What is added here rings; what is added on another host is found within this. */
const claimEveryMs = { shared: 2000, own: 10_000 };
const claimAgainMs = 1000;

/** Requests that change nothing. */
const looks: ReadonlySet<ControlRequest['op']> = new Set(['hello', 'progress', 'status', 'metrics', 'configuration', 'verdict', 'agents']);

export type Engine = {
  /** Once, before the first pass: finds again what a dead process left, and goes on from its last fact. */
  recover(): Promise<void>;
  /** One whole look at everything; answers when the next one is due at the latest. */
  pass(): Promise<number>;
  /** Until that time, a wake-up, or the stop. */
  sleepUntil(atMs: number): Promise<void>;
  wake(): void;
  /** Takes that todo, or the next one, now and beyond all slots (`todo run`); the answer says why not. */
  claim(todoId: string | null): Promise<Claimed>;
  request(request: ControlRequest, stop: AbortSignal): Promise<ControlReply>;
  status(): DaemonStatus;
  live(): readonly Entry[];
  /** Nothing new; what completes is brought to its end, at most until then. Sessions live on. */
  drain(untilMs: number): Promise<void>;
  /** True when a scope of one run has nothing left to do. */
  idle(): boolean;
  /** After `recover`: this daemon counts itself, and looks whether all is there that the one before it handed over. */
  arrive(): Promise<void>;
  /** A new start was asked for and may be made: announced, after a drain handed over. */
  restarts(): boolean;
  announceRestart(): void;
  /** It drains, and nobody goes on in its place. */
  announceEnd(): void;
  handOver(pausedAtMs: number): Promise<void>;
  /** A defect has ended the life of this daemon: true when all is handed over to another one, within the limits of restarts. */
  restartAfter(error: unknown): Promise<boolean>;
  /** Once nothing goes on beside the loop any more, or at that time. */
  settled(untilMs: number): Promise<void>;
  readonly context: Context;
};

export function createEngine(given: EngineNeeds, stop: AbortSignal): Engine {
  const outside = behindBreakers(given.world, given.config, {
    restores: given.scope.kind === 'daemon' && given.scope.brief !== true ? 'all' : 'isolated',
  });
  const needs: EngineNeeds = { ...given, world: outside.world };
  const context = createContext(needs, outside, stop);
  outside.onChange = (change) => tellBreaker(context, change);
  outside.onStore = (answered) => noteStore(context, answered);
  let adoptDueMs = 0;
  const lookAtAll = (): void => {
    adoptDueMs = 0;
    context.state.claimDueMs = 0;
    lookAtSchedules(context);
  };
  let claimedOnce = false;
  return {
    context,
    async recover() {
      await recover(context);
      // What was taken over is what this scope is here for.
      claimedOnce ||= needs.scope.kind === 'run' && context.ledger.all().length > 0;
    },
    async pass() {
      context.tasks.check();
      lookAtConfig(context);
      const lookAgainAtMs = await look(context);
      if (needs.scope.kind === 'daemon' && context.world.clock.monotonicMs() >= adoptDueMs) {
        adoptDueMs = context.world.clock.monotonicMs() + adoptEveryMs;
        const adopted = await adoptOrphans(context);
        if (adopted.size > 0) await hearClaimed(context, (runId) => adopted.has(runId));
      }
      launchWork(context);
      if (needs.scope.kind === 'daemon') actOnSchedules(context);
      chores(context);
      sweepWhenDue(context, () => look(context));
      if (wantsMore(context, claimedOnce)) claimNext(context, () => (claimedOnce = true));
      context.state.lastPassAtMs = context.world.clock.nowMs();
      context.state.passes += 1;
      context.changes.tell();
      context.tasks.check();
      const againAtMs = Math.min(lookAgainAtMs, nextWakeAtMs(context, claimedOnce));
      context.state.passDueMs = context.world.clock.monotonicMs() + againAtMs - context.world.clock.nowMs();
      return againAtMs;
    },
    sleepUntil: (atMs) => context.wakeup.sleepUntil(atMs, stop),
    wake() {
      lookAtAll();
      context.wakeup.ring();
    },
    async claim(todoId) {
      const claimed = await claim(context, { todoId, kind: 'by-todo', slots: false });
      claimedOnce ||= claimed.kind === 'claimed';
      context.wakeup.ring();
      return claimed;
    },
    async request(request, requestStop) {
      if (!looks.has(request.op)) context.state.asked++;
      if (request.op === 'wake') lookAtAll();
      if (request.op === 'recover') return recoverNow(context, request.apply, () => look(context));
      if (request.op === 'heal') return healNow(context, request, () => look(context));
      return answer(context, request, requestStop);
    },
    status: () => statusOf(context),
    live: () => context.ledger.all(),
    async drain(untilMs) {
      context.state.draining = true;
      context.wakeup.ring();
      // A claim that the store has made and nobody here has heard of would be lost until its lease is over.
      const isQuiet = () => ['run:', 'start:', 'claim'].every((prefix) => context.tasks.count(prefix) === 0) && !heals(context);
      await context.changes.until(isQuiet, untilMs, stop);
      if (needs.scope.kind === 'run') await tellRest(context);
      else await flushOutbox(context);
    },
    async arrive() {
      if (needs.scope.kind === 'daemon') await arrive(context);
    },
    restarts: () => context.restarting.planned !== null,
    announceRestart: () => announceRestart(context),
    announceEnd: () => tellStopping(context),
    handOver: (pausedAtMs) => handOver(context, pausedAtMs),
    restartAfter: (error) => restartAfter(context, error),
    async settled(untilMs) {
      const { clock } = context.world;
      const over = new AbortController();
      await Promise.race([context.tasks.settled(), clock.sleep(untilMs - clock.nowMs(), over.signal)]);
      over.abort();
    },
    idle: () => (needs.scope.kind === 'run' || needs.scope.once === true) && claimedOnce && context.ledger.all().length === 0,
  };
}

function createContext(needs: EngineNeeds, outside: Outside, stop: AbortSignal): Context {
  const { world } = needs;
  const wakeup = createWakeup(world.clock);
  const changes = createChanges(world.clock);
  const tasks = createTasks((ended) => {
    changes.tell();
    // What was refused is tried again when its time comes; at once it would be refused again.
    if (ended === 'done') wakeup.ring();
  }, world.clock.monotonicMs);
  const bounds = newBounds(completionsMax);
  const steps: StepNeeds = {
    world,
    get config() {
      return context.config;
    },
    get secrets() {
      return context.secrets;
    },
    emulate: behindBulkhead(needs.emulate, bounds, world),
    storeRetries: bounds.budgets.store,
    flush: flushedInTurn(world),
    syncArchive: sharedInTurn(world, () => world.files.syncFolder(world.home.archive)),
    claimedMarkers: sharedInTurn(world, () => Map.groupBy(world.files.list(world.home.spool.cur), runOfMarker)),
    adapterOf: (agent) => context.adapters.get(agent) ?? forgottenAgent(agent),
  };
  const nowMs = world.clock.nowMs();
  const settings = needs.settings ?? null;
  const adapters = adaptersFor(needs.adapters, needs.config);
  const context: Context = {
    ...needs,
    adapters,
    settings,
    reloading: newReloading(settings, nowMs),
    restarting: newRestarting(() => context),
    redactAll: redactorOf(needs.secrets, world.digest),
    owner: world.processes.self(),
    startedAtMs: nowMs,
    ledger: createLedger(world, changes.tell),
    tasks,
    wakeup,
    changes,
    steps,
    stop,
    outside,
    bounds,
    notebook: newNotebook(),
    deliveries: newDeliveries(),
    sessions: newSessions(),
    service: newService(world),
    turns: createTurns(),
    tally: newDaemonTally(adapters.keys()),
    watch: newWatch(),
    health: newHealthMemory(),
    runners: newRunners(),
    state: {
      draining: false,
      asked: 0,
      drained: false,
      lastPassAtMs: nowMs,
      passes: 0,
      passDueMs: world.clock.monotonicMs(),
      lastSweepAtMs: null,
      store: { reachable: 'unknown', sinceMs: nowMs, error: null },
      nudges: new Set(),
      waitingHooks: new Map(),
      untold: new Map(),
      legacyTold: '',
      pointersSeen: new Set(),
      pointerDueMs: 0,
      claimDueMs: 0,
      server: null,
    },
  };
  return context;
}

/** A claimed marker's name is `<run>.<uuid>`. */
const runOfMarker = (name: string): string => name.slice(0, Math.max(0, name.indexOf('.')));

async function recover(context: Context): Promise<void> {
  const { world } = context;
  takeUpWhatWasKept(context);
  // After a restart in place the process before us is ourselves, by pid and start.
  await adoptOrphans(context, ({ owner }) => isSame(owner, context.owner));
  world.journal.forget(world.clock.nowMs() - rememberMs);
  await hearClaimed(context, () => true);
}

/** Breakers as they stood, what the store was not told yet, and what was not delivered. */
function takeUpWhatWasKept(context: Context): void {
  for (const name of breakerNames) context.outside.of(name);
  noteStore(context, null);
  readRunners(context);
  if (context.scope.kind !== 'daemon') return;
  readNotebook(context);
  if (context.scope.kind === 'daemon') takeUntold(context);
  readDeliveries(context);
  readSessions(context);
}

/** Words that a dead process had claimed and not journalled yet. They count before the exit does. */
async function hearClaimed(context: Context, wants: (runId: string) => boolean): Promise<void> {
  const words = rescanClaimed((runId) => (wants(runId) ? standingOf(context, runId) : { kind: 'elsewhere' }), context.world);
  await Promise.all(hearing(context, words));
}

/** Runs of this home whose process is dead for certain become ours: agents that lived on go on, completions go on from their last fact. */
async function adoptOrphans(context: Context, isOurs: (entry: Entry) => boolean = () => false): Promise<ReadonlySet<string>> {
  const { world, ledger, scope } = context;
  const orphans = world.journal
    .live()
    .filter((entry) => !ledger.has(entry.ref.runId) && !hasEnded(entry.fact))
    .filter((entry) => scope.kind !== 'run' || entry.ref.todoId === scope.todoId)
    .filter((entry) => isOurs(entry) || world.processes.alive(entry.owner) === 'no');
  // All at once, so that they share commits.
  const adopted = await Promise.all(orphans.map((entry) => adoptOrphan(context, entry)));
  return new Set(adopted.filter((runId) => runId !== null));
}

const isSame = (a: Owner, b: Owner): boolean => a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;

async function adoptOrphan(context: Context, entry: Entry): Promise<string | null> {
  const { world, ledger, owner } = context;
  const { runId } = entry.ref;
  const adopted = await ledger.adopt(entry, owner);
  if (adopted === null) return null;
  const found = isCompletion(adopted.fact) ? null : findSession(context, adopted);
  await ledger.update(runId, (now) => ({
    ...now,
    session: now.fact === 'running' && found !== null && found.process.pid !== 0 ? found : now.session,
    // What was there before we came is no sign of now: else each restart would give a silent run its whole time anew.
    ...(now.session === null || isCompletion(now.fact) ? {} : signsBefore(context, now)),
    attempt: isCompletion(now.fact) ? now.attempt + 1 : now.attempt,
    timeline: stamp(now, { atMs: world.clock.nowMs(), fact: 'adopted', reason: `from process ${entry.owner.pid}` }),
  }));
  if (adopted.fact === 'running')
    context.state.untold.set(
      runId,
      adopted.shown === 'stalled'
        ? { status: 'stalled', reason: adopted.timeline.findLast(({ fact }) => fact === 'stalled')?.reason ?? null }
        : { status: 'running', reason: null },
    );
  world.log.info('completion', 'adopted', { todo: entry.todo.number, run: runId, fact: entry.fact });
  if (adopted.kind === 'person' && adopted.fact === 'claimed') await takeBack(context, runId);
  return runId;
}

/** A person's word whose process died before the word was durable: nobody will say it again, so the todo is given back. */
async function takeBack(context: Context, runId: string): Promise<void> {
  const entry = context.ledger.get(runId);
  const reason = "the process that took a person's word died before the word was durable; say it again";
  await say(context, entry, {
    says: 'released',
    saidBy: 'person',
    summary: null,
    reason,
    atMs: context.world.clock.nowMs(),
    round: entry.round,
    from: { kind: 'person', verb: 'release' },
    notBeforeMs: null,
  });
}

/** Signs of progress that nobody was there to see. Files say when; of CPU time nobody knows more than that it was used since somebody looked. */
function signsBefore(context: Context, entry: Entry): Pick<Entry, 'seen' | 'lastSignAtMs'> {
  const { world } = context;
  const at = runFiles(world.home.runs, entry.ref.runId);
  const nowMs = world.clock.nowMs();
  const { seen } = observe(entry, { cpu: true, untoldEnd: false }, world);
  const written = Math.max(...[at.output, at.progress].map((path) => Math.round(world.files.stat(path)?.mtimeMs ?? 0)));
  const latest = seen.cpuMs > entry.seen.cpuMs ? nowMs : Math.min(nowMs, written);
  return { seen, lastSignAtMs: Math.max(entry.lastSignAtMs, latest) };
}

/**
 * Turns the outside into signals. Sessions are looked at before the spool is read, and their ends speak after it:
 * a marker that was written before the process ended always counts first.
 */
async function look(context: Context): Promise<number> {
  const { world, ledger } = context;
  await redate(context);
  const observed = ledger
    .all()
    .filter(isWatched)
    .map((entry) => ({ runId: entry.ref.runId, seen: observe(entry, closerLook(context, entry), world) }));
  const { taken, lookAgainAtMs } = scanSpool((runId) => standingOf(context, runId), world);
  await Promise.all(hearing(context, taken));
  await legacy(context);
  for (const { runId, seen } of observed) if (ledger.has(runId)) await apply(context, runId, seen);
  const begun = ledger.all().filter((entry) => entry.fact === 'claimed' && entry.kind === 'external');
  await Promise.all(begun.map((entry) => externalRuns(context, entry)));
  for (const entry of ledger.all()) await actOnDeadlines(context, entry);
  return lookAgainAtMs;
}

/**
 * Before `collected`, while timers and quiet are still counted from these dates; later ones are only told. A completion under way has perhaps put them
 * into a report that is no fact yet, and what it records must be what it has reported.
 */
async function redate({ ledger, tasks, world }: Context): Promise<void> {
  for (const { ref, fact } of ledger.all()) {
    if ((fact !== 'claimed' && fact !== 'running' && fact !== 'signalled') || tasks.busy(`run:${ref.runId}`)) continue;
    const changes = redated(ledger.get(ref.runId), world.clock.nowMs());
    if (changes !== null) await ledger.update(ref.runId, (now) => ({ ...now, ...changes }), true);
  }
}

/** Different runs share commits; what belongs to one run stays in order. */
function hearing(context: Context, words: readonly Taken[]): readonly Promise<unknown>[] {
  const chains = new Map<string, Promise<unknown>>();
  for (const word of words) {
    const { runId } = word.marker;
    const act = () => (context.ledger.has(runId) ? hear(context, word) : Promise.resolve());
    chains.set(runId, (chains.get(runId) ?? Promise.resolve()).then(act));
  }
  return [...chains.values()];
}

const isWatched = (entry: Entry): boolean =>
  entry.session !== null && entry.exit === null && (entry.fact === 'running' || entry.fact === 'signalled');

function closerLook({ config, world }: Context, entry: Entry): Closer {
  const silentMs = world.clock.nowMs() - entry.lastSignAtMs;
  const isSilent = silentMs > inMs(config.behavior.completion_timeout) * silenceBeforeCpuLook;
  return { cpu: isSilent && config.behavior.timeout_basis === 'silence', untoldEnd: isSilent };
}

async function apply(context: Context, runId: string, seen: ReturnType<typeof observe>): Promise<void> {
  const { world, ledger, config } = context;
  if (seen.sign) {
    await ledger.update(runId, (now) => ({ ...now, seen: seen.seen, lastSignAtMs: world.clock.nowMs() }), true);
    if (!standsIdle(ledger.get(runId))) await awake(context, runId);
  }
  if (seen.seen.outputBytes > config.run.output_max && !isCompletion(ledger.get(runId).fact)) await outputTooLarge(context, runId);
  if (seen.exit === null) return;
  const entry = ledger.get(runId);
  const survivor = seen.exit.kind === 'lost' ? findSession(context, entry) : null;
  if (survivor !== null && survivor.process.pid !== 0) {
    await ledger.update(runId, (now) => ({ ...now, session: survivor }), true);
    return;
  }
  // The process may have written its marker and ended between our look at the spool and our look at it.
  const last = scanSpool((id) => (id === runId ? standingOf(context, id) : { kind: 'elsewhere' }), world);
  for (const item of last.taken) await hear(context, item);
  const ended = await ledger.update(runId, (now) => ({ ...now, exit: seen.exit }), true);
  const size = world.files.stat(runFiles(world.home.runs, runId).output)?.sizeBytes ?? 0;
  const tail = world.files.readRange(runFiles(world.home.runs, runId).output, Math.max(0, size - tailForExitBytes), tailForExitBytes);
  await hearExit(context, ended, new TextDecoder().decode(tail ?? new Uint8Array()));
}

/** A terminal is redrawn also where its agent waits for a person; then only what its hooks report is work. */
const standsIdle = ({ kind, turn, hooks, seen }: Entry): boolean =>
  kind === 'tmux' && (turn === 'ended' || turn === 'paused') && seen.progressMs <= (hooks.at(-1)?.atMs ?? 0);

async function outputTooLarge(context: Context, runId: string): Promise<void> {
  const entry = context.ledger.get(runId);
  const reason = `the output passed run.output_max (${context.config.run.output_max} bytes)`;
  await say(context, entry, {
    says: 'failed',
    saidBy: 'deadline',
    summary: null,
    reason,
    atMs: context.world.clock.nowMs(),
    round: entry.round,
    from: { kind: 'deadline', which: 'output' },
    notBeforeMs: null,
  });
}

/** A run by hand has no start of its own: it runs from the claim on. */
async function externalRuns(context: Context, entry: Entry): Promise<void> {
  await context.ledger.update(entry.ref.runId, (now) => ({
    ...now,
    fact: 'running',
    shown: 'running',
    timeline: stamp(now, { atMs: context.world.clock.nowMs(), fact: 'running', reason: 'worked on by hand' }),
  }));
  context.state.untold.set(entry.ref.runId, { status: 'running', reason: null });
}

async function legacy(context: Context): Promise<void> {
  if (context.scope.kind !== 'daemon') return;
  const live = context.ledger.all().filter((entry) => !hasEnded(entry.fact));
  const found = lookForLegacy(live, context.world);
  if (found.kind === 'signal') await say(context, context.ledger.get(found.runId), found.signal);
  if (found.kind === 'named') adoptNamed(context, found.ref, found.pointer);
  const told = found.kind === 'left' ? `${found.since} ${found.why}` : '';
  if (found.kind === 'left' && told !== context.state.legacyTold)
    context.world.log.warn('completion', 'legacy marker left where it is', { why: found.why });
  context.state.legacyTold = told;
}

/** Starts what is due beside the loop: sessions to start, completions to bring to their end. */
function launchWork(context: Context): void {
  const { ledger, tasks, world, config, steps } = context;
  const nowMs = world.clock.nowMs();
  const ready: Entry[] = [];
  for (const entry of ledger.all()) {
    const { runId } = entry.ref;
    // Whoever saved it rings the bell: a round that is started before the journal knows of it would run again after a crash.
    if (!ledger.settled(runId) || asideUntilMs(context, entry) > world.clock.monotonicMs()) continue;
    const hasSession = entry.kind === 'child' || entry.kind === 'tmux';
    if (entry.fact === 'claimed' && hasSession && entry.nextAttemptAtMs <= nowMs && !context.state.draining)
      tasks.start(
        `start:${runId}`,
        () => start(context, runId),
        (error) => refuse(context, runId, error),
      );
    if (hasEnded(entry.fact)) {
      if (!tasks.busy(`run:${runId}`)) ledger.drop(runId);
      continue;
    }
    if (!isCompletion(entry.fact) || tasks.busy(`run:${runId}`)) continue;
    if (entry.fact === 'signalled' && quietAtMs(entry, steps.adapterOf(entry.todo.agent), config) > nowMs) continue;
    if ((dueInLineAtMs(context, entry) ?? 0) <= nowMs) ready.push(entry);
  }
  const places = Math.max(0, completionsMax - tasks.count('run:'));
  for (const { ref } of ready.sort(byPriorityThenAge).slice(0, places))
    tasks.start(
      `run:${ref.runId}`,
      () => bringToEnd(context, ref.runId),
      (error) => refuse(context, ref.runId, error),
    );
}

/** As todos are claimed, so they are brought to their end. */
const byPriorityThenAge = ({ todo: a }: Entry, { todo: b }: Entry): number =>
  a.priority - b.priority || a.createdAtMs - b.createdAtMs || a.number - b.number;

/** Another process has this run now: it is no business of ours. */
function refuse(context: Context, runId: string, error: Error): void {
  if (error instanceof OperationalError && error.code === 'NOT_OWNER') {
    context.ledger.drop(runId);
    return;
  }
  const waitMs = context.ledger.has(runId) ? setAside(context, context.ledger.get(runId)) : 0;
  context.world.log.error('completion', 'run set aside for a moment', { run: runId, waitMs, reason: error.message });
}

function chores(context: Context): void {
  keepLeases(context);
  tellStore(context);
  pingWhileAway(context);
  tellRows(context);
  deliverWaiting(context);
  careForStore(context);
  if (context.scope.kind !== 'daemon') return;
  rescueExpired(context);
  keepReceipts(context);
  watchDependents(context);
  keepSnapshot(context);
  keepPrediction(context);
  watchSessions(context);
  watchResources(context);
  watchHealth(context);
  watchRunners(context);
  takeBackPutOff(context);
  keepHistory(context);
  keepTemporarySwept(context);
  keepWatchdog(context);
  beatService(context);
}

function wantsMore(context: Context, claimedOnce: boolean): boolean {
  return mayClaim(context, claimedOnce) && context.world.clock.monotonicMs() >= context.state.claimDueMs;
}

function mayClaim({ state, watch, restarting, tasks, config, scope, ledger }: Context, claimedOnce: boolean): boolean {
  // A todo whose end was lost in a failover looks like one that waits: receipts come first.
  if (
    state.draining ||
    restarting.intake.kind !== 'open' ||
    watch.acting.paused.size > 0 ||
    state.store.reachable === 'no' ||
    tasks.busy('claim') ||
    tasks.busy('store:receipts')
  )
    return false;
  if (scope.kind === 'run') return !claimedOnce && ledger.all().length === 0;
  return config.behavior.auto_continue && !(scope.once === true && claimedOnce);
}

function claimNext(context: Context, taken: () => void): void {
  const { scope, state, world } = context;
  state.claimDueMs = world.clock.monotonicMs() + (world.store.driver === 'mysql' ? claimEveryMs.shared : claimEveryMs.own);
  context.tasks.start(
    'claim',
    async () => {
      const claimed = await claim(context, {
        todoId: scope.kind === 'run' ? scope.todoId : null,
        kind: 'by-todo',
        slots: scope.kind === 'daemon',
      });
      noteDrained(context, claimed.kind === 'nothing' && claimed.why === 'drained');
      if (claimed.kind === 'claimed') {
        state.claimDueMs = 0;
        taken();
      }
      if (claimed.kind === 'nothing' && claimed.nextAtMs !== null) {
        // The store's clock said so; where ours is ahead of it that time is past already, and asking at once would ask for ever.
        const againMs = Math.max(claimed.nextAtMs - world.clock.nowMs(), claimAgainMs);
        state.claimDueMs = Math.min(state.claimDueMs, world.clock.monotonicMs() + againMs);
      }
      if (claimed.kind === 'refused')
        throw new OperationalError('REFUSED', {
          operation: 'claiming',
          subject: `todo ${scope.kind === 'run' ? scope.todoId : ''}`,
          why: claimed.why,
        });
    },
    (error) => context.world.log.warn('completion', 'claim failed', { reason: error.message }),
  );
}

/** Said once when it begins and once when it is over. */
function noteDrained({ state, world }: Context, drained: boolean): void {
  if (state.drained === drained) return;
  state.drained = drained;
  const hint = 'todo host list';
  if (drained) world.log.warn('monitor', 'this host is drained: it takes nothing new', { hint });
  else world.log.info('monitor', 'this host takes todos again', { hint });
}

function nextWakeAtMs(context: Context, claimedOnce: boolean): number {
  const { ledger, config, world, steps } = context;
  const nowMs = world.clock.nowMs();
  // What is due at intervals is timed by the monotonic clock, what the journal holds by the wall clock.
  const monotonicMs = world.clock.monotonicMs();
  const leftUntil = (dueMs: number): number => Math.max(1, dueMs - monotonicMs);
  let next = Math.min(nowMs + inMs(config.monitoring.rescan), nextDeadlineAtMs(ledger.all(), config));
  // While nothing can be claimed (a claim is under way, the store is away) the end of that wakes us, not the time.
  if (context.scope.kind === 'daemon' && mayClaim(context, claimedOnce)) next = Math.min(next, nowMs + leftUntil(context.state.claimDueMs));
  if (context.scope.kind === 'daemon') next = Math.min(next, nextScheduleAtMs(context));
  if (context.scope.kind === 'daemon' && context.state.store.reachable !== 'no' && !context.tasks.busy('store:rescue'))
    next = Math.min(next, nowMs + leftUntil(rescueDueMs(context)));
  if (!context.tasks.busy('sweep')) next = Math.min(next, nowMs + leftUntil(sweepDueMs(context)));
  if (context.scope.kind === 'daemon')
    next = Math.min(
      next,
      nowMs + leftUntil(Math.min(resourcesDueMs(context), healthDueMs(context), runnersDueMs(context), beatDueMs(context))),
    );
  if (context.state.untold.size > 0) next = Math.min(next, nowMs + tellEveryMs);
  if (context.notebook.rows.length > 0) next = Math.min(next, nowMs + tellRowsEveryMs);
  next = Math.min(next, nowMs + leftUntil(configDueMs(context)));
  // Where all places are taken, the end of one of them wakes us.
  const hasPlace = context.tasks.count('run:') < completionsMax;
  for (const entry of ledger.all()) {
    if (!ledger.settled(entry.ref.runId)) continue;
    const asideMs = asideUntilMs(context, entry);
    if (asideMs > monotonicMs) {
      next = Math.min(next, nowMs + leftUntil(asideMs));
      continue;
    }
    if (entry.fact === 'signalled' && hasPlace && !context.tasks.busy(`run:${entry.ref.runId}`))
      next = Math.min(next, quietAtMs(entry, steps.adapterOf(entry.todo.agent), config));
    const dueInLine = hasPlace ? dueInLineAtMs(context, entry) : null;
    if (dueInLine !== null && !context.tasks.busy(`run:${entry.ref.runId}`)) next = Math.min(next, Math.max(nowMs + 1, dueInLine));
    if (entry.fact === 'claimed' && entry.kind !== 'person') next = Math.min(next, Math.max(nowMs + 1, entry.nextAttemptAtMs));
  }
  return next;
}
