// docs/operations.md tells operators what to type at night: every command, action, option, configuration key and test that it names is there.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { commands } from '../../src/cli/command.ts';
import { knownKeys } from '../../src/core/config.ts';
import { errorTable } from '../../src/core/errors.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs', 'operations.md'), 'utf8');
const spans = [...page.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

/** The actions of commands that have some, as their own help or refusal names them. */
const actions: Readonly<Record<string, readonly string[]>> = {
  service: ['install', 'uninstall', 'status'],
  daemon: ['run', 'start', 'stop', 'status', 'reload', 'restart', 'resume'],
  store: ['check', 'map', 'migrate'],
  config: ['show', 'set', 'unset'],
  'dead-letter': ['list', 'show', 'requeue'],
  hooks: ['install', 'doctor'],
  retry: ['status'],
  breaker: ['list', 'isolate', 'reset'],
  watchdog: ['status'],
};

test('[W-42] every command, action and option of the operator guide exists', async () => {
  const called = spans.filter((span) => span.startsWith('todo '));
  assert.ok(called.length > 30, 'it is a guide of commands');
  for (const span of called) {
    const [, name = '', ...words] = span.split(' ');
    const entry = commands.find((it) => it.name === name);
    assert.ok(entry, `todo ${name}: ${span}`);
    const command = new Command();
    await (await entry.load()).command.declare?.(command);
    const known = ['--json', '--home', '--help', ...command.options.flatMap(({ long, short }) => [long, short])];
    for (const word of words.filter((it) => it.startsWith('-'))) assert.ok(known.includes(word), `${word} of ${span}`);
    const [action] = words;
    if (action !== undefined && /^[a-z]/.test(action) && actions[name] !== undefined)
      assert.ok(actions[name].includes(action), `action ${action} of ${span}`);
  }
});

test('[W-42] every key, error, file and test that the operator guide names is there, and the README points to it', () => {
  const keys = knownKeys();
  for (const span of spans.filter((it) => /^[a-z]+\.[a-z_]+$/.test(it) && !/\.(db|md|log|out|json|tsv)$/.test(it)))
    assert.ok(keys.includes(span), `configuration key ${span}`);
  for (const span of spans.filter((it) => /^[A-Z]+_[A-Z_]+$/.test(it) && !it.startsWith('TODO_')))
    assert.ok(span in errorTable, `error ${span}`);
  for (const span of spans.filter((it) => /^test\/.*\.ts$/.test(it))) assert.ok(existsSync(join(root, span)), span);
  for (const [, target] of page.matchAll(/\]\(([\w./-]+)\)/g)) assert.ok(existsSync(join(root, 'docs', target!)), target);
  assert.match(readFileSync(join(root, 'README.md'), 'utf8'), /docs\/operations\.md/);
});
