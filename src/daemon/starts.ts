import { isNamed } from '../agents/adapters.ts';
import { planLaunch, startSession } from '../agents/start.ts';
import { rememberGit } from '../completion/git-changes.ts';
import { prepareRunFolder } from '../completion/prepare-run-folder.ts';
import { refusedWaitMs } from '../core/advance.ts';
import { settingsOf } from '../core/config.ts';
import type { Entry, ProcessId, SessionRef } from '../core/entry.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { newEntry } from '../core/new-entry.ts';
import { runFiles } from '../core/run-folder.ts';
import { autoAgent, type Choice, choiceText, nobodyText } from '../core/runners.ts';
import { inMs } from '../core/seconds.ts';
import { stamp } from '../core/signal.ts';
import type { Run, Todo } from '../core/todo.ts';
import type { RunKind } from '../core/words.ts';
import { Refused } from '../resilience/errors.ts';
import type { ClaimResult } from '../world.ts';
import type { Context } from './context.ts';
import { externalLeaseMs } from './emergency.ts';
import { slotsNow } from './ladder.ts';
import { autoRunners, type Choices, choicesNow, lookAtRunners, noteChoice, sessionOf } from './runners.ts';
import { say } from './words.ts';

const startRetryMs = 2000;

/** How a todo is taken: by the loop, by name, by a person's word. */
export type Claiming = { readonly todoId: string | null; readonly kind: 'by-todo' | RunKind; readonly slots: boolean };

export type Claimed =
  | { readonly kind: 'claimed'; readonly entry: Entry }
  | Extract<ClaimResult, { readonly kind: 'nothing' }>
  | { readonly kind: 'refused'; readonly why: string };

/** Agents that may be started now: what has a breaker that refuses would only be claimed to wait. */
const startable = (context: Context, choices: Choices | null): readonly string[] => [
  ...[...context.adapters.keys()].filter(isNamed).filter((agent) => {
    const session = sessionOf(context, { agent, session: null });
    return !context.outside.refuses(session === 'tmux' ? 'runner.tmux' : 'runner');
  }),
  ...(choices === null || context.outside.refuses('runner') ? [] : [autoAgent]),
];

/** One atomic select-and-claim, and the entry that the journal has of it before anything is started. */
export async function claim(context: Context, how: Claiming): Promise<Claimed> {
  const { world, config } = context;
  const runId = world.random.uuidv7();
  const token = world.random.token();
  const mayBeAuto = how.kind === 'by-todo';
  // The daemon looks beside everything else; who came for one todo waits for the first look.
  if (mayBeAuto && choicesNow(context) === null && (context.scope.kind === 'run' || how.todoId !== null))
    await lookAtRunners(context, 'due');
  const askedMs = world.clock.monotonicMs();
  const choices = mayBeAuto ? choicesNow(context) : null;
  const choseMs = world.clock.monotonicMs() - askedMs;
  const result = await world.store.claim({
    runId,
    tokenSha256: world.digest.sha256(token),
    host: world.host.id,
    kind: how.kind,
    leaseMs: inMs(config.behavior.lease),
    todoId: how.todoId,
    slots: how.slots ? slotsNow(context) : null,
    agents: how.todoId === null ? startable(context, choices) : null,
    ...(choices === null ? {} : { auto: autoRunners(choices, context) }),
    externalLeaseMs: how.kind === 'external' ? externalLeaseMs(context) : null,
  });
  if (result.kind !== 'claimed') return result;
  const { todo, run } = result;
  const choice = todo.agent === autoAgent && choices !== null ? choices[todo.session ?? 'any'] : null;
  const entry = await openRun(context, { ...todo, agent: run.agent }, run, token, choice);
  if (choice !== null) noteChoice(context, entry, choice, choseMs);
  return { kind: 'claimed', entry };
}

/** The token is on disk before the journal names the run: whoever finds the entry can start it. */
async function openRun(context: Context, todo: Todo, run: Run, token: string, choice: Choice | null): Promise<Entry> {
  const { world, config } = context;
  const kind: RunKind = run.kind === 'child' || run.kind === 'tmux' ? sessionOf(context, todo) : run.kind;
  const at = runFiles(world.home.runs, run.id);
  world.files.makeFolder(at.folder);
  world.files.write(at.token, token, 0o600);
  world.files.sync(at.token);
  prepareRunFolder(run.id, world);
  const made = newEntry({ todo, run, owner: context.owner, conversationId: world.random.uuidv4(), nowMs: world.clock.nowMs() });
  const entry: Entry = {
    ...made,
    ...(choice === null ? {} : { choice, timeline: stamp(made, { atMs: made.startedAtMs, fact: 'chosen', reason: choiceText(choice) }) }),
    kind,
    simple: !config.behavior.enable_robust_completion,
  };
  await context.ledger.open(entry);
  world.log.info('completion', 'claimed', { todo: todo.number, run: run.id, fence: run.fence, agent: todo.agent, kind });
  return entry;
}

/** Starts the round that the journal says is due; finds it again where it was started before a crash. */
export async function start(context: Context, runId: string): Promise<void> {
  const { world, ledger } = context;
  const entry = ledger.get(runId);
  if (entry.fact !== 'claimed' || entry.kind === 'external' || entry.kind === 'person') return;
  let session: SessionRef;
  try {
    session = findSession(context, entry) ?? (await launchRound(context, entry));
  } catch (error) {
    if (!isOperational(error)) throw error;
    await cannotStart(context, entry, error);
    context.wakeup.ring();
    return;
  }
  const nowMs = world.clock.nowMs();
  // It runs now. A journal that cannot take that down is no failed start.
  const running = await ledger.update(runId, (now) => ({
    ...now,
    session,
    fact: now.fact === 'claimed' ? 'running' : now.fact,
    shown: 'running',
    lastSignAtMs: nowMs,
    lastError: null,
    timeline: stamp(now, {
      atMs: nowMs,
      fact: 'running',
      reason: `round ${now.round}, ${session.kind} ${session.kind === 'tmux' ? session.target : session.process.pid}`,
    }),
  }));
  // A quick agent may have been heard meanwhile, and be stalled already.
  if (ledger.get(runId).shown === 'running') context.state.untold.set(runId, { status: 'running', reason: null });
  world.log.info('completion', 'running', {
    todo: entry.todo.number,
    run: runId,
    round: running.round,
    session: session.kind,
    pid: session.process.pid,
  });
  context.wakeup.ring();
}

async function launchRound(context: Context, entry: Entry): Promise<SessionRef> {
  const { world, config } = context;
  const at = runFiles(world.home.runs, entry.ref.runId);
  const adapter = context.adapters.get(entry.todo.agent);
  if (adapter === undefined)
    throw new OperationalError('AGENT_UNKNOWN', {
      operation: 'starting',
      subject: `todo ${entry.todo.number}`,
      why: `agent "${entry.todo.agent}" is not known here`,
    });
  const token = world.files.readText(at.token);
  if (token === null)
    throw new OperationalError('SPAWN_FAILED', {
      operation: 'starting',
      subject: `todo ${entry.todo.number}`,
      why: 'its token was lost with the run folder',
    });
  const feedback = entry.round > 1 ? (world.files.readText(at.feedback) ?? 'The acceptance checks failed.') : null;
  if (entry.round === 1) await rememberGit(entry, world, context.stop);
  world.files.unlink(at.exit);
  const why = entry.choice?.degraded ? nobodyText(entry.choice) : undefined;
  const launch = planLaunch(entry, feedback, adapter, settingsOf(config, entry.todo.agent), inMs(config.behavior.hook_wait), world, why);
  return startSession(entry, token, launch, feedback, world);
}

/** A round that was started before a crash: its processes carry the run's id in their environment. */
export function findSession({ world }: Pick<Context, 'world'>, entry: Entry): SessionRef | null {
  const at = runFiles(world.home.runs, entry.ref.runId);
  const found = [...world.processes.tagged('TODO_RUN', entry.ref.runId)].sort(byStart)[0];
  if (found === undefined) {
    // It may have run and ended while nobody looked: then its exit speaks, and it must not run twice.
    const begun = world.files.stat(at.started(entry.round)) !== null;
    return begun ? { kind: 'child', process: { pid: 0, startTicks: 0, bootId: 'ended' } } : null;
  }
  const target =
    entry.kind === 'tmux' ? (world.terminals.list() ?? []).find((name) => name.includes(entry.ref.runId.slice(-8))) : undefined;
  return target === undefined ? { kind: 'child', process: found } : { kind: 'tmux', target, process: found };
}

const byStart = (a: ProcessId, b: ProcessId): number => a.startTicks - b.startTicks || a.pid - b.pid;

/** A full disk passes; everything else that keeps an agent from starting is a lost attempt, counted by policy `job`. */
async function cannotStart(context: Context, entry: Entry, error: OperationalError): Promise<void> {
  const { world, ledger } = context;
  const nowMs = world.clock.nowMs();
  if (error instanceof Refused) {
    await waitForRunner(context, entry, error);
    return;
  }
  world.log.error('completion', 'start failed', { todo: entry.todo.number, run: entry.ref.runId, code: error.code, reason: error.message });
  if (error.code === 'DISK_FULL') {
    await ledger.update(entry.ref.runId, (now) => ({
      ...now,
      nextAttemptAtMs: nowMs + startRetryMs,
      lastError: { code: error.code, message: error.message, atMs: nowMs },
    }));
    return;
  }
  const failed = await ledger.update(
    entry.ref.runId,
    (now) => ({ ...now, exit: { kind: 'spawn-error', why: error.message, atMs: nowMs } }),
    true,
  );
  await say(context, failed, {
    says: null,
    saidBy: 'process-end',
    summary: null,
    reason: error.message,
    atMs: nowMs,
    round: failed.round,
    from: { kind: 'exit', code: null, osSignal: null },
    notBeforeMs: null,
  });
}

/** Nothing was started, so it is no attempt. It stays claimed: whoever closes the breaker, or its time, comes back to it. */
async function waitForRunner({ world, ledger }: Context, entry: Entry, error: Refused): Promise<void> {
  const nowMs = world.clock.nowMs();
  const waitMs = Math.min(refusedWaitMs(error.retryAfterMs), runnerLookMs);
  await ledger.update(entry.ref.runId, (now) => ({
    ...now,
    nextAttemptAtMs: nowMs + waitMs,
    lastError: now.lastError ?? { code: error.code, message: error.message, atMs: nowMs, errorClass: 'refused' },
  }));
}
/** A breaker that was closed by command, or by another start, is found within this. */
const runnerLookMs = 5000;
