import { createMemoryStore, createRows, type Rows } from '../sim/memory-store.ts';
import { conformance } from './conformance.ts';

let rows: Rows;
let atMs = 1_700_000_000_000;
// A clock that moves with each look, as a real one does.
const open = () => createMemoryStore({ rows, nowMs: () => ++atMs });

conformance('memory', {
  async fresh() {
    rows = createRows();
    return open();
  },
  another: async () => open(),
});
