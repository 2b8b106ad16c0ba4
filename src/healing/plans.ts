import type { Config } from '../core/config.ts';
import type { RecoveryPlan } from '../core/control.ts';
import { inMs } from '../core/seconds.ts';
import { ago } from './ago.ts';
import type { Seen } from './findings.ts';

/** A plan with the finding it would mend. */
export type Planned = { readonly plan: RecoveryPlan; readonly seen: Seen };

/**
 * What could be done about what was seen. Pure; nothing is planned about what could not be looked at, because it is not among `seen`.
 * `automatic` says whether the configuration lets the daemon do it by itself; a person who asks for it may do all of them.
 */
export function plansFor(seen: readonly Seen[], config: Config, nowMs: number): readonly Planned[] {
  return seen.flatMap((it) => {
    const repair = repairOf(it, config, nowMs);
    if (repair === null) return [];
    const { check: _, about: __, reason, sinceMs: ___, ...ids } = it;
    const evidence = evidenceOf(it, nowMs);
    return [{ plan: { id: `${repair.action}:${it.subject}`, ...ids, ...repair, why: reason, evidence }, seen: it }];
  });
}

/** Whether it acts on a todo that somebody works on, or is believed to: those are counted, and one at a time. The rest is tidying up. */
export const isTreatment = (action: RecoveryPlan['action']): boolean => treatments.has(action);
const treatments: ReadonlySet<RecoveryPlan['action']> = new Set(['process-marker', 'force-complete', 'reset', 'rescue', 'block']);

/** What was seen, in figures that a person can look up. */
function evidenceOf({ about, runId, sinceMs }: Seen, nowMs: number): readonly string[] {
  const since = `since ${new Date(sinceMs).toISOString()} (${ago(sinceMs, nowMs)})`;
  switch (about.kind) {
    case 'silent-run': {
      const { startedAtMs, lastSignAtMs, seen, session } = about.entry;
      const process = session?.kind === 'child' ? [`process ${session.process.pid}`] : session === null ? [] : [`window ${session.target}`];
      return [
        `run ${about.entry.ref.runId}`,
        `started ${new Date(startedAtMs).toISOString()}`,
        `last sign of progress ${new Date(lastSignAtMs).toISOString()} (${ago(lastSignAtMs, nowMs)})`,
        `${seen.outputBytes} bytes of output, ${seen.cpuMs} ms of CPU`,
        ...process,
      ];
    }
    case 'lost-claim':
      return [
        `run ${about.ref.runId}, fence ${about.ref.fence}`,
        since,
        `resets ${about.resets}`,
        about.sure ? 'the journal does not know this run' : 'the journal knows this run',
      ];
    case 'marker':
    case 'orphan-folder':
      return [...(runId === null ? [] : [`run ${runId}`]), `last touched ${new Date(sinceMs).toISOString()} (${ago(sinceMs, nowMs)})`];
    case 'orphan-process':
      return [`pid ${about.pids.join(', ')}`, 'started with the tags of this home and of that run'];
    case 'orphan-window':
      return ['listed by our tmux server, and named by no live run of the journal'];
    case 'log':
    case 'disk':
    case 'told':
      return [since];
    default:
      return about satisfies never;
  }
}

type Repair = Pick<RecoveryPlan, 'action' | 'risk' | 'automatic'>;

function repairOf({ about }: Seen, config: Config, nowMs: number): Repair | null {
  const { behavior } = config;
  switch (about.kind) {
    case 'marker':
      // The scan has already refused a legacy marker that fits nothing, and it may be another home's.
      return about.legacy
        ? null
        : {
            action: 'process-marker',
            risk: 'none: it is taken as if it had just come, and set aside when its run is closed',
            automatic: behavior.auto_recovery,
          };
    case 'orphan-folder':
      return about.owner === 'over'
        ? {
            action: 'archive-orphan',
            risk: 'none: it is moved to the archive with digests, not deleted',
            automatic: behavior.auto_recovery && behavior.cleanup_orphaned,
          }
        : {
            action: 'archive-orphan',
            risk: 'it may belong to another home, so only a person may have it moved to this archive',
            automatic: false,
          };
    case 'orphan-process':
      return {
        action: 'end-processes',
        risk: 'what these processes were still doing is lost; what they had written stays',
        automatic: behavior.auto_recovery && behavior.cleanup_orphaned,
      };
    case 'orphan-window':
      return {
        action: 'end-window',
        risk: 'what still runs in that window ends',
        automatic: behavior.auto_recovery && behavior.cleanup_orphaned,
      };
    case 'lost-claim':
      return lostClaim(about, config);
    case 'silent-run':
      return silentRun(about, config, nowMs);
    case 'log':
      return {
        action: 'rotate-log',
        risk: 'none: the oldest rotated log goes when logging.max_files is reached',
        automatic: behavior.auto_recovery,
      };
    case 'disk':
    case 'told':
      return null;
    default:
      return about satisfies never;
  }
}

/** A claim is only taken away when its lease has run out: until then its holder may still be there. */
function lostClaim(about: Extract<Seen['about'], { kind: 'lost-claim' }>, { behavior, run }: Config): Repair | null {
  if (!about.leaseExpired) return null;
  if (!about.sure) return { action: 'rescue', risk: 'the journal remembers that run, so its work may be done twice', automatic: false };
  const risk = mayResetAgain(about.resets, run.resets)
    ? `it may start again, as reset ${about.resets + 1} of ${run.resets}`
    : `reset ${about.resets} times already: it is blocked, for a person to look at`;
  return { action: 'rescue', risk, automatic: behavior.auto_recovery };
}

export const mayResetAgain = (resets: number, max: number): boolean => resets < max;

/** The timers end a silent run. Only where they did not, although its time is long over, is there anything left to do. */
function silentRun(
  { entry }: Extract<Seen['about'], { kind: 'silent-run' }>,
  { behavior, emergency }: Config,
  nowMs: number,
): Repair | null {
  const silentMs = nowMs - entry.lastSignAtMs;
  if (entry.emergency !== null || silentMs <= inMs(behavior.emergency_timeout) + timerSlackMs) return null;
  const automatic = behavior.auto_recovery && behavior.enable_emergency_handlers;
  switch (emergency.action) {
    case 'complete':
      return {
        action: 'force-complete',
        risk: 'its session is ended; it counts as completed with proof forced, which lets nothing that waits for it start',
        automatic,
      };
    case 'reset':
      return { action: 'reset', risk: 'its session is ended and it starts again from the beginning', automatic };
    case 'stall':
      return null;
    default:
      return emergency.action satisfies never;
  }
}

/** The timers have had this long to act by themselves. */
const timerSlackMs = 60_000;
