import { render } from 'preact';
import { App } from './app.tsx';
import { listen } from './live.ts';
import { codeIn, logIn } from './login.tsx';

const page = document.getElementById('page');
if (page !== null) {
  // The login first: it takes the code out of the address before any part looks at that.
  void logIn();
  page.replaceChildren();
  render(<App />, page);
  listen();
  // The address that lets in may be opened where the page is open already.
  addEventListener('hashchange', () => {
    if (codeIn(location.hash) !== undefined) void logIn();
  });
}
