import { createClient } from '@redis/client';
import { messageOf, OperationalError } from '../core/errors.ts';
import type { FarPlace, Kept } from '../core/kept.ts';

/** The longest that one question may hold up the request that asks it. */
const answersWithinMs = 250;
/** In one go: what lasts is some sessions of some people. */
const batchMax = 500;

/** The address as people may see it: without user and password. */
export const redisAt = (url: string): string => `redis at ${new URL(url).host || 'localhost'}`;

function clientOf(url: string) {
  try {
    return createClient({
      url,
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      socket: { connectTimeout: answersWithinMs, reconnectStrategy: false },
    });
  } catch {
    // A database that is no number, say. The error itself may quote the address, and so the password.
    throw new OperationalError('CONFIG_INVALID', {
      operation: 'reading the address of',
      subject: redisAt(url),
      why: 'it must be redis://[user:password@]host[:port][/number]',
      hint: 'Mend server.redis_url or REDIS_URL.',
    });
  }
}

/**
 * One connection. It is never mended: whoever finds it broken closes it and connects anew, so nothing waits in a queue for a server that is
 * away, and what was asked of the old one never reaches the new one late.
 */
export async function connectRedis(url: string, prefix: string): Promise<FarPlace> {
  const at = redisAt(url);
  const client = clientOf(url);
  let broken: unknown = null;
  client.on('error', (error) => {
    broken ??= error;
  });
  const close = (): void => {
    if (client.isOpen) client.destroy();
  };

  async function within<T>(doing: string, work: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${answersWithinMs} ms`)), answersWithinMs);
    });
    try {
      return await Promise.race([work(), late]);
    } catch (error) {
      throw new OperationalError('NETWORK_FAILED', { operation: doing, subject: at, why: messageOf(broken ?? error) });
    } finally {
      clearTimeout(timer);
    }
  }

  const live = (key: string): string => `${prefix}${key}`;
  // Apart from the value, so that no write that is under way can bring back what is gone.
  const gone = (key: string): string => `${prefix}gone:${key}`;

  try {
    await within('connecting to', () => client.connect());
  } catch (error) {
    close();
    throw error;
  }
  return {
    name: 'redis',
    close,
    ping: () => within('asking', async () => void (await client.ping())),
    get: (key) =>
      within('asking', async () => {
        const [isGone, value] = await client.mGet([gone(key), live(key)]);
        if (isGone !== null && isGone !== undefined) return { key, value: null, untilMs: Number(isGone) };
        const [, untilMs, text] = /^(\d+) (.*)$/s.exec(value ?? '') ?? [];
        return untilMs === undefined || text === undefined ? null : { key, value: text, untilMs: Number(untilMs) };
      }),
    async put(all) {
      for (let from = 0; from < all.length; from += batchMax) {
        const batch = client.multi();
        for (const kept of all.slice(from, from + batchMax)) add(batch, kept);
        await within('telling', () => batch.exec());
      }
    },
    count: (key, untilMs) =>
      within('asking', async () => {
        const replies = await client
          .multi()
          .set(live(key), '0', { condition: 'NX', expiration: { type: 'PXAT', value: untilMs } })
          .incr(live(key))
          .exec();
        return Number(replies[1]);
      }),
  };

  function add(batch: ReturnType<typeof client.multi>, { key, value, untilMs }: Kept): void {
    const expiration = { type: 'PXAT', value: untilMs } as const;
    if (value === null) batch.set(gone(key), String(untilMs), { expiration }).del(live(key));
    else batch.set(live(key), `${untilMs} ${value}`, { expiration });
  }
}
