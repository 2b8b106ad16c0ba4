// A process that asks the store once, waits for SIGUSR2, asks again with a short deadline, says how that went, and should then be over: `ping-twice.ts URL`.
import { once } from 'node:events';
import { mysqlStore } from './mysql-fixture.ts';

const store = mysqlStore(process.argv[2] ?? '', { deadlineMs: 250, poolSize: 1 });
const told = once(process, 'SIGUSR2');
await store.ping();
const keepAlive = setInterval(() => {}, 1000);
console.log('connected');
await told;
clearInterval(keepAlive);
console.log(
  await store.ping().then(
    () => 'answered',
    (error) => error.code,
  ),
);
