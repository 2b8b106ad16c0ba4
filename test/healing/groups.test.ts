// The six kinds of tests that healing must have, in one place: each is named with the files and titles that make it, and they are really there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const here = join(import.meta.dirname, '..');

/** Group → file → what stands in the titles of its tests. */
const groups: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'mocked exhaustion of resources': {
    'core/resources.test.ts': ['memory warns at 80 %', 'the limit is the least', 'a pool that does not answer once warns'],
    'power/full-disk.test.ts': [],
  },
  'simulated errors': {
    'healing/sweep.test.ts': [
      'while store and tmux do not answer',
      'a repair that fails by an error with a code',
      'a repair that changed nothing is never called done',
      'what a process began and did not live to look at',
    ],
    'e2e/heal.test.ts': ['an action that did not help is told as failed'],
  },
  'leaks of memory': {
    'core/resources.test.ts': ['a leak is a slope over half an hour'],
    'e2e/resources.test.ts': ['a daemon that leaks', 'a daemon whose memory grows steadily'],
  },
  'spikes of CPU': {
    'core/resources.test.ts': ['[H-25] (U) CPU warns only after', '[H-26] (U) CPU is critical after'],
    'e2e/resources.test.ts': ['an agent that burns CPU', 'a daemon that burns CPU'],
  },
  'patterns of failure': {
    'core/prediction.test.ts': ['on runs that came later', 'earlier lost runs of the same todo count for a later one'],
    'healing/sweep.test.ts': ['a todo that was recovered three times already', 'one hand on a todo at a time'],
    'core/usage-limit.test.ts': ['limits in a row'],
  },
  'end to end': {
    'e2e/heal.test.ts': ['[H-05] [H-50] (I)', 'three automatic recoveries of a todo', '[H-65] (E)', '[W-04] (I)'],
    'e2e/restart.test.ts': ['a restart in place'],
    'e2e/watchdog.test.ts': ['a crash loop'],
    'e2e/chaos.test.ts': ['todo chaos'],
  },
};

const titlesIn = (file: string): readonly string[] =>
  [...readFileSync(join(here, file), 'utf8').matchAll(/^\s*test\(\s*(['"`])(.+?)\1,/gm)].map(([, , title]) => title ?? '');

for (const [group, files] of Object.entries(groups))
  test(`[H-68] ${group}: the tests are there`, () => {
    for (const [file, words] of Object.entries(files)) {
      const titles = titlesIn(file);
      assert.ok(titles.length > 0, `${file} has tests`);
      for (const word of words)
        assert.ok(
          titles.some((title) => title.includes(word)),
          `${file} has no test "${word}…"`,
        );
    }
  });

test('there are six groups, and none is empty', () => {
  assert.equal(Object.keys(groups).length, 6);
  for (const files of Object.values(groups)) assert.ok(Object.values(files).flat().length > 0);
});
