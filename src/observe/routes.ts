import { type Method, methodOf, type Page } from './page.ts';

/** What is at a path: by method, and what its parts are called. `name` is the first path of its page: the name in its own metrics. */
export type Route = { readonly name: string; readonly params: Readonly<Record<string, string>>; readonly pages: ReadonlyMap<Method, Page> };

/** Finds pages by path; null: there is nothing. */
export function routesOf(pages: readonly Page[]): (path: string) => Route | null {
  const plain = new Map<string, Map<Method, Page>>();
  const withParams = new Map<string, Map<Method, Page>>();
  for (const page of pages)
    for (const path of page.paths) {
      const found = path.includes('/:') ? withParams : plain;
      found.set(path, (found.get(path) ?? new Map<Method, Page>()).set(methodOf(page), page));
    }
  return (path) => {
    const exact = plain.get(path);
    if (exact !== undefined) return { name: nameOf(exact), params: {}, pages: exact };
    for (const [pattern, at] of withParams) {
      const params = matched(pattern, path);
      if (params !== null) return { name: nameOf(at), params, pages: at };
    }
    return null;
  };
}

const nameOf = (pages: ReadonlyMap<Method, Page>): string => [...pages.values()][0]?.paths[0] ?? 'other';

function matched(pattern: string, path: string): Record<string, string> | null {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? '';
    if (!part.startsWith(':')) {
      if (part !== value) return null;
      continue;
    }
    const decoded = decodedPart(value);
    if (decoded === null) return null;
    params[part.slice(1)] = decoded;
  }
  return params;
}

/** Null: empty, or no text. */
function decodedPart(part: string): string | null {
  try {
    return decodeURIComponent(part) || null;
  } catch {
    return null;
  }
}
