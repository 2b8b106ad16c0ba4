import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import { renderReport } from '../../../src/completion/report/report.ts';
import type { Evidence } from '../../../src/core/evidence.ts';
import { showOnScreen } from '../../../src/platform/screen.ts';
import { programs } from '../../programs.ts';
import { bareEvidence, exampleEvidence, exampleOutput, forcedEvidence } from './example-evidence.ts';

let browser: Browser;
let server: Server;
let page = '';
const served: string[] = [];

before(async () => {
  const args =
    '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
  browser = await chromium.launch({ executablePath: programs().chromium, args: args.split(' ') });
  server = createServer((request, response) => {
    served.push(request.url ?? '');
    response.setHeader('content-type', 'text/html');
    response.end(request.url === '/report.html' ? page : 'other');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  await browser.close();
  await new Promise((resolve) => server.close(resolve));
});

const needs = { emulate: showOnScreen, sha256Base64: (content: string) => createHash('sha256').update(content).digest('base64') };

/** Everything an attacker would want to see happen. */
type Seen = {
  readonly requests: readonly string[];
  readonly dialogs: readonly string[];
  readonly complaints: readonly string[];
  readonly violations: readonly string[];
  readonly ran: boolean;
  readonly text: string;
};

async function openInBrowser(report: string, options: { readonly clickThrough: boolean }): Promise<Seen> {
  page = report;
  served.length = 0;
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
  const tab = await context.newPage();
  const requests: string[] = [];
  const dialogs: string[] = [];
  const complaints: string[] = [];
  tab.on('request', (request) => requests.push(new URL(request.url()).pathname));
  tab.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  tab.on('console', (message) => complaints.push(message.text()));
  tab.on('pageerror', (error) => complaints.push(error.message));
  await tab.addInitScript(
    "window.violations = []; addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI))",
  );
  await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/report.html`, { waitUntil: 'load' });
  if (options.clickThrough) {
    await tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
    await tab.mouse.move(300, 300);
    await tab.mouse.click(600, 20);
  }
  // Two frames: what a page does on its own it has begun by then.
  await tab.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  const [ran, violations, text] = (await tab.evaluate('[window.pwned === true, window.violations, document.body.innerText]')) as [
    boolean,
    string[],
    string,
  ];
  await context.close();
  return { requests, dialogs, complaints, violations, ran, text };
}

const attacks = [
  '<script>window.pwned = true; alert(1)</script>',
  '<img src="/stolen.png" onerror="window.pwned = true">',
  '<iframe src="/frame"></iframe><object data="/object"></object><embed src="/embed">',
  '<link rel="stylesheet" href="/style.css"><style>@import "/import.css"; body { background: url(/background.png) }</style>',
  '<meta http-equiv="refresh" content="0; url=/refreshed"><base href="http://127.0.0.1:1/">',
  '<body onload="window.pwned = true"><svg onload="window.pwned = true"><a href="javascript:window.pwned = true">x</a>',
  '</pre></div></section></main></body></html><script>window.pwned = true</script>',
  '\x1b]8;;javascript:window.pwned=true\x07link\x1b]8;;\x07 \x1b]8;;http://127.0.0.1:1/"onmouseover="window.pwned=true\x07link\x1b]8;;\x07',
  '\x1b]0;<script>window.pwned = true</script>\x07 \x1b]52;c;aGVsbG8=\x07 \x1b]1337;File=inline=1:AAAA\x07 \x1bPq#0\x1b\\',
  '\x1b[38;5;<script>m \x1b[<script>m \x1b[31;"onclick="x"m',
  '\u202e<script>\u2066 \u200b \0 \x9b31m \ufeff \ud800',
];

test('[C-11] hostile output and hostile words in every field stay text in a real browser', async () => {
  const hostile = attacks.join('\n');
  const evidence: Evidence = forcedEvidence({
    todo: {
      ...exampleEvidence().todo,
      title: attacks[0]!,
      prompt: hostile,
      cwd: `/tmp/"><script>window.pwned = true</script>`,
      agent: attacks[1]!,
    },
    said: { says: 'done', saidBy: 'marker', summary: hostile, atMs: 0 },
    laterSignals: [{ says: 'failed', saidBy: 'verb', summary: hostile, atMs: 0 }],
    structured: {
      filesCreated: attacks,
      filesChanged: attacks,
      commands: attacks.map((command) => ({ command, exitCode: 1 })),
      errors: attacks,
      keyActions: attacks,
      finalText: hostile,
    },
    checks: attacks.map((attack) => ({ ...exampleEvidence().checks[0]!, command: attack, outputTail: hostile })),
    diffStat: { files: attacks.map((path) => ({ path, added: 1, removed: 1, binary: false, untracked: true })), more: 0 },
    problems: attacks,
  });
  for (const output of [hostile, `\x1b[2J\x1b[H${hostile}`]) {
    const { text, ...seen } = await openInBrowser(await renderReport(evidence, output, needs), { clickThrough: true });
    assert.deepEqual(seen, { requests: ['/report.html'], dialogs: [], complaints: [], violations: [], ran: false });
    assert.deepEqual(served, ['/report.html']);
    for (const shown of ['<script>window.pwned = true; alert(1)</script>', '<img src="/stolen.png"', '‹U+202E›'])
      assert.ok(text.includes(shown), shown);
  }
});

for (const [kind, lineEnd] of [
  ['line by line', '\r\n'],
  ['on the emulated screen', '\x1b[2B\x1b[A\r\n'],
] as const) {
  test(`[C-11] fifty megabytes of hostile raw output, cut as the collector cuts it, make a page that opens (${kind})`, async () => {
    const output = collected(`${attacks.join(lineEnd)}\n`, 50 * 1024 * 1024);
    const report = await renderReport(bareEvidence({ output: { ...sizes, totalBytes: 50 * 1024 * 1024 } }), output, needs);
    assert.ok(report.length < 6 * 1024 * 1024, `${report.length} characters`);
    const { text, ...seen } = await openInBrowser(report, { clickThrough: true });
    assert.deepEqual(seen, { requests: ['/report.html'], dialogs: [], complaints: [], violations: [], ran: false });
    assert.match(text, /50 MiB: the first 1 MiB and the last 7 MiB were kept, 42 MiB between them were not/);
    assert.match(text, kind === 'line by line' ? /lines left out here/ : /2,000 lines of scrollback ran full/);
  });
}

const sizes = { totalBytes: 0, headBytes: 1024 * 1024, tailBytes: 7 * 1024 * 1024, gapBytes: 42 * 1024 * 1024, sha256: 'ab'.repeat(32) };

/** As the collector keeps it: the first MiB, the last seven, and a line that names what is missing. */
function collected(text: string, totalBytes: number): string {
  const raw = new TextEncoder().encode(text.repeat(Math.ceil(totalBytes / text.length))).subarray(0, totalBytes);
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return `${decode(raw.subarray(0, sizes.headBytes))}\n… ${sizes.gapBytes} bytes left out here …\n${decode(raw.subarray(-sizes.tailBytes))}`;
}

test('what these tests look for is seen when it happens', async () => {
  const bad = `<!doctype html><meta http-equiv="Content-Security-Policy" content="img-src 'none'"><script>window.pwned = true; alert(1)</script><img src="/stolen.png"><script src="/other.js"></script>`;
  const seen = await openInBrowser(bad, { clickThrough: false });
  assert.equal(seen.ran, true);
  assert.deepEqual(seen.dialogs, ['1']);
  assert.ok(seen.requests.includes('/other.js') && served.includes('/other.js'));
  assert.ok(seen.complaints.length > 0 && seen.violations.some((violation) => violation.startsWith('img-src')));
});

test('the page needs no scroll to the side on a telephone, and its text is readable in light and dark', async () => {
  page = await renderReport(exampleEvidence(), exampleOutput, needs);
  for (const colorScheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({ viewport: { width: 360, height: 800 }, colorScheme });
    const tab = await context.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/report.html`);
    await tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
    assert.ok(((await tab.evaluate('document.documentElement.scrollWidth')) as number) <= 360);
    const weak = (await tab.evaluate(weakContrasts)) as string[];
    assert.deepEqual(weak, [], colorScheme);
    await context.close();
  }
});

test('wide characters and emoji keep the columns of a terminal', async () => {
  page = await renderReport(exampleEvidence(), '日本語|\n👩‍💻✅ |\nabcdef|\n\x1b[31m日\x1b[0m本語|\n', needs);
  const context = await browser.newContext();
  const tab = await context.newPage();
  await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/report.html`);
  const columns = (await tab.evaluate(barPositions)) as number[];
  await context.close();
  assert.equal(columns.length, 4);
  // The emoji row has five columns before its bar, the others six.
  const six = columns[0]!;
  assert.deepEqual(
    columns.map((column) => Math.round((column / six) * 6)),
    [6, 5, 6, 6],
  );
});

/** Texts whose colour stands out from what is painted behind them by less than 4.5 : 1 (dimmed terminal text apart). */
const weakContrasts = `(() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => { for (let each = element; each; each = each.parentElement) { const colour = parse(getComputedStyle(each).backgroundColor); if (colour.length === 3 || colour[3] > 0) return colour; } return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const weak = new Set();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === '' || element.closest('.d')) continue;
    const [high, low] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
    if ((high + 0.05) / (low + 0.05) < 4.5) weak.add(element.tagName + '.' + element.className + ' ' + node.data.slice(0, 20) + ' ' + ((high + 0.05) / (low + 0.05)).toFixed(2));
  }
  return [...weak];
})()`;

/** How far each row's bar stands from the left, in pixels. */
const barPositions = `(() => {
  const screen = document.querySelector('.term[role=region]');
  const left = screen.getBoundingClientRect().left + parseFloat(getComputedStyle(screen).paddingLeft) + screen.clientLeft;
  const walker = document.createTreeWalker(screen, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (let at = node.data.indexOf('|'); at >= 0; at = node.data.indexOf('|', at + 1)) {
      const range = document.createRange();
      range.setStart(node, at); range.setEnd(node, at + 1);
      found.push(range.getBoundingClientRect().left - left);
    }
  }
  return found;
})()`;
