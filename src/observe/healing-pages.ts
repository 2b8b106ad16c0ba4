import type { HttpResponse } from '../core/http.ts';
import { acted } from './api-pages.ts';
import { limitIn } from './limit-in.ts';
import type { Family } from './metric.ts';
import type { Asked, Page } from './page.ts';
import { json, type Problem } from './respond.ts';
import type { HealingConfig, Shown } from './shown.ts';

/** Healing, retries and breakers for programs: each document by itself, asked of the store now where it is from there. */
export const healingPages: readonly Page[] = [
  {
    paths: ['/health/metrics'],
    needs: 'viewer',
    answer: (shown) => json(200, { schemaVersion: 1, kind: 'metrics', metrics: shown.families().map(metric) }),
  },
  { paths: ['/self-healing/status'], needs: 'viewer', answer: status },
  { paths: ['/self-healing/history'], needs: 'viewer', answer: healed },
  {
    paths: ['/circuit-breakers/status'],
    needs: 'viewer',
    answer: (shown) => json(200, { schemaVersion: 1, kind: 'breakers', breakers: shown.overview().breakers }),
  },
  {
    paths: ['/retry-manager/status'],
    needs: 'viewer',
    answer: async (shown) => json(200, { schemaVersion: 1, kind: 'retries', ...(await shown.look('retries')) }),
  },
  {
    paths: ['/retry-manager/dead-letter-queue'],
    needs: 'viewer',
    answer: async (shown) => json(200, { schemaVersion: 1, kind: 'dead-letters', ...(await shown.look('deadLetters')) }),
  },
  {
    paths: ['/circuit-breakers/:name/reset'],
    method: 'POST',
    needs: 'operator',
    answer: acted('reset', ({ breaker }, { reason }, { by, params }) => breaker(params['name'] ?? '', { action: 'reset', reason }, by)),
  },
  { paths: ['/self-healing/config'], needs: 'viewer', answer: async (shown) => json(200, configDocument(await shown.healingConfig())) },
  {
    paths: ['/self-healing/config'],
    method: 'PUT',
    needs: 'admin',
    answer: acted('config', ({ configure }, body, { by }) => configure(body, by).then(configDocument)),
  },
  {
    paths: ['/health/thresholds/update'],
    method: 'POST',
    needs: 'admin',
    answer: acted('threshold', ({ configure }, body, { by }) => configure(body, by).then(configDocument)),
  },
];

const metric = ({ name, help, type, series }: Family) => ({ name, help, type, series });

async function status(shown: Shown): Promise<HttpResponse> {
  const { status: now, components } = shown.health();
  const { healing, retries, deadLetters } = {
    healing: await shown.look('healing'),
    retries: await shown.look('retries'),
    deadLetters: await shown.look('deadLetters'),
  };
  return json(200, {
    ...{ schemaVersion: 1, kind: 'self-healing', status: now, components },
    ...{ lastHealed: healing[0] ?? null, waitingRetries: retries.count, deadLetters: deadLetters.count },
  });
}

const eventsMax = { usual: 50, most: 1000 };

async function healed(shown: Shown, { request: { query } }: Asked): Promise<HttpResponse | Problem> {
  const limit = limitIn(query, eventsMax);
  if (typeof limit === 'string') return { status: 400, code: 'BAD_DATA', message: limit };
  return json(200, { schemaVersion: 1, kind: 'healing-history', events: await shown.healed(limit) });
}

const configDocument = (config: HealingConfig) => ({ schemaVersion: 1, kind: 'self-healing-config', ...config });
