// The two house rules that the simulation rests on: who may import whom, and who may touch the machine. If a room read the clock by itself,
// a simulated run would no longer be what really happens, so nothing proved there would count.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

const everyRoom =
  'core world.ts resilience signals completion agents store engines healing watchdog notify observe platform daemon cli'.split(' ');
const shared = ['core', 'world.ts', 'resilience'];

/** Who may import whom, beside itself. A room that is not named here does not exist yet: give it a purpose first. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  'world.ts': ['core'],
  resilience: ['core', 'world.ts'],
  signals: shared,
  completion: shared,
  agents: shared,
  store: shared,
  engines: shared,
  healing: shared,
  watchdog: shared,
  notify: shared,
  observe: shared,
  platform: shared,
  daemon: [...shared, 'signals', 'completion', 'agents', 'healing', 'notify', 'engines', 'observe'],
  cli: everyRoom,
};

/** The only rooms where the real world is. */
const realRooms = ['platform', 'store', 'cli'];

/**
 * What the other rooms may take from Node: functions from values to values, the same on every machine at every time.
 * `node:path` is here although `resolve` reads the working directory; that one name is caught apart.
 */
const pureNodeModules = ['node:path', 'node:path/posix', 'node:util', 'node:buffer', 'node:string_decoder', 'node:zlib'];
/**
 * The dashboard lies in its room but runs in a browser: it has the clock and the network of that, and of ours only what `core` has. Nothing here imports it;
 * its own tsconfig.json keeps Node out of it.
 */
const browserFolder = 'src/observe/dashboard/';
const browserPackages = ['preact', 'preact/hooks', '@preact/signals'];
/** Packages without effects. `core` has zod and nothing else of anybody. */
const purePackages = ['zod'];

/** Ambient effects, and what to use in their place. */
const ambient: Readonly<Record<string, string>> = {
  'Date.now': 'world.clock.nowMs()',
  'performance.now': 'world.clock',
  performance: 'world.clock',
  setTimeout: 'world.clock.sleep(ms, stop)',
  setInterval: 'a loop with world.clock.sleep(ms, stop)',
  setImmediate: 'world.clock.sleep(0, stop)',
  'AbortSignal.timeout': 'world.clock.sleep(ms, stop)',
  'Math.random': 'world.random',
  crypto: 'world.random or world.digest',
  fetch: 'world.network',
  WebSocket: 'world.network',
  EventSource: 'world.network',
  process: 'a value that cli/ or daemon/ is given, or world.processes',
  console: 'world.log',
  globalThis: 'the part of the world you need, as an argument',
  'import.meta.url': 'a path that cli/ hands in (the bundle moves files)',
  'import.meta.dirname': 'a path that cli/ hands in (the bundle moves files)',
  'import.meta.filename': 'a path that cli/ hands in (the bundle moves files)',
  'import.meta.resolve': 'a path that cli/ hands in (the bundle moves files)',
};

test('rooms import only what they may, and only the real rooms touch the machine', () => {
  const broken = globSync('src/**/*.{ts,tsx,js,mjs,cjs}', { cwd: root }).flatMap((path) =>
    violations(path, readFileSync(join(root, path), 'utf8')),
  );
  assert.deepEqual(broken, [], `the house rules are broken:\n${broken.join('\n')}\n`);
});

test('the check of the house rules sees what it is there to see', () => {
  const planted: [path: string, source: string, says: RegExp][] = [
    ['src/core/a.ts', `import { x } from '../world.ts';`, /^src\/core\/a\.ts:1 .*core may not import world\.ts/],
    ['src/core/a.ts', `import { join } from 'node:path';`, /core.*node:path/],
    ['src/core/a.ts', `import type { Stats } from 'node:fs';`, /node:fs/],
    ['src/core/a.ts', `\nconst atMs = Date.now();`, /a\.ts:2 .*Date\.now.*world\.clock/],
    ['src/completion/a.ts', `import {\n  x,\n} from '../agents/b.ts';`, /a\.ts:3 .*completion may not import agents/],
    ['src/completion/report/a.ts', `export * from '../../store/b.ts';`, /completion may not import store/],
    ['src/completion/a.ts', `const heavy = await import('../platform/b.ts');`, /completion may not import platform/],
    ['src/completion/a.ts', `import '../signals/b.ts';`, /completion may not import signals/],
    ['src/completion/a.ts', `let x: import('../signals/b.ts').X;`, /completion may not import signals/],
    ['src/world.ts', `import type { X } from './resilience/b.ts';`, /world\.ts may not import resilience/],
    ['src/daemon/a.ts', `import { x } from '../store/b.ts';`, /daemon may not import store/],
    ['src/notify/a.ts', `import nodemailer from 'nodemailer';`, /nodemailer/],
    ['src/agents/a.ts', `import { spawn } from 'node:child_process';`, /node:child_process/],
    ['src/agents/a.ts', `import { join, resolve } from 'node:path';`, /resolve/],
    ['src/agents/a.ts', `import fs from 'fs';`, /fs/],
    ['src/healing/a.ts', `const a = new Date();`, /new Date\(\)/],
    ['src/healing/a.ts', `const a = Date();`, /Date\(\)/],
    ['src/healing/a.ts', `setTimeout(() => {}, 5);`, /setTimeout.*world\.clock\.sleep/],
    ['src/healing/a.ts', `const { env } = process;`, /process/],
    ['src/watchdog/a.ts', `const x = globalThis['Date'];`, /globalThis/],
    ['src/observe/a.ts', `await fetch('http://x');`, /fetch/],
    ['src/daemon/a.ts', `import about from '../../package.json' with { type: 'json' };`, /package\.json/],
    ['src/attic/a.ts', `export const x = 1;`, /attic/],
    ['src/observe/dashboard/a.tsx', `import { pages } from '../pages.ts';`, /dashboard runs in a browser.*pages\.ts/],
    ['src/observe/dashboard/todo/a.ts', `import type { World } from '../../../world.ts';`, /dashboard.*world\.ts/],
    ['src/observe/dashboard/a.ts', `import { join } from 'node:path';`, /dashboard.*node:path/],
    ['src/observe/a.ts', `import { App } from './dashboard/app.tsx';`, /observe may not import/],
  ];
  for (const [path, source, says] of planted) {
    const seen = violations(path, source);
    assert.equal(seen.length, 1, `${path}: ${source}\nsaw ${JSON.stringify(seen)}`);
    assert.match(seen[0]!, says);
  }
});

test('the check of the house rules lets honest code pass', () => {
  const honest: [path: string, source: string][] = [
    ['src/core/a.ts', `import { z } from 'zod';\nimport type { X } from './b.ts';\nexport const at = (ms: number) => new Date(ms);`],
    ['src/healing/a.ts', `// not Date.now(), not new Date()\nexport const text = 'import x from "node:fs"; process.exit()';`],
    ['src/healing/a.ts', `export const of = (process: { pid: number }) => process.pid;\nexport type P = typeof globalThis;`],
    [
      'src/healing/a.ts',
      `import { join } from 'node:path';\nimport type { World } from '../world.ts';\nexport const f = (w: World) => w.clock.nowMs() + join('a').length;`,
    ],
    ['src/store/a.ts', `import { DatabaseSync } from 'node:sqlite';\nexport const now = Date.now();`],
    ['src/cli/a.ts', `import { x } from '../platform/b.ts';\nprocess.exitCode = x;`],
    ['src/daemon/a.ts', `import { complete } from '../completion/pipeline.ts';\ncomplete();`],
    [
      'src/observe/dashboard/todo/a.tsx',
      `import { signal } from '@preact/signals';\nimport { x } from '../../../core/words.ts';\nimport { y } from '../ask.ts';\nsetTimeout(() => fetch('/'), 5);`,
    ],
  ];
  for (const [path, source] of honest) assert.deepEqual(violations(path, source), [], source);
});

test('[C-82] the tracked top level is the list of the design plus named extras, and running leaves nothing beside it', () => {
  const required = ['package.json', 'tsconfig.json', 'src', 'bin', 'hooks', 'archive', 'logs', 'test', 'README.md'];
  const extras = [
    'package-lock.json',
    'LICENSE',
    'ARCHITECTURE.md',
    'docs',
    'biome.json',
    '.ci',
    '.editorconfig',
    '.gitattributes',
    '.gitignore',
  ];
  const git = (...args: string[]) =>
    new Set(
      execFileSync('git', args, { cwd: root, encoding: 'utf8' })
        .split('\n')
        .filter(Boolean)
        .map((path) => path.split('/')[0]!),
    );

  const tracked = git('ls-files');
  assert.deepEqual(
    required.filter((name) => !tracked.has(name)),
    [],
    'missing at the top level',
  );
  assert.deepEqual(
    [...tracked].filter((name) => ![...required, ...extras].includes(name)),
    [],
    'at the top level without a place in the list',
  );
  const left = git('ls-files', '--others', '--exclude-standard');
  assert.deepEqual(
    [...left].filter((name) => ![...required, ...extras].includes(name)),
    [],
    'left at the top level by something that ran',
  );
});

/** What a file does that it may not: `src/core/a.ts:7 what, and what to do instead`. */
function violations(path: string, source: string): string[] {
  if (path.startsWith(browserFolder)) return browserViolations(path, source);
  const room = roomOf(path);
  const allowed = mayImport[room];
  if (allowed === undefined)
    return [`${path}:1 ${room} is not a room of the house: name it in test/layering.test.ts with who it may import`];
  return [...importViolations(path, source, room, allowed), ...(realRooms.includes(room) ? [] : ambientViolations(path, source, room))];
}

function browserViolations(path: string, source: string): string[] {
  return importsOf(source).flatMap(({ specifier, line }) => {
    const target = specifier.startsWith('.') ? relative(root, join(root, dirname(path), specifier)) : specifier;
    if (target.startsWith('src/core/') || target.startsWith(browserFolder) || browserPackages.includes(target)) return [];
    return [`${path}:${line} the dashboard runs in a browser and may import core and ${browserPackages.join(', ')}, not ${specifier}`];
  });
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? path;
}

function importViolations(path: string, source: string, room: string, allowed: readonly string[]): string[] {
  const found: string[] = [];
  for (const { specifier, names, line } of importsOf(source)) {
    const complain = (text: string) => found.push(`${path}:${line} ${text}`);
    if (specifier.startsWith('.')) {
      const targetPath = relative(root, join(root, dirname(path), specifier));
      const target = roomOf(targetPath);
      const own = targetPath.startsWith('src/')
        ? (target === room || allowed.includes(target)) && !targetPath.startsWith(browserFolder)
        : room === 'cli' && targetPath === 'package.json';
      if (!own)
        complain(`${room} may not import ${target} (${specifier}): what both need belongs in core or world.ts, or daemon hands it over`);
    } else if (room === 'core' || room === 'world.ts') {
      if (!(room === 'core' && specifier === 'zod'))
        complain(`${room} may not import ${specifier}: ${room} is plain types and pure functions (core: and zod)`);
    } else if (!realRooms.includes(room)) {
      if (!pureNodeModules.includes(specifier) && !purePackages.includes(specifier)) {
        complain(
          `${room} may not import ${specifier}: ask for a part of the world; what touches the machine lives in platform/, store/ or cli/`,
        );
      } else if (specifier.startsWith('node:path') && /\bresolve\b|\*/.test(names)) {
        complain(
          `${room} may not import resolve of ${specifier} (it reads the working directory): join on an absolute path, import by name`,
        );
      }
    }
  }
  return found;
}

/** Static, dynamic and type imports; re-exports too. Line-bound, so an import in a string or comment is not one. */
function importsOf(source: string): { specifier: string; names: string; line: number }[] {
  const code = withoutComments(source);
  const statement = /^[ \t]*(?:import|export)\s([^'"`;=()]*?)\bfrom\s*['"]([^'"]+)['"]/gm;
  const bare = /^[ \t]*import\s*['"]([^'"]+)['"]/gm;
  const call = /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g;
  const all = [
    ...[...code.matchAll(statement)].map((it) => ({ specifier: it[2]!, names: it[1]!, end: it.index + it[0].length })),
    ...[...code.matchAll(bare)].map((it) => ({ specifier: it[1]!, names: '', end: it.index + it[0].length })),
    ...[...code.matchAll(call)].map((it) => ({ specifier: it[1]!, names: '*', end: it.index + it[0].length })),
  ];
  return all.map(({ specifier, names, end }) => ({ specifier, names, line: lineAt(code, end) }));
}

/** esbuild knows the scopes: it puts a mark in place of an ambient name only where no parameter or variable has that name. */
function ambientViolations(path: string, source: string, room: string): string[] {
  const names = Object.keys(ambient);
  const marks = Object.fromEntries(names.map((name, index) => [name, `__ambient_${index}`]));
  const { code } = transformSync(source, {
    loader: path.endsWith('.tsx') ? 'tsx' : 'ts',
    target: 'esnext',
    legalComments: 'none',
    define: { ...marks, Date: '__date' },
    logLevel: 'silent',
  });
  const found = names
    .filter((name) => new RegExp(`\\b${marks[name]}\\b`).test(code))
    .map((name) => ({ line: firstLineOf(source, name), text: `${room} may not use ${name}: use ${ambient[name]}` }));
  if (/\bnew __date\(\)|(?<!new )\b__date\(/.test(code)) {
    found.push({
      line: firstLineOf(source, 'Date()'),
      text: `${room} may not use new Date() or Date(): use new Date(world.clock.nowMs())`,
    });
  }
  return found.map(({ line, text }) => `${path}:${line} ${text}`);
}

function firstLineOf(source: string, name: string): number {
  const code = withoutComments(source);
  const at = code.search(new RegExp(`(?<![.\\w])${RegExp.escape(name)}(?!\\w)`));
  return at < 0 ? 1 : lineAt(code, at);
}

/** Comments become blanks, lines stay. Rough (a `//` in a string ends that line), which is enough to find lines and imports. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`\w\\])\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
}

function lineAt(source: string, at: number): number {
  return source.slice(0, at).split('\n').length;
}
