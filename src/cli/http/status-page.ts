import { Html, html } from '../../completion/report/html.ts';
import type { Overview, Part } from '../../core/dashboard.ts';
import type { HealthStatus } from '../../core/words.ts';
import type { StatusPage } from '../../observe/shown.ts';
import type { Digest } from '../../world.ts';
import { spanText } from '../text/times.ts';

/** Word and shape and colour: none of them is needed to read the others. */
const shapes: Readonly<Record<HealthStatus, string>> = { healthy: '●', degraded: '▲', unhealthy: '■', unknown: '◆' };
const againSeconds = 15;

/** The overview for who has no script: all of it is text, and it comes again by itself. */
export function statusPage(overview: Overview, { sha256Base64 }: Pick<Digest, 'sha256Base64'>): StatusPage {
  const { health, atMs, daemon, live, host, version } = overview;
  const ago = (sinceMs: number): string => spanText(Math.max(0, atMs - sinceMs));
  const markup = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="${againSeconds}">
<title>${health.status} – Signoff on ${host}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
<h1>${state(health.status)}</h1>
<p>Signoff ${version} on ${host}, as of ${new Date(atMs).toISOString()}; this page comes again every ${againSeconds} s.
${daemon === null ? 'No daemon lives here.' : `The daemon (process ${daemon.pid}) has lived for ${ago(daemon.startedAtMs)}${daemon.draining ? ' and is stopping' : ''}.`}</p>
<h2>Components</h2>
<table><thead><tr><th scope="col">Component</th><th scope="col">State</th><th scope="col">For</th><th scope="col">Why</th></tr></thead><tbody>
${health.components.map(
  (
    it,
  ) => html`<tr><th scope="row">${it.name}</th><td>${state(it.status)}</td><td>${ago(it.sinceMs)}</td><td>${it.reason}${it.whatToDo ? html` <em>${it.whatToDo}</em>` : null}</td></tr>
`,
)}</tbody></table>
<h2>Todos</h2>
${part(overview.todos, atMs, (counts) => (Object.keys(counts).length === 0 ? html`<p>None yet.</p>` : html`<dl>${Object.entries(counts).map(([status, count]) => html`<div><dt>${status}</dt><dd>${count}</dd></div>`)}</dl>`))}
<h2>Live runs</h2>
${
  live.length === 0
    ? html`<p>Nothing runs.</p>`
    : html`<table><thead><tr><th scope="col">Todo</th><th scope="col">Title</th><th scope="col">Agent</th><th scope="col">Stands at</th><th scope="col">For</th><th scope="col">Last sign</th></tr></thead><tbody>
${live.map(
  (
    it,
  ) => html`<tr><th scope="row">${it.number}</th><td>${it.title}</td><td>${it.agent}</td><td>${it.fact}, round ${it.round}</td><td>${ago(it.startedAtMs)}</td><td>${ago(it.lastSignAtMs)} ago</td></tr>
`,
)}</tbody></table>`
}
<h2>Dead letters</h2>
${part(overview.deadLetters, atMs, ({ count, items }) =>
  count === 0
    ? html`<p>None.</p>`
    : html`<p>${count} in all.</p><table><thead><tr><th scope="col">Todo</th><th scope="col">Kind</th><th scope="col">Class</th><th scope="col">For</th><th scope="col">Last error</th></tr></thead><tbody>
${items.map(
  (
    it,
  ) => html`<tr><th scope="row">${it.number ?? it.id}</th><td>${it.kind}</td><td>${it.class}</td><td>${ago(it.sinceMs)}</td><td>${it.lastError}</td></tr>
`,
)}</tbody></table>`,
)}
</main>
</body>
</html>
`.markup;
  const policy = `default-src 'none'; style-src 'sha256-${sha256Base64(style)}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return { html: markup, policy };
}

const state = (status: HealthStatus): Html =>
  html`<span class="${status}"><span aria-hidden="true">${shapes[status]}</span> ${status}</span>`;

/** What could not be looked at is said, and of when it is what is shown all the same. */
function part<T>({ value, asOfMs, problem }: Part<T>, atMs: number, show: (value: T) => Html): Html {
  if (value === null) return html`<p>${problem === null ? 'Not looked at yet.' : `Could not be looked at: ${problem}`}</p>`;
  const old =
    problem === null
      ? null
      : html`<p>As of ${spanText(Math.max(0, atMs - (asOfMs ?? atMs)))} ago; now it cannot be looked at: ${problem}</p>`;
  return html`${old}${show(value)}`;
}

const style = `:root{color-scheme:light dark;--text:#1a1a1a;--back:#fff;--line:#767676;--healthy:#0b6b2e;--degraded:#7a4b00;--unhealthy:#a40000;--unknown:#5b2a86}
@media (prefers-color-scheme:dark){:root{--text:#f0f0f0;--back:#121212;--line:#8a8a8a;--healthy:#7ddc9a;--degraded:#ffc46b;--unhealthy:#ff9a94;--unknown:#d7b3ff}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);margin:0}main{max-width:70rem;margin:auto;padding:1rem}
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}th,td{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
dl{display:flex;flex-wrap:wrap;gap:1rem}dt{font-weight:600}dd{margin:0;font-size:1.4rem}
.healthy{color:var(--healthy)}.degraded{color:var(--degraded)}.unhealthy{color:var(--unhealthy)}.unknown{color:var(--unknown)}span[class]{font-weight:700;white-space:nowrap}`;
