import { hasFailed, parseTrial, trialNote } from '../core/trial.ts';
import type { Context } from './context.ts';
import { deliverAlert } from './deliveries.ts';
import { noteEvent } from './notebook.ts';

/** A build never worked here, and this daemon is the last good copy in its place: told once. */
export async function tellGivenWay(context: Context): Promise<void> {
  const { world, program, restarting, version } = context;
  const trial = parseTrial(world.journal.getNote(trialNote));
  if (program?.kind !== 'last-good' || trial === null || trial.isTold || !hasFailed(trial)) return;
  const fields = { generation: restarting.generation, to: version, starts: trial.starts, sinceMs: trial.sinceMs, reason: program.why };
  const hint = 'Install it again, then: todo daemon restart';
  world.log.critical('monitor', 'a build never worked; the last good copy goes on', { ...fields, hint });
  noteEvent(context, { kind: 'healing', what: 'restart_rolled_back', detail: JSON.stringify(fields) });
  deliverAlert(context, 'restart rolled back', 'CRITICAL', 'a new build never worked; the daemon went back to the last good copy', fields);
  await world.journal.setNote(trialNote, JSON.stringify({ ...trial, isTold: true }));
}
