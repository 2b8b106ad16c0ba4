/** Which part of the page is shown, as the hash of its address says it, so that each can be linked to and the back button is right. */
export type Route =
  | { readonly view: 'overview' }
  | { readonly view: 'todos'; readonly filter: Filter }
  | { readonly view: 'todo'; readonly id: string };

export type Filter = { readonly status: readonly string[]; readonly q: string; readonly agent: string; readonly project: string };

export const noFilter: Filter = { status: [], q: '', agent: '', project: '' };

/** What is no address of ours is the overview. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  const asked = new URLSearchParams(query);
  if (path === '/todos')
    return {
      view: 'todos',
      filter: {
        status: (asked.get('status') ?? '').split(',').filter((it) => it !== ''),
        q: asked.get('q') ?? '',
        agent: asked.get('agent') ?? '',
        project: asked.get('project') ?? '',
      },
    };
  const id = /^\/todo\/([^/]+)$/.exec(path)?.[1];
  return id === undefined ? { view: 'overview' } : { view: 'todo', id: decoded(id) };
}

export function hashOf(route: Route): string {
  switch (route.view) {
    case 'overview':
      return '#/';
    case 'todo':
      return `#/todo/${encodeURIComponent(route.id)}`;
    case 'todos': {
      const query = queryOf(route.filter).toString();
      return query === '' ? '#/todos' : `#/todos?${query}`;
    }
    default:
      return route satisfies never;
  }
}

/** The same words in the page's address and in the question to the server. */
export function queryOf({ status, q, agent, project }: Filter): URLSearchParams {
  const given = { status: status.join(','), q: q.trim(), agent: agent.trim(), project: project.trim() };
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ''));
}

export const isFiltered = (filter: Filter): boolean => queryOf(filter).size > 0;

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone `%`: it is what was meant, or nothing is found under it.
    return part;
  }
}
