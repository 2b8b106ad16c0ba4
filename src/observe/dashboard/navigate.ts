import { signal } from '@preact/signals';
import { hashOf, type Route, routeOf } from './route.ts';

export const route = signal<Route>(routeOf(location.hash));

addEventListener('hashchange', () => {
  route.value = routeOf(location.hash);
});

/** A step that the back button takes back. */
export function goTo(to: Route): void {
  if (location.hash === hashOf(to)) route.value = to;
  else location.hash = hashOf(to);
}

/** The same place, more precisely: while somebody types, each letter is no step of its own. */
export function become(to: Route): void {
  history.replaceState(null, '', hashOf(to));
  route.value = to;
}
