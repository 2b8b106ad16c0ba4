import { render } from 'preact';
import { App } from './app.tsx';
import { listen } from './live.ts';
import { logIn } from './login.tsx';

const page = document.getElementById('page');
if (page !== null) {
  // The login first: it takes the code out of the address before any part looks at that.
  void logIn();
  page.replaceChildren();
  render(<App />, page);
  listen();
}
