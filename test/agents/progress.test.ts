import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { programs } from '../programs.ts';

const script = fileURLToPath(new URL('../../hooks/progress', import.meta.url));

for (const shell of ['/bin/sh', programs().dash]) {
  const progress = (env: Record<string, string>) => spawnSync(shell, [script], { env, input: '{"tool_name":"Bash"}', encoding: 'utf8' });

  test(`${shell}: moves the time of the run's progress file, also of an empty one`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'todo-progress-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'progress');
    writeFileSync(file, '');
    utimesSync(file, 1, 1);
    assert.equal(progress({ TODO_RUN_DIR: folder }).status, 0);
    assert.ok(statSync(file).mtimeMs > 1_000_000);
  });

  test(`${shell}: never forbids a tool: silent and 0 without a run, without its folder, without rights [I-37]`, () => {
    const gone = join(tmpdir(), 'todo-progress-gone');
    for (const env of [{}, { TODO_RUN_DIR: '' }, { TODO_RUN_DIR: gone }, { TODO_RUN_DIR: '/proc/self' }]) {
      const { status, stdout, stderr } = progress(env as Record<string, string>);
      assert.deepEqual([status, stdout, stderr], [0, '', ''], JSON.stringify(env));
    }
    assert.equal(existsSync(gone), false);
  });
}
