import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { isObject } from '../../core/shape.ts';
import type { World } from '../../world.ts';
import { programFolder } from '../program.ts';
import { type Finding, fine } from './finding.ts';

/** In a checkout: what `package-lock.json` says must be there, against what is there. An installed package brings its build and needs none of them. */
export function lookAtPackages(): readonly Finding[] {
  const lock = readJson(join(programFolder, 'package-lock.json'));
  if (lock === null) return [fine('packages', 'none are needed: this is an installed package, everything is in its build')];
  const wanted = isObject(lock['packages']) ? Object.entries(lock['packages']) : [];
  const required = wanted.flatMap(([place, it]) =>
    place !== '' && isObject(it) && it['optional'] !== true && it['devOptional'] !== true ? [{ place, it }] : [],
  );
  const missing = required.filter(({ place }) => !existsSync(join(programFolder, place)));
  const other = required.filter(({ place, it }) => isOther(place, it['version']));
  if (missing.length + other.length === 0) return [fine('packages', `all ${required.length} of package-lock.json are there`)];
  const names = [...missing, ...other].map(({ place }) => place.replace(/^.*node_modules\//, ''));
  const evidence = `${missing.length} missing, ${other.length} of another version: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' …' : ''}`;
  return [{ what: 'packages', severity: 'degraded', evidence, mend: `todo doctor --fix (npm ci in ${programFolder})` }];
}

/** npm allows "v1.2.3" in a package's own file, and writes 1.2.3 into the lock. */
function isOther(place: string, version: unknown): boolean {
  const there = readJson(join(programFolder, place, 'package.json'))?.['version'];
  return typeof version === 'string' && typeof there === 'string' && there.replace(/^v/, '') !== version;
}

const installWithinMs = 10 * 60_000;

/** `npm ci`, which brings exactly what the lock file says. What it answers in the end is told where it failed. */
export async function installPackages(
  { processes }: Pick<World, 'processes'>,
  path: string,
): Promise<{ readonly done: boolean; readonly said: string }> {
  const { exitCode, tail, startError } = await processes.run({
    argv: ['npm', 'ci', '--no-audit', '--no-fund'],
    cwd: programFolder,
    env: { PATH: path },
    timeoutMs: installWithinMs,
    tailBytes: 64 * 1024,
  });
  return { done: exitCode === 0, said: startError ?? whyOf(tail) };
}

/** npm says what is wrong first, and how it is called last. */
function whyOf(tail: string): string {
  const lines = tail.trim().split('\n');
  const errors = lines.filter((line) => /npm (error|ERR!) \S/.test(line));
  return (errors.length > 0 ? errors : lines).slice(0, 5).join('\n');
}

/** Every file of the build is compiled, and not run: what a lost write or a half copy did to one shows here and not at its first use. */
export function lookAtBuild(): readonly Finding[] {
  const dist = join(programFolder, 'dist');
  if (!existsSync(dist)) return [fine('build', 'none: it runs from its sources')];
  const names = readdirSync(dist).filter((name) => name.endsWith('.cjs'));
  const broken = names.flatMap((name) => whyBroken(join(dist, name)) ?? []);
  if (broken.length > 0) {
    const mend = existsSync(join(programFolder, 'src')) ? `npm run build, in ${programFolder}` : 'npm install --global signoff';
    return broken.map((evidence): Finding => ({ what: 'build', severity: 'unhealthy', evidence, mend }));
  }
  const newer = newerSource(join(dist, 'todo.cjs'));
  if (newer !== null)
    return [
      { what: 'build', severity: 'degraded', evidence: `${newer} is newer than the build`, mend: `npm run build, in ${programFolder}` },
    ];
  return [fine('build', `all ${names.length} files of ${dist} compile`)];
}

/** As Node wraps a CommonJS module. */
function whyBroken(path: string): string | null {
  try {
    new Script(`(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'utf8')}\n})`, { filename: path });
    return null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `${path} does not compile: ${error.message}`;
  }
}

function newerSource(built: string): string | null {
  const src = join(programFolder, 'src');
  if (!existsSync(src) || !existsSync(built)) return null;
  const builtAtMs = statSync(built).mtimeMs;
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return names.find((name) => statSync(join(src, name)).mtimeMs > builtAtMs) ?? null;
}

function readJson(path: string): Record<string, unknown> | null {
  if (!existsSync(path)) return null;
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return isObject(value) ? value : null;
}
