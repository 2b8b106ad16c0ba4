import type { Finding, Health, RecoveryPlan, RepairResult } from '../core/control.ts';
import { applyPlan, lookAtInterrupted, type Repairs, type Treating } from './apply.ts';
import { type HealthNeeds, lookAtAll, worst } from './health.ts';
import { withinLimits } from './limits.ts';
import { plansFor } from './plans.ts';

export type SweepNeeds = HealthNeeds & {
  readonly world: Repairs;
  readonly treating: Treating;
  /** none: look and plan only (`recover --dry-run`) · automatic: what the configuration allows (the daemon's sweep) · all: what a person asked for (`recover --apply`). */
  readonly apply: 'none' | 'automatic' | 'all';
  /** One component by name, or one todo by id; null: all. */
  readonly only?: Only | null;
  /** Asked before each plan: whoever drains begins nothing new. */
  readonly goesOn?: () => boolean;
};

export type Only = { readonly component: string } | { readonly todoId: string };

/** Under which component of the health what a check finds is shown. */
export const componentOf: Readonly<Record<Finding['check'], string>> = {
  hanging: 'runs',
  'orphaned-session': 'runs',
  'store-consistency': 'runs',
  'completion-waiting': 'runs',
  'dead-letter': 'runs',
  'stale-marker': 'spool',
  'log-size': 'logs',
  queue: 'queue',
  disk: 'disk',
};

/** Where findings come from. What the daemon watches beside them (memory, webhook …) has none. */
const lookedAt: ReadonlySet<string> = new Set([...Object.values(componentOf), 'store', 'journal']);

/** What could not be looked at is not fine: there may be more. */
export const notSeenIn = (components: Health['components']): readonly string[] =>
  components.filter(({ name, status }) => status === 'unknown' && lookedAt.has(name)).map(({ name }) => name);

const wanted = (only: Only | null) => (it: Finding) =>
  only === null || ('component' in only ? componentOf[it.check] === only.component : it.todoId === only.todoId);

/**
 * One look, the plans that follow from it, and those of them carried out that may be. Called every behavior.health_check_interval,
 * and by `todo recover`. The health is that of the look: what was mended shows in the next one.
 */
export async function sweep(needs: SweepNeeds): Promise<Swept> {
  const { world, config, treating, apply, only = null, goesOn = () => true } = needs;
  if (apply !== 'none') await lookAtInterrupted(treating, world, config);
  const { seen, components } = await lookAtAll({ withinMs: sweepWithinMs, ...needs });
  const health: Health = { status: worst(components), components, findings: seen.map(({ about: _, ...finding }) => finding) };
  const planned = await withinLimits(plansFor(seen.filter(wanted(only)), config, world.clock.nowMs()), world);
  const plans = planned.map(({ plan }) => plan);
  if (apply === 'none') return { health, plans, results: [] };

  if (only === null) await tellChanges(health, world);
  const results: RepairResult[] = [];
  for (const it of planned) {
    if (!goesOn()) break;
    if (apply === 'all' || it.plan.automatic) results.push(await applyPlan(it, treating, world, config));
  }
  return { health, plans, results };
}

export type Swept = {
  readonly health: Health;
  readonly plans: readonly RecoveryPlan[];
  readonly results: readonly RepairResult[];
};

/** Nobody waits for a sweep, so a slow store gets the time to answer. */
const sweepWithinMs = 5_000;

/** Findings that were told and still hold are not told again; the bound keeps the note small. */
const knownMax = 500;
const noteKey = 'healing.known';

/** Says a finding once, and once that it is over. */
async function tellChanges(health: Health, { journal, log }: Pick<SweepNeeds['world'], 'journal' | 'log'>): Promise<void> {
  const before = new Set(parseKnown(journal.getNote(noteKey)));
  const unknown = health.components
    .filter((it) => it.status === 'unknown')
    .map((it) => ({ key: `unknown:${it.name}`, fields: { component: it.name, reason: it.reason } }));
  const found = health.findings.map((it) => ({
    key: `${it.check}:${it.subject}`,
    fields: { check: it.check, subject: it.subject, todo: it.todoId, run: it.runId, reason: it.reason, sinceMs: it.sinceMs },
  }));
  const now = [...found, ...unknown].slice(0, knownMax);
  for (const { key, fields } of now) if (!before.has(key)) log.warn('monitor', 'found', fields);
  const keys = now.map(({ key }) => key);
  for (const key of before) if (!keys.includes(key)) log.info('monitor', 'is over', { finding: key });
  log.info('monitor', 'swept', { status: health.status, findings: health.findings.length });
  const text = JSON.stringify(keys);
  if (text !== JSON.stringify([...before])) await journal.setNote(noteKey, text);
}

function parseKnown(text: string | null): readonly string[] {
  const parsed: unknown = text === null ? [] : JSON.parse(text);
  return Array.isArray(parsed) ? parsed.filter((it) => typeof it === 'string') : [];
}
