import { resolve, sep } from 'node:path';
import { isOperational } from '../../core/errors.ts';
import type { Todo } from '../../core/todo.ts';
import type { ReportPage, Shown } from '../../observe/shown.ts';
import type { World } from '../../world.ts';
import { lastOf } from '../follow-todo.ts';
import { patientStore, type StoreNeeds } from './todos.ts';

/** A link outlives the time it takes to read. */
const linkMs = 10 * 60_000;
const linksMax = 200;
/** Reports are bounded where they are made (8 MiB of output); this only keeps a wrong file out. */
const reportBytesMax = 64 * 1024 * 1024;

/**
 * Reports hold what agents printed, so they are shown at an address of their own: without cookie, in a sandbox, known only to who asked for it, and
 * for a while. Kept in memory: with the daemon the links go.
 */
export function reports(
  asking: <T>(work: (needs: StoreNeeds) => Promise<T>) => Promise<T>,
  { clock, random }: Pick<World, 'clock' | 'random'>,
): Pick<Shown, 'linkReport' | 'linkedReport'> {
  const links = new Map<string, { readonly ref: string; readonly expiresAtMs: number }>();
  return {
    async linkReport(ref) {
      const found = await asking((needs) => reportOf(ref, needs));
      if (found === null) return null;
      const nowMs = clock.nowMs();
      for (const [key, { expiresAtMs }] of links) if (expiresAtMs <= nowMs || links.size >= linksMax) links.delete(key);
      const key = random.token();
      const expiresAtMs = nowMs + linkMs;
      links.set(key, { ref: found.todo.id, expiresAtMs });
      return { key, expiresAtMs };
    },
    async linkedReport(key) {
      const link = links.get(key);
      if (link === undefined || link.expiresAtMs <= clock.nowMs()) return null;
      const found = await asking((needs) => reportOf(link.ref, needs));
      return found === null ? null : { html: found.html, policy: `sandbox; frame-ancestors 'none'; ${policyIn(found.html)}` };
    },
  };
}

/** From the archive where that is on this host, else from what was recorded in the store. */
async function reportOf(ref: string, needs: StoreNeeds): Promise<{ readonly todo: Todo; readonly html: ReportPage['html'] } | null> {
  const { store } = patientStore(needs);
  const todo = await store.find(ref);
  if (todo === null || todo.report === null) return null;
  const archived = archivedReport(todo.report, needs.world);
  if (archived !== null) return { todo, html: archived };
  const last = lastOf((await store.runsOf(todo.id)).filter(({ endedAtMs }) => endedAtMs !== null));
  const stored = last === null ? null : await store.readBack(last.id);
  return stored === null ? null : { todo, html: stored.record.reportHtml };
}

/** Only what lies in our own archive: the path comes from a store that others may write to. */
function archivedReport(path: string, { files, home }: Pick<World, 'files' | 'home'>): string | null {
  if (!resolve(path).startsWith(`${resolve(home.archive)}${sep}`) || !path.endsWith('/report.html')) return null;
  try {
    const { bytes = null } = files.readGuarded(path, reportBytesMax) ?? {};
    return bytes === null ? null : new TextDecoder().decode(bytes);
  } catch (error) {
    // Then the record has it.
    if (!isOperational(error)) throw error;
    return null;
  }
}

/** What the page says of itself; whatever it says, it loads and runs nothing. */
const policyIn = (html: string): string => {
  const style = /<meta http-equiv="Content-Security-Policy" content="[^"]*style-src ('sha256-[A-Za-z0-9+/=]{44}')/.exec(
    html.slice(0, 4096).replaceAll('&#39;', "'"),
  )?.[1];
  return `default-src 'none'; style-src ${style ?? "'none'"}; base-uri 'none'; form-action 'none'`;
};
