import { adaptersFor } from '../agents/adapters.ts';
import { redactorOf } from '../completion/redactor-for.ts';
import type { Config } from '../core/config.ts';
import { type ConfigChange, shownChange, shownValue, withoutRestart } from '../core/config-keys.ts';
import type { ConfigurationStatus, ControlReply, ControlRequest } from '../core/control.ts';
import { isOperational, messageOf, OperationalError } from '../core/errors.ts';
import { parsedJson } from '../core/shape.ts';
import type { Settings } from '../world.ts';
import type { Context } from './context.ts';
import { kickDeliveries } from './deliveries.ts';
import { effectiveChanges, effectiveConfig } from './effective-config.ts';
import { noteEvent } from './notebook.ts';
import { sweepBy } from './recovery.ts';
import { readRunners } from './runners.ts';

/** A file is taken only when two looks that far apart found the same: who writes it in place is done by then, or it does not parse. */
const settleMs = 300;
/** Somebody who writes for longer than this is not waited for. */
const settleTries = 20;

type Seen = { readonly identity: string | null; readonly text: string | null; readonly atMs: number };

export type Reloading = {
  /** The file about which all is decided. */
  settled: string | null;
  /** Looked at once; taken if it is still the same `settleMs` later. By the monotonic clock. */
  candidate: Seen | null;
  /** Somebody asked and waits for what becomes of it: until then it is not taken up by itself. */
  asked: number;
  takenAtMs: number;
  needsRestart: readonly string[];
  refused: string | null;
};

export const newReloading = (settings: Settings | null, nowMs: number): Reloading => ({
  settled: settings?.readAs ?? null,
  candidate: null,
  asked: 0,
  takenAtMs: nowMs,
  needsRestart: [],
  refused: null,
});

type By = 'file' | 'SIGHUP' | 'person';

/** Of each pass: one stat while nothing changed. A watcher that saw the file only makes the pass come sooner. */
export function lookAtConfig(context: Context): void {
  const { settings, reloading, world, tasks } = context;
  if (settings === null || context.scope.kind !== 'daemon' || reloading.asked > 0 || tasks.busy('config')) return;
  const identity = settings.identity();
  if (identity === reloading.settled) {
    reloading.candidate = null;
    return;
  }
  const { candidate } = reloading;
  if (candidate?.identity !== identity) reloading.candidate = { identity, text: textOf(settings), atMs: world.clock.monotonicMs() };
  else if (world.clock.monotonicMs() >= candidate.atMs + settleMs)
    tasks.start(
      'config',
      async () => {
        reloading.candidate = null;
        if (textOf(settings) === candidate.text) await takeUp(context, settings, candidate, 'file');
      },
      // Said by whoever refused it.
      () => {},
    );
}

/** When a file that was seen once is looked at again, by the monotonic clock. */
export const configDueMs = ({ reloading: { candidate } }: Pick<Context, 'reloading'>): number =>
  candidate === null ? Number.POSITIVE_INFINITY : candidate.atMs + settleMs;

/** A file that cannot be read is one whose identity changes when it can be. */
function textOf(settings: Settings): string | null {
  try {
    return settings.text();
  } catch (error) {
    if (!isOperational(error)) throw error;
    return null;
  }
}

/** By command or SIGHUP: answers when the file was taken up, or throws why it was not. */
export async function reloadNow(context: Context, by: By, stop: AbortSignal): Promise<ControlReply> {
  context.reloading.asked++;
  try {
    return await settled(context, by, stop);
  } finally {
    context.reloading.asked--;
  }
}

async function settled(context: Context, by: By, stop: AbortSignal): Promise<ControlReply> {
  const settings = settingsOf(context);
  const { clock } = context.world;
  for (let tries = 0; tries < settleTries && !stop.aborted; tries++) {
    const seen = { identity: settings.identity(), text: settings.text(), atMs: clock.monotonicMs() };
    await clock.sleep(settleMs, stop);
    if (settings.identity() !== seen.identity || settings.text() !== seen.text) continue;
    const changed = await takeUp(context, settings, seen, by);
    if (changed === null) continue;
    return {
      ok: true,
      kind: 'configured',
      changed: changed.map(shownChange),
      needsRestart: context.reloading.needsRestart,
      overridden: null,
    };
  }
  throw new OperationalError('REFUSED', {
    operation: 'reading',
    subject: 'the configuration',
    why: `it was written again and again for ${(settleMs * settleTries) / 1000} s; the values in use stay`,
    hint: 'Say it again when it is written: todo daemon reload',
  });
}

/** One key in the file, then the file: what a person asks by `todo config set`, and an API by its PUT. */
export async function configure(
  context: Context,
  { key, value }: Extract<ControlRequest, { op: 'configure' }>,
  stop: AbortSignal,
): Promise<ControlReply> {
  const settings = settingsOf(context);
  await writeValue(settings, key, value);
  const reply = await reloadNow(context, 'person', stop);
  return reply.ok && reply.kind === 'configured' ? { ...reply, overridden: settings.overridden(key) } : reply;
}

/** Also without a daemon: what is wrong with it is said before anything is written. */
export async function writeValue(settings: Settings, key: string, value: string | null): Promise<void> {
  const identity = settings.identity();
  const edited = await settings.edited(
    settings.text(),
    key,
    value === null ? undefined : (parsedJson(value) ?? (value === 'null' ? null : value)),
  );
  settings.replace(edited, identity);
}

function settingsOf({ settings }: Pick<Context, 'settings'>): Settings {
  if (settings !== null) return settings;
  throw new OperationalError('REFUSED', {
    operation: 'reading',
    subject: 'the configuration',
    why: 'this process keeps the one it began with',
  });
}

/** What changed; null where the file changed again meanwhile and is looked at anew. */
async function takeUp(context: Context, settings: Settings, seen: Seen, by: By): Promise<readonly ConfigChange[] | null> {
  const { reloading, world } = context;
  try {
    if (seen.text === null && seen.identity !== null) settings.text();
    // A home that never had one goes on without.
    if (seen.text === null && reloading.settled === null && reloading.refused === null) return [];
    if (seen.text === null) throw gone();
    const { config, warnings, secrets } = await settings.parse(seen.text);
    if (settings.identity() !== seen.identity) return null;
    reloading.settled = seen.identity;
    for (const warning of warnings) world.log.warn('monitor', 'configuration', { warning });
    return use(context, config, secrets, by);
  } catch (error) {
    if (!isOperational(error)) throw error;
    reloading.settled = seen.identity;
    refuse(context, messageOf(error), by);
    throw error;
  }
}

const gone = (): OperationalError =>
  new OperationalError('CONFIG_INVALID', {
    operation: 'reading',
    subject: 'hooks/config.json',
    why: 'it is not there any more; the values in use stay, and a restart would take the defaults',
    hint: 'Put it back, or restart the daemon: todo daemon restart',
  });

function refuse(context: Context, why: string, by: By): void {
  const { reloading, world } = context;
  if (reloading.refused === why) return;
  reloading.refused = why;
  world.log.error('monitor', 'configuration refused', { by, reason: why, hint: 'the values in use stay' });
  noteEvent(context, { kind: 'audit', what: 'configuration refused', detail: JSON.stringify({ by, reason: why }) });
}

function use(context: Context, next: Config, secrets: readonly string[], by: By): readonly ConfigChange[] {
  const { reloading, world } = context;
  const config = withoutRestart(context.config, next);
  const changed = effectiveChanges(context.config, config);
  const needsRestart = effectiveChanges(config, next).map(({ key }) => key);
  const isNews = changed.length > 0 || needsRestart.join() !== reloading.needsRestart.join() || reloading.refused !== null;
  reloading.needsRestart = needsRestart;
  reloading.refused = null;
  reloading.takenAtMs = world.clock.nowMs();
  if (!isNews) return changed;
  context.config = config;
  // What was a secret once stands in outputs that are still to be redacted.
  context.secrets = [...new Set([...context.secrets, ...secrets])];
  context.redactAll = redactorOf(context.secrets, world.digest);
  actOn(context, changed);
  const shown = changed.map(shownChange);
  world.log.info('monitor', 'configuration taken up', { by, changed: shown.map(wordsOf), needsRestart });
  noteEvent(context, { kind: 'audit', what: 'configuration', detail: JSON.stringify({ by, changed: shown, needsRestart }) });
  return changed;
}

const wordsOf = ({ key, from, to }: ConfigChange): string => `${key}: ${JSON.stringify(from)} → ${JSON.stringify(to)}`;

/** Nearly all is read where it is used; this is what somebody has made of it before. */
function actOn(context: Context, changed: readonly ConfigChange[]): void {
  context.outside.tune(context.config);
  // One that is no longer defined may have a run to finish.
  context.adapters = adaptersFor(context.adapters, context.config);
  if (changed.some(({ key }) => key.startsWith('agents') || key === 'runners')) {
    readRunners(context);
    context.runners.dueMs = 0;
  }
  if (changed.some(({ key }) => key === 'behavior.health_check_interval')) sweepBy(context.config, context);
  // What was refused waits for a time that may have become shorter, or for an address.
  if (changed.some(({ key }) => key.startsWith('breakers.webhook') || key === 'monitoring.webhook_url')) kickDeliveries(context);
  context.state.claimDueMs = 0;
  context.changes.tell();
  context.wakeup.ring();
}

export const configurationStatus = ({ reloading }: Pick<Context, 'reloading'>): ConfigurationStatus => ({
  takenAtMs: reloading.takenAtMs,
  needsRestart: reloading.needsRestart,
  refused: reloading.refused,
});

export const configurationInUse = (context: Context): ControlReply => ({
  ok: true,
  kind: 'configuration',
  configuration: configurationStatus(context),
  values: Object.fromEntries([...effectiveConfig(context.config)].map(([key, value]) => [key, shownValue(key, value)])),
});
