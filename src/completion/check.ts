import type { Entry } from '../core/entry.ts';
import type { CheckResult } from '../core/evidence.ts';
import { inMs } from '../core/seconds.ts';
import { checksOfRound, endingOf, wantsChecks } from '../core/verdict.ts';
import type { Step, StepNeeds } from './needs.ts';
import { redactorFor } from './redactor-for.ts';

const checkTailBytes = 16 * 1024;

/** Between layers 1 and 2: the todo's own acceptance commands, run by us, never by the agent. Decides what the run comes to. */
export const check: Step = async (entry, needs, stop) => {
  const checks =
    wantsChecks(entry) && checksOfRound(entry).length === 0 ? [...entry.checks, ...(await runChecks(entry, needs, stop))] : entry.checks;
  const { clock, random } = needs.world;
  const ending = endingOf({ ...entry, checks }, needs.config, clock.nowMs(), random.next);
  const asked = checksOfRound({ checks, round: entry.round });
  return {
    kind: 'done',
    fact: 'checked',
    reason: asked.length === 0 ? 'no checks' : `${asked.filter((result) => result.passed).length} of ${asked.length} checks passed`,
    changes: { checks, ending },
  };
};

/** All of them, in order, whatever the first ones say: people want to see the whole picture. */
export async function runChecks(
  entry: Entry,
  { world, config, secrets }: Pick<StepNeeds, 'world' | 'config' | 'secrets'>,
  stop: AbortSignal,
): Promise<readonly CheckResult[]> {
  const redact = redactorFor(entry, { world, secrets });
  const results: CheckResult[] = [];
  for (const command of entry.todo.checks) {
    const startedAtMs = world.clock.nowMs();
    const result = await world.processes.run(
      {
        argv: ['/bin/sh', '-c', command],
        cwd: entry.todo.cwd,
        env: { TODO_ID: entry.todo.id, TODO_ROUND: String(entry.round), TODO_RUN: null, TODO_TOKEN: null, TODO_SPOOL: null },
        timeoutMs: inMs(config.behavior.check_timeout),
        tailBytes: checkTailBytes,
      },
      stop,
    );
    results.push({
      command,
      round: entry.round,
      exitCode: result.exitCode,
      osSignal: result.osSignal,
      timedOut: result.timedOut,
      startError: result.startError,
      passed: result.exitCode === 0 && !result.timedOut && result.startError === null,
      startedAtMs,
      durationMs: result.durationMs,
      outputTail: redact(result.tail),
      outputBytes: result.bytes,
    });
  }
  return results;
}
