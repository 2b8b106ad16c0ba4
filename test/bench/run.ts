// The figures of the README, measured side by side in one run: `npm run bench [-- --only NAME,…] [--quick] [--write] [--todos N] [--runs N]`; the names
// stand below. Ratios hold on other machines, milliseconds do not, and nothing else should run meanwhile. It takes about seven minutes (--quick:
// four) and ends by itself. The table is printed, kept in .todo-test/figures.json and, with --write, put between the `figures` marks of README.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { archive } from './archive.ts';
import { claims } from './claims.ts';
import { start } from './commands.ts';
import { flushes, many, one } from './completions.ts';
import { asked, figures, table } from './figures.ts';
import { guarded } from './guarded.ts';
import { endAll, root } from './home.ts';
import { back, mariadb } from './mariadb.ts';
import { pages } from './pages.ts';
import { peers } from './peers.ts';
import { live, rest } from './rest.ts';
import { watchdogs, watchdogTable } from './watchdogs.ts';

const parts: Readonly<Record<string, () => Promise<unknown>>> = {
  start,
  one,
  many,
  flushes,
  peers,
  mariadb,
  back,
  claims,
  guarded,
  live,
  archive,
  pages,
  rest,
  watchdogs,
};
try {
  execFileSync(process.execPath, ['bin/build.ts'], { cwd: root, stdio: 'ignore' });
  for (const name of asked.only?.split(',') ?? Object.keys(parts)) {
    const part = parts[name];
    if (part === undefined) throw new Error(`no part ${name}; known: ${Object.keys(parts).join(', ')}`);
    const fromMs = performance.now();
    await part();
    process.stderr.write(`  ${name}: ${((performance.now() - fromMs) / 1000).toFixed(0)} s\n`);
  }
  for (const text of [table(), watchdogTable()]) if (text !== '') process.stdout.write(`${text}\n`);
  mkdirSync(join(root, '.todo-test'), { recursive: true });
  writeFileSync(join(root, '.todo-test', 'figures.json'), `${JSON.stringify(figures, null, 2)}\n`);
  if (asked.write) {
    put('figures', table());
    put('watchdogs', watchdogTable());
  }
} finally {
  endAll();
}

/** Between the marks of that name; what was not measured this time stays as it is. */
function put(name: string, text: string): void {
  if (text === '') return;
  const path = join(root, 'README.md');
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const block = new RegExp(`${begin}[\\s\\S]*${end}`);
  const page = readFileSync(path, 'utf8');
  if (!block.test(page)) throw new Error(`README.md has no \`${begin}\` … \`${end}\``);
  writeFileSync(
    path,
    page.replace(block, () => `${begin}\n${text}\n${end}`),
  );
}
