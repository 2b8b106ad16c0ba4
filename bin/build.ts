// Builds dist/ from src/: CommonJS files, because they start sooner than modules, and what V8 made of them can be kept whole.
//
// Every `import('./x.ts')` in the source is a seam: what lies behind it becomes a file of its own that is read when the import runs, and
// not before. There is no list of lazy parts to keep. Modules that both sides of a seam use exist once (esbuild splits the program first, as
// modules; each piece is then turned into CommonJS), so `instanceof` and module state hold across seams.
//
// All pieces that a start needs anyway are joined in dist/start.cjs, small ones that many commands share in three more files (each still runs
// when it is first asked for, and not before). dist/todo.cjs is a stub that reads these files, together with what V8 made of them before, and runs them.
// What a program imports (`import { completionApi } from 'signoff'`) is dist/api.cjs over the same pieces, with its types beside it.
//
// dist/dashboard/ is for browsers: src/observe/dashboard as modules and one style sheet, each under a name that has the digest of its content, with a
// packed copy beside it, so that serving one is reading a file.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build, type Metafile, transform } from 'esbuild';
import about from '../package.json' with { type: 'json' };
import { commands } from '../src/cli/command.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** Packages that stay in node_modules, because they do not survive bundling. Each needs a reason. */
const external: string[] = [];

/** So large a piece has a file of its own, also where several commands need it. */
const sharedMaxKb = 16;

const nodeNeeded = about.engines.node.replace('>=', '');
const shape = { minifySyntax: true, minifyWhitespace: true, legalComments: 'none', target: 'node24', charset: 'utf8' } as const;

interface Piece {
  readonly text: string;
  readonly entry: string | undefined;
  /** Names of the pieces that this one cannot start without. */
  readonly needs: readonly string[];
}

const pieces = await split();
const main = inSource('cli/main.ts');
const api = inSource('cli/api.ts');
/** Of what a program imports only the first lines; what they need is small. */
const eager = [...new Set([...closureOf(main), ...closureOf(api).slice(1)])];
const entries = [...pieces].filter(([, { entry }]) => entry !== undefined).map(([name]) => name);
/** What calls need that are many. */
const often = ['cli/world.ts', 'store/sqlite.ts', 'cli/commands/list.ts', 'cli/commands/show.ts', 'cli/hook.ts'].map(inSource);
const isCommon = (needing: readonly string[]) => needing.length >= 12 || needing.some((name) => often.includes(name));
const acts = (needing: readonly string[]) => needing.includes(inSource('cli/run-here.ts'));
const joints = [
  jointOf('common', isCommon),
  jointOf('acting', (needing) => needing.length >= 4 && !isCommon(needing) && acts(needing)),
  jointOf('looking', (needing) => needing.length >= 4 && !isCommon(needing) && !acts(needing)),
];
const lazy = [...pieces.keys()].filter((name) => !isJoined(name));

mkdirSync(join(dist, 'dashboard'), { recursive: true });
for (const name of lazy) put(cjs(name), await asFile(name));
for (const { file, names } of joints) put(file, `"use strict";const __piece=require("./start.cjs");module.exports=${await joined(names)};`);
put('start.cjs', await start());
for (const [name, text] of apiFiles()) put(name, text);
const page = await dashboard();
for (const [name, content] of page) put(name, content);
const built = ['start.cjs', ...joints.map(({ file }) => file), ...lazy.map(cjs), ...page.keys()];
put('sizes.json', JSON.stringify(Object.fromEntries(built.map((name) => [name, statSync(join(dist, name)).size]))));
// Last: bin/todo takes it as the sign that the build is whole.
put('todo.cjs', stub());
sweep('.', new Set(['todo.cjs', 'sizes.json', 'dashboard', ...built, ...apiFiles().keys()]));
sweep('dashboard', new Set(built));

const sizeKb = (names: string[]) => Math.round(names.reduce((sum, name) => sum + (pieces.get(name)?.text.length ?? 0), 0) / 1024);
const packedKb = Math.round([...page].reduce((sum, [name, { length }]) => sum + (name.endsWith('.gz') ? length : 0), 0) / 1024);
process.stderr.write(
  `built dist: ${sizeKb(eager)} KB at start, ${sizeKb(lazy)} KB in ${lazy.length} lazy pieces, ${packedKb} KB (gzip) of dashboard\n`,
);

async function split(): Promise<Map<string, Piece>> {
  const result = await build({
    ...shape,
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts', 'src/cli/api.ts'],
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    // Pieces carry the name of what is in them, so that a stack trace reads.
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    outdir: dist,
    external,
    // Its entry for Node is UMD, whose inner requires no bundler can follow.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    logLevel: 'warning',
  }).catch(() => process.exit(1)); // esbuild has said why
  const outputs: Metafile['outputs'] = result.metafile.outputs;
  return new Map(
    result.outputFiles.map((file) => {
      const name = basename(file.path);
      const about = outputs[`dist/${name}`];
      const needs = (about?.imports ?? []).filter((it) => it.kind === 'import-statement' && !it.external).map((it) => basename(it.path));
      return [name, { text: file.text, entry: about?.entryPoint, needs }];
    }),
  );
}

function inSource(file: string): string {
  for (const [name, { entry }] of pieces) if (entry === `src/${file}`) return name;
  throw new Error(`esbuild made no piece for ${file}`);
}

function closureOf(name: string, seen: string[] = []): string[] {
  if (seen.includes(name)) return seen;
  seen.push(name);
  for (const need of pieces.get(name)?.needs ?? []) closureOf(need, seen);
  return seen;
}

/**
 * Small pieces that are needed by entries that `fits` takes together, in one file: a file each would cost every command some thirty openings.
 * What is in it names the file: a daemon of an older build goes on with its own.
 */
function jointOf(
  word: string,
  fits: (needing: readonly string[]) => boolean,
): { readonly file: string; readonly names: readonly string[] } {
  const names = [...pieces].flatMap(([name, { text, entry }]) => {
    const isSmall = entry === undefined && text.length < sharedMaxKb * 1024 && !eager.includes(name);
    return isSmall && fits(entries.filter((it) => closureOf(it).includes(name))) ? [name] : [];
  });
  return { file: `${word}-${createHash('sha256').update(names.join()).digest('hex').slice(0, 8).toUpperCase()}.cjs`, names };
}

function isJoined(name: string): boolean {
  return eager.includes(name) || joints.some(({ names }) => names.includes(name));
}

function cjs(name: string): string {
  return name.replace(/\.js$/, '.cjs');
}

/** A piece as the body of a CommonJS module. What it needs of the pieces joined in start.cjs it asks of start.cjs. */
async function body(name: string): Promise<string> {
  const { code } = await transform(pieces.get(name)?.text ?? '', {
    ...shape,
    // A byte a character, in memory too.
    charset: 'ascii',
    format: 'cjs',
    platform: 'node',
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__url', 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
  });
  // Where a piece stands is known to start.cjs alone: a daemon of an older build goes on with that one's, also in pieces that this build wrote again.
  const linked = late(code.replace('"use strict";', '')).replace(/\brequire\("\.\/([\w.-]+\.js)"\)/g, (call, needed: string) =>
    pieces.has(needed) ? `${isJoined(name) ? '__piece' : 'require("./start.cjs")'}("${needed}")` : call,
  );
  return linked.includes('__url') ? `const __url=require("node:url").pathToFileURL(__filename).href;${linked}` : linked;
}

/**
 * Lets modules of Node that take milliseconds to load (child_process brings net and streams along: 5 ms of 40) wait for their first use.
 * The binding of such an import becomes an object that loads when it is asked.
 */
function late(code: string): string {
  const slow =
    'child_process|cluster|crypto|dgram|dns|dns/promises|fs/promises|http|http2|https|inspector|net|readline|readline/promises|sqlite|stream|stream/promises|tls|tty|worker_threads|zlib';
  const binding = new RegExp(`\\b(import_\\w+)=(?:__toESM\\(require\\("node:(${slow})"\\)(?:,1)?\\)|require\\("node:(${slow})"\\))`, 'g');
  const lazily = code.replace(binding, (_, name: string, whole?: string, parts?: string) => `${name}=__late("node:${whole ?? parts}")`);
  if (lazily === code) return code;
  return `const __late=id=>new Proxy({},{get:(_,key)=>key==="default"?require(id):require(id)[key]});${lazily}`;
}

async function asFile(name: string): Promise<string> {
  return `"use strict";${await body(name)}`;
}

async function joined(names: readonly string[]): Promise<string> {
  const bodies = await Promise.all(names.map(async (name) => `"${name}"(module,exports){${await body(name)}}`));
  return `{${bodies.join(',\n')}}`;
}

async function start(): Promise<string> {
  const files = Object.fromEntries(joints.flatMap(({ file, names }) => names.map((name) => [name, file])));
  return `"use strict";const __file=module.piece||(name=>require("./"+name)),__made={},__pieces=${await joined(eager)},__joints=${JSON.stringify(files)};
function __piece(name){
let module=__made[name];if(module)return module.exports;
const make=__pieces[name]||(__joints[name]&&__file(__joints[name])[name]);
if(!make)return __file(name.slice(0,-3)+".cjs");
module=__made[name]={exports:{}};try{make(module,module.exports)}catch(error){delete __made[name];throw error}
return module.exports}
module.exports=__piece;
`;
}

/** What the package's `exports` name beside dist/api.cjs: the same for `import`, and the types for both. */
function apiFiles(): Map<string, string> {
  const types = `${readFileSync(join(root, 'src', 'cli', 'api-types.ts'), 'utf8')}
export declare const completionApi: CompletionApi;
/** Whether an error is one with a code; anything else is a defect. */
export declare const isOperationalError: IsOperationalError;
`;
  const module = `import api from './api.cjs';\nexport const { completionApi, isOperationalError } = api;\n`;
  return new Map([
    ['api.mjs', module],
    ['api.d.mts', types],
    ['api.d.cts', types],
  ]);
}

/** By path in dist: modules, style sheet and the page that names them, each also packed. */
async function dashboard(): Promise<Map<string, Uint8Array>> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/observe/dashboard/main.tsx', 'src/observe/dashboard/style.css'],
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    minify: true,
    legalComments: 'none',
    charset: 'utf8',
    format: 'esm',
    target: ['es2022', 'chrome111', 'firefox113', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define: { 'process.env.NODE_ENV': '"production"' },
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    outdir: join(dist, 'dashboard'),
    logLevel: 'warning',
  }).catch(() => process.exit(1)); // esbuild has said why
  const files = new Map(outputFiles.map(({ path, contents }) => [`dashboard/${basename(path)}`, contents]));
  const outputs = Object.entries(metafile.outputs).map(([path, { entryPoint, imports }]) => ({
    name: basename(path),
    entryPoint,
    imports,
  }));
  const outputOf = (entry: string) => outputs.find(({ entryPoint }) => entryPoint === `src/observe/dashboard/${entry}`);
  const main = outputOf('main.tsx');
  // All that the first view needs is asked for at once.
  const needed = (main?.imports ?? []).filter(({ kind }) => kind === 'import-statement').map(({ path }) => basename(path));
  const html = readFileSync(join(root, 'src', 'observe', 'dashboard', 'index.html'), 'utf8')
    .replace('%script%', `/dashboard/${main?.name}`)
    .replace('%style%', `/dashboard/${outputOf('style.css')?.name}`)
    .replace('%needed%', needed.map((name) => `<link rel="modulepreload" href="/dashboard/${name}">`).join('\n'));
  files.set('dashboard/index.html', Buffer.from(html));
  for (const [name, content] of [...files]) {
    files.set(`${name}.gz`, gzipSync(content, { level: 9 }));
    files.set(`${name}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }));
  }
  return files;
}

/**
 * What runs first. It must parse on any Node, since it is the one who says that a Node is too old.
 * The cache folder may be unwritable, full or missing: then we start slower and say nothing.
 *
 * A build that cannot be loaded, or (looked at where something is started that is to live on) is not whole, gives way to the sources, and these to the
 * copy that a daemon of the home has kept (src/cli/last-good.ts).
 */
function stub(): string {
  const [major, minor] = nodeNeeded.split('.');
  return `"use strict";var v=process.versions.node.split(".");
if(v[0]<${major}||(v[0]==${major}&&v[1]<${minor})){process.stderr.write("todo: cannot start: "+process.execPath+" is Node.js "+process.versions.node+", ${nodeNeeded} or newer is needed\\nInstall it (https://nodejs.org) or set TODO_NODE to one. In a checkout, \\"npm ci\\" brings its own.\\n");process.exit(69)}
var f=require("node:fs"),p=require("node:path"),a=process.argv,t;
${keptCode()}
try{if(/^(daemon|watchdog|start)$/.test(a[2])){var z=JSON.parse(f.readFileSync(__dirname+"/sizes.json","utf8"));for(var n in z)if(f.statSync(__dirname+"/"+n).size!==z[n])throw new Error(n+" is not as it was built")}
t=piece("start.cjs");if(typeof t!=="function")throw new Error("start.cjs is cut off")}catch(x){t=null;other(x)}
if(t)t("${main}");
function other(x){
var r=p.dirname(__dirname),s=p.join(r,"src/cli/main.ts"),say=function(w){process.stderr.write("todo: the build in "+__dirname+" is broken ("+String(x.message).split("\\n")[0]+"); running "+w+"\\n")};
if(f.existsSync(s)){say("from the sources");import(require("node:url").pathToFileURL(s).href).catch(function(y){console.error(y);process.exit(69)});return}
var i=a.indexOf("--home"),h=i>0?a[i+1]:process.env.TODO_HOME,g=[h,h&&h+"/.todo",(process.env.XDG_STATE_HOME||process.env.HOME+"/.local/state")+"/todo"].map(function(q){return q&&q+"/last-good/dist/todo.cjs"}).find(function(q){return q&&q!==__filename&&f.existsSync(q)});
if(!g){process.stderr.write("todo: cannot start: the build in "+__dirname+" is broken: "+x.message+"\\nInstall it again: npm install --global signoff\\n");process.exit(69)}
say("the last good copy, "+p.dirname(g));a[1]=g;require(g)}
`;
}

/**
 * `piece(name)` runs a file of dist/ as a CommonJS module. Beside its text it takes what V8 made of it at the first such call: all functions
 * that ran then. Node's own compile cache keeps what is compiled at once, so that each of our functions was parsed at each start: a quarter of it.
 * Kept apart by command, since each runs other functions, and by build: V8 tells texts apart by their length only.
 */
function keptCode(): string {
  const words = commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  return `var m=require("node:vm"),e=process.env,c=e.XDG_CACHE_HOME||(e.HOME&&e.HOME+"/.cache"),fresh=[],all={},k=a.slice(2).find(function(w){return ${JSON.stringify(words)}.includes(w)})||"other";
if(k==="daemon"&&/^[a-qs-z]/.test(a[a.indexOf(k)+1]))k="daemon-asked";
c=c&&!e.NODE_DISABLE_COMPILE_CACHE?c+"/signoff/${buildId()}-"+process.version+"-"+process.arch:null;
function need(id){return id==="./start.cjs"?piece("start.cjs"):require(id)}
function piece(name){
if(all[name])return all[name].exports;
var path=__dirname+"/"+name,text=f.readFileSync(path,"utf8"),kept=c&&c+"/"+k+"/"+name,data,it={exports:{},piece:piece};
if(kept)try{data=f.readFileSync(kept)}catch(_){}
var script=new m.Script("(function(exports,require,module,__filename,__dirname){"+text+"\\n})",{filename:path,cachedData:data});
if(kept&&(!data||script.cachedDataRejected)){if(!fresh.length)setTimeout(keep,5e3).unref();fresh.push([script,kept])}
all[name]=it;try{script.runInThisContext().call(it.exports,it.exports,need,it,path,__dirname)}catch(x){delete all[name];throw x}
return it.exports}
function keep(){
if(fresh.length)try{
if(f.mkdirSync(c+"/"+k,{recursive:true})===c)forget();
fresh.splice(0).forEach(function(s){f.writeFileSync(s[1]+"."+process.pid,s[0].createCachedData());f.renameSync(s[1]+"."+process.pid,s[1])})}catch(_){}}
function forget(){
var d=p.dirname(c),old=Date.now()-2592e6;
f.readdirSync(d).forEach(function(n){if(f.statSync(d+"/"+n).mtimeMs<old)f.rmSync(d+"/"+n,{recursive:true,force:true})})}
process.on("exit",keep);`;
}

function buildId(): string {
  const texts = [...pieces].map(([name, { text }]) => `${name}\n${text}`);
  return createHash('sha256')
    .update(texts.join('\n'))
    .update(readFileSync(import.meta.filename))
    .digest('hex')
    .slice(0, 12);
}

/** Renamed into place, because a program may start at any moment. */
function put(name: string, text: string | Uint8Array): void {
  const path = join(dist, name);
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

/** A daemon that was started from an older build may still ask for a lazy piece of it, and so may an open page, so those stay for a week. */
function sweep(folder: string, written: Set<string>): void {
  const weekAgoMs = Date.now() - 7 * 24 * 3600 * 1000;
  for (const name of readdirSync(join(dist, folder)).map((each) => join(folder, each))) {
    const path = join(dist, name);
    const changedAtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? weekAgoMs;
    if (!written.has(name) && changedAtMs < weekAgoMs) rmSync(path, { recursive: true, force: true });
  }
}
