// Another queue acknowledges jobs that do nothing: `node test/bench/peer-queue.ts bullmq|graphile PORT JOBS [AT A TIME]`. All jobs are there before the
// worker begins; printed is how many a second it acknowledged, from the first that it took to the last acknowledgement.
import { createRequire } from 'node:module';

const [kind = '', port = '', jobsAsked = '', atATimeAsked = ''] = process.argv.slice(2);
const jobs = Number(jobsAsked);
const atATime = Number(atATimeAsked);
/** Not devDependencies: `node test/setup.ts --bench` puts them there. */
const peers = createRequire(new URL('../../.todo-test/peers/package.json', import.meta.url));

const queues: Readonly<Record<string, () => Promise<number>>> = { bullmq, graphile };
const acknowledge = queues[kind];
if (acknowledge === undefined) throw new Error('usage: peer-queue.ts bullmq|graphile PORT JOBS AT-A-TIME');
const tookMs = await acknowledge();
process.stdout.write(`${(jobs * 1000) / tookMs}\n`);
// Their connections would hold the process.
process.exit(0);

/** From the first job to the last acknowledgement. */
function stopwatch() {
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  let fromMs = 0;
  let acknowledged = 0;
  return {
    ended,
    taken(): void {
      fromMs ||= performance.now();
    },
    acknowledged(): void {
      if (++acknowledged === jobs) resolve(performance.now() - fromMs);
    },
  };
}

async function bullmq(): Promise<number> {
  const { Queue, Worker } = peers('bullmq') as BullMq;
  const connection = { host: '127.0.0.1', port: Number(port) };
  const queue = new Queue('bench', { connection });
  await queue.addBulk(Array.from({ length: jobs }, (_, each) => ({ name: 'ended', data: { each } })));
  const watch = stopwatch();
  const worker = new Worker('bench', async () => watch.taken(), { connection, concurrency: atATime });
  // Told once the server has taken it down.
  worker.on('completed', () => watch.acknowledged());
  return watch.ended;
}

async function graphile(): Promise<number> {
  const { Logger, makeWorkerUtils, run } = peers('graphile-worker') as Graphile;
  const connectionString = `postgres://signoff@127.0.0.1:${port}/postgres`;
  // It would print a line for each job.
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await utils.addJobs(Array.from({ length: jobs }, (_, each) => ({ identifier: 'ended', payload: { each } })));
  const watch = stopwatch();
  const runner = await run({
    connectionString,
    logger,
    concurrency: atATime,
    maxPoolSize: atATime,
    noHandleSignals: true,
    taskList: { ended: async () => watch.taken() },
  });
  // `job:success` comes before it is taken down, this one after.
  runner.events.on('job:complete', () => watch.acknowledged());
  return watch.ended;
}

type Connection = { readonly host: string; readonly port: number };
type BullMq = {
  readonly Queue: new (
    name: string,
    options: { connection: Connection },
  ) => { addBulk(jobs: readonly { name: string; data: unknown }[]): Promise<unknown> };
  readonly Worker: new (
    name: string,
    work: () => Promise<void>,
    options: { connection: Connection; concurrency: number },
  ) => { on(event: 'completed', heard: () => void): void };
};
type Graphile = {
  readonly Logger: new (write: () => () => void) => object;
  makeWorkerUtils(options: { connectionString: string; logger: object }): Promise<{
    migrate(): Promise<void>;
    addJobs(jobs: readonly { identifier: string; payload: unknown }[]): Promise<unknown>;
  }>;
  run(options: object): Promise<{ readonly events: { on(event: 'job:complete', heard: () => void): void } }>;
};
