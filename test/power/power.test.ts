// Real power cuts: the disk of a living daemon stops at once and forgets what was not flushed. More of them: node test/power/run.ts
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Rig } from './cuts.ts';
import { fileSystems } from './disk.ts';

/** A second and a half each. */
const homesEach = Number(process.env['POWER_CUTS'] ?? 6);

const rigs = fileSystems.map((kind) => new Rig(kind));
after(() => Promise.all(rigs.map((rig) => rig[Symbol.asyncDispose]())));
for (const rig of rigs) await rig.set();

for (const rig of rigs) {
  test(`a power cut on ${rig.kind} takes what was not flushed, and nothing else`, async () => {
    const { flushed, unflushed } = await rig.forgets();
    assert.equal(flushed, 'it is here');
    assert.notEqual(unflushed, 'it was here');
  });

  test(`${homesEach} homes on ${rig.kind} lose their power at any moment: each todo ends once, and what was acknowledged is there`, {
    timeout: homesEach * 60_000,
  }, async (t) => {
    let acknowledged = 0;
    let cuts = 0;
    for (let seed = 1; seed <= homesEach; seed++) {
      const cut = await rig.cut(seed);
      assert.deepEqual(cut.problems, [], `seed ${seed}, cut after ${cut.after.join(' and ')}\n${cut.log}`);
      acknowledged += cut.acknowledged;
      cuts += cut.after.length;
    }
    t.diagnostic(`${cuts} power cuts on ${rig.kind}, ${acknowledged} completions acknowledged before one`);
  });
}
