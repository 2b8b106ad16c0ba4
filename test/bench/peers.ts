// Whole completions beside what other queues take for the bare acknowledgement of as many jobs that do nothing.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { atOnce } from './completions.ts';
import { figure, markers, median, rounds } from './figures.ts';
import { root } from './home.ts';
import { startPostgres, startRedis } from './own-server.ts';

/** As many at a time as served each of them best here (8 to 100 were tried). */
const atATime = { bullmq: 50, graphile: 24 };

export async function peers(): Promise<void> {
  const redis = await startRedis();
  const postgres = await startPostgres();
  try {
    const seen: { readonly ours: number; readonly bullmq: number; readonly graphile: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const [bullmq, graphile] = [peer('bullmq', redis.port), peer('graphile', postgres.port)];
      seen.push({ bullmq, graphile, ours: await atOnce(`beside-${round}`) });
    }
    const rate = median(seen.map(({ ours }) => ours));
    figure(
      `completions a second, ${markers} markers at once, SQLite, in one run with the next two`,
      rate.toFixed(0),
      '1,000',
      rate >= 1000,
    );
    for (const [kind, name] of [
      ['bullmq', 'BullMQ (Redis, appendfsync always)'],
      ['graphile', 'graphile-worker (PostgreSQL, synchronous_commit on)'],
    ] as const) {
      const ratio = median(seen.map((it) => it.ours / it[kind]));
      const rates = `${rate.toFixed(0)} beside ${median(seen.map((it) => it[kind])).toFixed(0)} a second`;
      figure(`${markers} whole completions beside as many bare acks of ${name}`, `${ratio.toFixed(2)} × of theirs (${rates})`);
    }
  } finally {
    await redis.stop();
    await postgres.stop();
  }
}

const peer = (kind: keyof typeof atATime, port: number): number =>
  Number(
    execFileSync(process.execPath, [join(root, 'test/bench/peer-queue.ts'), kind, String(port), String(markers), String(atATime[kind])], {
      encoding: 'utf8',
      timeout: 60_000,
    }),
  );
