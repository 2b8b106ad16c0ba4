import type { Evidence } from '../core/evidence.ts';

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
export async function renderReport(evidence: Evidence, terminal: string): Promise<string> {
  return `<!doctype html><meta charset="utf-8"><title>${escape(evidence.todo.title)}</title><h1>${evidence.result.proof === 'forced' ? 'FORCE-COMPLETED: ' : ''}${escape(evidence.todo.title)}</h1><pre>${escape(JSON.stringify(evidence, null, 1))}</pre><pre>${escape(terminal)}</pre>`;
}
export const summaryText = (evidence: Evidence): string =>
  `${evidence.result.proof === 'forced' ? 'FORCE-COMPLETED: ' : ''}${evidence.said?.summary ?? evidence.structured?.finalText ?? evidence.result.reason ?? evidence.result.status}`
    .replaceAll(/\s+/g, ' ')
    .slice(0, 150);
