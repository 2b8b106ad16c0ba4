// The soak by hand: `node test/soak/run.ts --minutes 30 [--seed N]`. Prints each fault as it comes, then what was seen; exit code 1 when something is
// not as it must be, and the home stays.
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' }, seed: { type: 'string' } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
process.stderr.write(`seed ${seed}\n`);
const { todos, faults, grown, wrong, folder } = await soak({
  minutes: Number(values.minutes),
  seed,
  tell: (text) => process.stderr.write(`  ${text}\n`),
});
process.stdout.write(`${todos} todos in ${values.minutes} minutes, seed ${seed}\n`);
for (const [name, times] of Object.entries(faults)) process.stdout.write(`  ${times} × ${name}\n`);
for (const [name, text] of Object.entries(grown)) process.stdout.write(`  ${name}: ${text}\n`);
if (wrong.length > 0) {
  process.stdout.write(`not as it must be (the home stays: ${folder}):\n${wrong.map((text) => `  ${text}\n`).join('')}`);
  process.exitCode = 1;
}
