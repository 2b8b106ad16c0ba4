import { dirname, join } from 'node:path';
import { type Config, redisAddress } from '../../core/config.ts';
import { OperationalError } from '../../core/errors.ts';
import type { FarPlace, KeptState } from '../../core/kept.ts';
import { inMs } from '../../core/seconds.ts';
import type { Limits } from '../../observe/limits.ts';
import { limitsIn } from '../../observe/limits.ts';
import { type Sessions, sessionPrefix, sessionsIn } from '../../observe/sessions.ts';
import { keptInFile } from '../../platform/kept-in-file.ts';
import { type Keep, type KeepParts, keepIn } from '../../resilience/kept.ts';
import { keptInMemory } from '../../resilience/kept-in-memory.ts';
import type { World } from '../../world.ts';

type Needs = Pick<World, 'clock' | 'random' | 'digest' | 'home' | 'host' | 'log'>;

export type Kept = { readonly sessions: Sessions; readonly limits: Limits; watch(stop: AbortSignal): Promise<void> };

/** Redis where one is named, then a file beside the journal, then memory. */
export function sessionsOf(server: Config['server'], world: Needs, onChange: (state: KeptState) => void): Kept {
  const file = keptInFile(join(dirname(world.home.database), 'sessions.db'), world.clock);
  // The reason of one outage changes; that it is one is said once.
  let told = '';
  const keep: Keep = keepIn(
    {
      near: [file, keptInMemory(world.clock)],
      far: farOf(server, world),
      lasting: sessionPrefix,
      onChange: (state) => {
        const word = `${state.in} ${state.fallbacks} ${state.problem === null}`;
        if (word !== told) tell(state, world);
        told = word;
        onChange(state);
      },
    },
    world,
  );
  const rules = { idleMs: inMs(server.session_idle), maxMs: inMs(server.session_max) };
  return {
    sessions: sessionsIn(keep, rules, world),
    limits: limitsIn(keep, world.clock),
    async watch(stop) {
      try {
        await keep.watch(stop);
      } finally {
        file.close();
      }
    },
  };
}

/** Its client is loaded by who has one. */
function farOf({ redis_url }: Config['server'], { digest, host }: Needs): KeepParts['far'] {
  const url = redis_url ?? (process.env['REDIS_URL'] || null);
  if (url === null) return null;
  // Several homes may share one server.
  const prefix = `todo:${digest.sha256(host.id).slice(0, 16)}:`;
  return {
    name: 'redis',
    async connect(): Promise<FarPlace> {
      if (!redisAddress.test(url) || !URL.canParse(url))
        throw new OperationalError('CONFIG_INVALID', {
          operation: 'reading',
          subject: 'REDIS_URL',
          why: 'it is no redis:// or rediss:// address',
          hint: 'Mend it, or set server.redis_url',
        });
      const { connectRedis } = await import('../../platform/kept-in-redis.ts');
      return connectRedis(url, prefix);
    },
  };
}

const names = { redis: 'Redis', sqlite: 'SQLite', memory: 'memory' } as const;

function tell({ in: place, wanted, problem }: KeptState, { log }: Needs): void {
  if (problem === null) {
    log.info('monitor', `Sessions are kept in ${names[place]}`);
    return;
  }
  log.error('monitor', `${names[wanted]} error`, { reason: problem });
  log.warn('monitor', `Falling back to ${names[place]} for sessions`, { reason: problem });
}
