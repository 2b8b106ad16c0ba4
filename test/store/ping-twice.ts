// A process that asks the store once, waits for SIGUSR2, asks again with a short deadline, says how that went, and should then be over: `ping-twice.ts URL`.
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { mysqlStore } from './mysql-fixture.ts';

let deadlineMs = 30_000;
const clock = { sleep: (_ms: number, stop?: AbortSignal) => after(deadlineMs, undefined, stop ? { signal: stop } : {}).catch(() => {}) };
const store = mysqlStore(process.argv[2] ?? '', { poolSize: 1, clock });
const told = once(process, 'SIGUSR2');
await store.ping();
const keepAlive = setInterval(() => {}, 1000);
console.log('connected');
await told;
clearInterval(keepAlive);
deadlineMs = 50;
console.log(
  await store.ping().then(
    () => 'answered',
    (error) => error.code,
  ),
);
