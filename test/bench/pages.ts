// What is shown over HTTP: how long an answer takes while the database hangs, what open dashboards cost a daemon that has nothing to do, and a long list.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { until } from '../e2e/harness.ts';
import { addEnded } from '../fixtures/ended-todos.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import { cpuMs } from '../fixtures/process-figures.ts';
import { asked, figure, median } from './figures.ts';
import { daemon, logged, newHome } from './home.ts';

export async function pages(): Promise<void> {
  await whileItHangs();
  await openDashboards();
  await longList();
}

const connections = 4;
/** Some four hundred requests a second: more than all dashboards and probes of a home together, and not all that it can. */
const pauseMs = 10;

async function whileItHangs(): Promise<void> {
  const server = await startMariadb();
  const bare = await bareServer();
  try {
    const home = newHome('pages-hang', { server: { port: 0 }, store: { url: server.url() }, restart: { per_hour: 0 } });
    const it = await daemon(home);
    const client = await clientOf(home);
    await until('the overview has looked', [home], async () => JSON.parse((await client.ask('/api/overview')).text).todos.value !== null);
    server.freeze();
    const untilMs = performance.now() + (asked.quick ? 5_000 : 20_000);
    const took: Record<string, number[]> = { [bare.url]: [], '/health': [], '/api/overview': [], '/api/metrics': [] };
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (performance.now() < untilMs)
          for (const [path, seen] of Object.entries(took)) {
            seen.push((await client.ask(path)).tookMs);
            await new Promise((resolve) => setTimeout(resolve, pauseMs));
          }
      }),
    );
    server.thaw();
    const p99 = (path: string): number =>
      (took[path] ?? []).toSorted((a, b) => a - b)[Math.floor((took[path] ?? []).length * 0.99)] ?? Number.NaN;
    for (const path of Object.keys(took).filter((it) => it !== bare.url)) {
      const aimMs = path === '/api/metrics' ? 50 : 5;
      const seen = took[path] ?? [];
      const beside = `half of them ${median(seen).toFixed(1)} ms; a bare node:http server at the same time ${p99(bare.url).toFixed(1)} ms`;
      figure(
        `\`${path}\` while MariaDB hangs: 99 of 100 answers`,
        `${p99(path).toFixed(1)} ms (${beside})`,
        `< ${aimMs} ms`,
        p99(path) < aimMs,
      );
    }
    client.end();
    await it.stop();
  } finally {
    bare.process.kill();
    await server.stop();
  }
}

/** What this machine makes of the least that a server can do, at the same time. */
async function bareServer() {
  const program = `require('node:http').createServer((_, answer) => answer.end('x'.repeat(8000))).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(child.stdout, 'data');
  return { process: child, url: `http://127.0.0.1:${String(port).trim()}/` };
}

const dashboards = 50;

async function openDashboards(): Promise<void> {
  // A minute after its start a daemon copies its build, once; that is no part of it.
  const home = newHome('pages-open', { server: { port: 0 }, restart: { good_after: 3600 } });
  const it = await daemon(home);
  await until('a sweep', [join(home, 'logs')], () => logged(home, 'monitor').some(({ event }) => event === 'swept'));
  const client = await clientOf(home);
  const share = async (): Promise<number> => {
    const [fromMs, fromCpuMs] = [performance.now(), cpuMs(it.pid)];
    // What is measured is a time in which nothing happens.
    await new Promise((resolve) => setTimeout(resolve, asked.quick ? 15_000 : 45_000));
    return ((cpuMs(it.pid) - fromCpuMs) / (performance.now() - fromMs)) * 100;
  };
  const alone = await share();
  const streams = await Promise.all(Array.from({ length: dashboards }, () => client.listen('/api/events')));
  const watched = await share();
  const heard = streams.map((stream) => stream.events());
  for (const stream of streams) stream.end();
  client.end();
  await it.stop();
  const what = `${dashboards} open dashboards, nothing happens: CPU of the daemon`;
  const events = `${Math.min(...heard)} events each`;
  figure(what, `${watched.toFixed(2)} % of a core (without them ${alone.toFixed(2)} %; ${events})`, '≤ 1 %', watched <= 1);
}

const many = 100_000;

async function longList(): Promise<void> {
  const home = newHome('pages-list', { server: { port: 0 } });
  const first = await daemon(home);
  await until('the store is there', [home], () => logged(home, 'monitor').some(({ event }) => /^store ready/.test(event)));
  await first.stop();
  addEnded(join(home, 'todo.db'), many);
  const it = await daemon(home);
  const client = await clientOf(home);
  const ms = async (path: string): Promise<number> => {
    await client.ask(path);
    const seen: number[] = [];
    for (let turn = 0; turn < 15; turn++) seen.push((await client.ask(path)).tookMs);
    return median(seen);
  };
  const page = await ms('/api/todos');
  const searched = await ms('/api/todos?q=nowhere');
  client.end();
  await it.stop();
  figure(`list of ${many.toLocaleString('en')} todos over HTTP: first page`, `${page.toFixed(0)} ms`, '< 200 ms', page < 200);
  figure('the same: a text that is in none of them', `${searched.toFixed(0)} ms`, '< 200 ms', searched < 200);
}

async function clientOf(home: string) {
  const path = join(home, 'http.json');
  await until('it serves', [home], () => existsSync(path));
  const { url } = JSON.parse(readFileSync(path, 'utf8')) as { url: string };
  const headers = { authorization: `Bearer ${readFileSync(join(home, 'http.token'), 'utf8').trim()}` };
  const agent = new Agent({ keepAlive: true });
  return {
    end: () => agent.destroy(),
    ask: (page: string): Promise<{ readonly text: string; readonly tookMs: number }> => {
      const fromMs = performance.now();
      return new Promise((resolve, reject) => {
        get(new URL(page, url), { agent, headers }, async (response) => {
          let text = '';
          for await (const piece of response.setEncoding('utf8')) text += piece;
          if (response.statusCode !== 200) reject(new Error(`${page} answered ${response.statusCode}: ${text}`));
          else resolve({ text, tookMs: performance.now() - fromMs });
        }).on('error', reject);
      });
    },
    listen: (page: string): Promise<{ events(): number; end(): void }> =>
      new Promise((resolve, reject) => {
        const request = get(`${url}${page}`, { agent: false, headers }, (response) => {
          let events = 0;
          response.setEncoding('utf8').on('data', (text: string) => {
            events += text.split('event: overview').length - 1;
          });
          resolve({ events: () => events, end: () => request.destroy() });
        }).on('error', reject);
      }),
  };
}
