import type { Component } from '../core/control.ts';
import { livingDaemon, programComponent, serverComponent, worst } from '../healing/health.ts';
import type { ShownHealth } from '../observe/shown.ts';
import type { Context } from './context.ts';
import { statusOf } from './requests.ts';

/**
 * How it is, at once: what this process knows by itself is of this moment, the rest of the last look over everything (`health.ts`), which comes every
 * resource.probe_interval whether somebody asks or not: what it costs hangs on nobody else.
 */
export function healthNow(context: Context): ShownHealth {
  const { health, world } = context;
  const nowMs = world.clock.nowMs();
  const { latest } = health;
  const components = withImmediate(latest?.health.components ?? notYet(nowMs), context, nowMs);
  return { status: worst(components), components, findings: latest?.health.findings ?? [], lookedAtMs: latest?.atMs ?? nowMs };
}

const notYet = (nowMs: number): readonly Component[] => [{ name: 'store', status: 'unknown', reason: 'not looked at yet', sinceMs: nowMs }];

/** What is known here without asking anybody says over what was seen before. */
function withImmediate(components: readonly Component[], context: Context, nowMs: number): readonly Component[] {
  const status = statusOf(context);
  const { store, server, watched } = status;
  const now: Component[] = [
    livingDaemon(status, context.config, nowMs),
    ...serverComponent(server ?? null),
    ...programComponent(status),
    ...(watched?.components ?? []),
  ];
  if (store.reachable === 'no')
    now.push({
      name: 'store',
      status: 'unknown',
      reason: store.error ?? 'it does not answer',
      sinceMs: store.sinceMs,
      whatToDo: 'See: todo store check. Completions wait in the journal and go on by themselves',
    });
  const added = now.filter(({ name }) => !components.some((it) => it.name === name));
  return [...components.map((it) => now.find(({ name }) => name === it.name) ?? it), ...added];
}
