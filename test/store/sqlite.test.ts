import { conformance } from './conformance.ts';
import { sqliteFixture } from './sqlite-fixture.ts';

const fixture = sqliteFixture();
let files = 0;

conformance('SQLite', {
  proves: 'P-60',
  async stop() {
    fixture.end();
  },
  async fresh() {
    const store = fixture.store(fixture.file(`${++files}.db`));
    await store.open();
    return store;
  },
  // A connection of its own, as another process would have.
  another: async () => fixture.store(fixture.file(`${files}.db`)),
});
