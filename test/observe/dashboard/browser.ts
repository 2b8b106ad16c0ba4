// One Chromium for a test file, and pages that tell of whatever they should not do.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { programs } from '../../programs.ts';

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: programs().chromium,
    args: '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split(
      ' ',
    ),
  });

export type Watched = {
  readonly page: Page;
  /** Errors on the console, uncaught ones, and what the policy refused: since it was last asked. */
  complaints(): Promise<string[]>;
  close(): Promise<void>;
};

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  return { ...watch(page), close: () => context.close() };
}

export function watch(page: Page): Pick<Watched, 'page' | 'complaints'> {
  const seen: string[] = [];
  page.on('console', (message) => (message.type() === 'error' || message.type() === 'warning') && seen.push(message.text()));
  page.on('pageerror', (error) => seen.push(error.stack ?? error.message));
  page.on('dialog', (dialog) => {
    seen.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  void page.addInitScript(
    "window.violations = []; addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI))",
  );
  return {
    page,
    async complaints() {
      const violations = (await page.evaluate('window.violations.splice(0)')) as string[];
      return [...seen.splice(0), ...violations];
    },
  };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with the page as it stands, each with where. */
export async function ill(page: Page, rules: 'all' | 'colours' = 'all'): Promise<string[]> {
  const only = rules === 'all' ? '' : `, runOnly: ['color-contrast', 'link-in-text-block']`;
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(axe);
  return (await page.evaluate(`axe.run(document, { resultTypes: ['violations']${only} }).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target, failureSummary }) => target.join(' ') + ' ' + failureSummary).join(' | ')))`)) as string[];
}

/** Nothing is wider than the window. */
export const fits = (page: Page): Promise<boolean> =>
  page.evaluate<boolean>('document.documentElement.scrollWidth <= document.documentElement.clientWidth');
