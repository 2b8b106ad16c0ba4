/** A planted bug: one place in the source that is changed, and the layer of tests that must see it. */
export type Mutant = {
  readonly name: string;
  /** Below src/; or of the simulation's model of the store, below test/: what only several servers do, no text of ours has in one place. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Seeds of the simulation; a test file; or one that starts the built program, for which a whole checkout is built with the bug in it. `only` names the tests in it. */
  readonly killedBy:
    | { readonly seeds: readonly [from: number, to: number] }
    | { readonly test: string; readonly only?: string }
    | { readonly built: string; readonly only: string };
};

const seeds = [1, 400] as const;

/** Each is a mistake that somebody made once, here or in the systems before this one. */
export const mutants: readonly Mutant[] = [
  {
    name: 'the later word wins',
    file: 'core/signal.ts',
    find: 'if (entry.signal !== null || isCompletion(entry.fact)) {',
    replace: "if (isCompletion(entry.fact) && entry.fact !== 'signalled') {",
    killedBy: { test: 'test/core/timers.test.ts' },
  },
  {
    name: 'the token is not looked at',
    file: 'signals/spool.ts',
    find: 'digest.sha256(marker.token) !== standing.tokenSha256',
    replace: 'digest.sha256(marker.token) === ""',
    killedBy: { seeds },
  },
  {
    name: 'confirm always says yes',
    file: 'completion/confirm.ts',
    find: 'const back = await world.store.readBack(entry.ref.runId);',
    replace:
      "if (entry.fact === 'recorded') return { kind: 'done', fact: 'confirmed' };\n  const back = await world.store.readBack(entry.ref.runId);",
    killedBy: { seeds },
  },
  {
    name: 'clean before confirm',
    file: 'completion/pipeline.ts',
    find: '      return confirm;',
    replace: '      return clean;',
    killedBy: { seeds },
  },
  {
    name: 'forced is shown as verified',
    file: 'core/verdict.ts',
    find: "outcome: 'forced', todoStatus: 'completed', proof: 'forced'",
    replace: "outcome: 'forced', todoStatus: 'completed', proof: 'verified'",
    killedBy: { seeds },
  },
  {
    name: 'failed checks pass',
    file: 'core/verdict.ts',
    find: 'if (checks.length > 0 && failed.length === 0)',
    replace: 'if (checks.length > 0)',
    killedBy: { seeds },
  },
  {
    name: 'checks run while the agent can write',
    file: 'daemon/settle.ts',
    find: "    if ((await endSession(context, runId)) === 'busy-again') return;",
    replace: '',
    killedBy: { test: 'test/sim/directed.test.ts', only: 'checks run when nothing of the run can write' },
  },
  {
    name: 'reports are not flushed',
    file: 'completion/report-step.ts',
    find: '[...Object.keys(content), manifestName]',
    replace: '[]',
    killedBy: { seeds },
  },
  {
    name: 'collected output is not flushed',
    file: 'completion/collect.ts',
    find: 'await flush([...names, ...others]',
    replace: 'await flush([...others]',
    killedBy: { seeds },
  },
  {
    name: 'the archive folder is not flushed',
    file: 'daemon/engine.ts',
    find: 'world.files.syncFolder(world.home.archive)',
    replace: 'undefined',
    killedBy: { seeds },
  },
  {
    name: 'the timers are forgotten',
    file: 'core/deadlines.ts',
    find: "if (entry.fact !== 'running' && entry.fact !== 'signalled') return [];",
    replace: 'return [];',
    killedBy: { seeds },
  },
  {
    name: 'markers claimed before a crash are not heard again',
    file: 'daemon/engine.ts',
    find: 'await Promise.all(hearing(context, words));',
    replace: 'void words;',
    killedBy: { test: 'test/sim/incidents.test.ts', only: 'the handler dies at any call' },
  },
  {
    name: 'a store that is away is given up',
    file: 'core/advance.ts',
    find: "if (retry === 'forever') return null;",
    replace: '',
    killedBy: { test: 'test/core/advance.test.ts' },
  },
  {
    name: 'rounds without end',
    file: 'core/verdict.ts',
    find: 'entry.round <= config.behavior.max_rounds',
    replace: 'entry.round <= 1000',
    killedBy: { test: 'test/core/verdict.test.ts' },
  },
  {
    name: 'a marker is believed whatever its digest',
    file: 'core/marker.ts',
    find: 'if (sha256(line) !== match[1])',
    replace: "if (sha256(line) === '')",
    killedBy: { test: 'test/core/marker.test.ts' },
  },
  {
    name: 'the fence is dropped from the guard of the todo and of the run',
    file: 'store/runs.ts',
    find: 'sql: `fence = ? AND run_id = ?${condition}`',
    replace: 'sql: `? > 0 AND run_id = ?${condition}`',
    killedBy: { test: 'test/store/sqlite.test.ts' },
  },
  {
    name: 'what comes back is never compared',
    file: 'core/record.ts',
    find: 'return why === null ? { same: true } : { same: false, why };',
    replace: 'return why === null || why !== null ? { same: true } : { same: false, why };',
    killedBy: { test: 'test/store/record.test.ts' },
  },
  {
    name: 'a lost attempt is never the last',
    file: 'core/verdict.ts',
    find: 'if (attempts >= most)',
    replace: 'if (attempts < 0)',
    killedBy: { test: 'test/core/verdict.test.ts' },
  },
  {
    name: 'a todo worked on by hand is sent back',
    file: 'core/verdict.ts',
    find: "if (entry.kind !== 'child' && entry.kind !== 'tmux') return false;",
    replace: '',
    killedBy: { test: 'test/core/verdict.test.ts' },
  },
  {
    name: 'the watcher is never wired',
    file: 'cli/daemon-process.ts',
    find: '      () => engine.wake(),',
    replace: '      () => {},',
    killedBy: { built: 'test/e2e/signals.test.ts', only: 'chokidar is wired: with the rescan an hour away' },
  },
  {
    name: 'there is no rescan',
    file: 'daemon/engine.ts',
    find: 'nowMs + inMs(config.monitoring.rescan)',
    replace: 'Number.POSITIVE_INFINITY',
    killedBy: { test: 'test/sim/directed.test.ts', only: 'the rescan alone finds a word' },
  },
  {
    name: 'unknown is trusted: who could not be looked at is dead',
    file: 'daemon/engine.ts',
    find: "world.processes.alive(entry.owner) === 'no'",
    replace: "world.processes.alive(entry.owner) !== 'yes'",
    killedBy: { test: 'test/sim/directed.test.ts', only: 'nobody can look at processes for a while' },
  },
  {
    name: 'acknowledged before the commit',
    file: 'platform/sqlite.ts',
    find: "      db.exec('COMMIT');",
    replace: "      for (const { queued, value } of done) queued.resolve(value as never);\n      db.exec('COMMIT');",
    killedBy: { test: 'test/platform/sqlite.test.ts', only: 'when the commit fails nobody of the wave is told' },
  },
  {
    name: 'the pointer of a live run may be overwritten',
    file: 'daemon/claim-external.ts',
    find: '  refuseLivePointer(world);',
    replace: '',
    killedBy: { test: 'test/sim/incidents.test.ts', only: 'the next cannot be claimed over it' },
  },
  {
    name: 'an expired lease returns nothing',
    file: 'daemon/store-chores.ts',
    find: 'await store.expired()',
    replace: '(await store.expired()).slice(0, 0)',
    killedBy: { test: 'test/sim/incidents.test.ts', only: 'its host dies for good' },
  },
  {
    name: 'nobody waits for the end of a lease: it is found at the next look',
    file: 'daemon/store-chores.ts',
    find: "choreWithin(context, 'rescue', endsInMs + random.next() * rescueSpreadMs);",
    replace: '',
    killedBy: { test: 'test/sim/incidents.test.ts', only: 'its host dies for good' },
  },
  {
    name: 'a drained host takes todos all the same',
    file: 'store/claim.ts',
    find: 'own ?? (request.slots !== null && isDrained ? drained : null)',
    replace: "own ?? (request.slots !== null && isDrained && request.host === '' ? drained : null)",
    killedBy: { test: 'test/store/sqlite.test.ts', only: 'a drained host claims nothing' },
  },
  {
    name: 'a lost record is written again over an end that came since',
    file: 'store/records.ts',
    find: 'isTerminal(todo.status) || (found',
    replace: '(found',
    killedBy: { test: 'test/store/sqlite.test.ts', only: 'a record that was lost is written again' },
  },
  {
    name: 'waits end by the wall clock',
    file: 'daemon/wakeup.ts',
    find: 'const left = endsMs - clock.monotonicMs();',
    replace: 'const left = untilMs - clock.nowMs();',
    killedBy: { test: 'test/sim/directed.test.ts', only: 'does not hear what is typed' },
  },
  {
    name: 'a write in doubt is a failure',
    file: 'core/errors.ts',
    find: "STORE_IN_DOUBT: { retry: 'forever'",
    replace: "STORE_IN_DOUBT: { retry: 'never'",
    killedBy: { seeds },
  },
  {
    name: 'leases end by the clock of whoever looks',
    file: 'daemon/store-chores.ts',
    find: 'of await store.expired()) await rescue(context, todo, run);',
    replace:
      'of await store.inProgress()) if (run !== null && run.leaseUntilMs <= context.world.clock.nowMs()) await rescue(context, todo, run);',
    killedBy: { seeds },
  },
  {
    name: 'leases are counted by the clock of the host that claims',
    file: 'test/sim/simulation.ts',
    find: 'nowMs: () => this.storeMs(),\n        rows',
    replace: 'nowMs: () => machine.wallMs(),\n        rows',
    killedBy: { seeds },
  },
  {
    name: 'a claim in the model only locks',
    file: 'test/sim/memory-store.ts',
    find: 'if (todoOf(chosen.id) !== chosen || ',
    replace: 'if (',
    killedBy: { seeds },
  },
  {
    name: 'a claim does not write the fence',
    file: 'store/claim.ts',
    find: 'fence: todo.fence + 1,\n    run_id: runId',
    replace: 'fence: todo.fence,\n    run_id: runId',
    killedBy: { test: 'test/store/sqlite.test.ts' },
  },
  {
    name: 'a rescue in the model looks at no fence and no lease',
    file: 'test/sim/memory-store.ts',
    find: 'const found = held(ref);\n      if (found === null || !isInProgress(found.todo.status) || found.run.leaseUntilMs > now()) return false;',
    replace:
      'const { todo } = { todo: todoOf(ref.todoId)! };\n      const found = { todo, run: rows.runs.get(todo.runId ?? ref.runId)! };\n      if (!isInProgress(todo.status)) return false;',
    killedBy: { seeds: [90, 140] },
  },
  {
    name: 'a rescue takes a todo whose lease was renewed meanwhile',
    file: 'store/runs.ts',
    find: "' AND lease_until_ms <= ?', nowMs",
    replace: "' AND (lease_until_ms <= ? OR 1 = 1)', nowMs",
    killedBy: { test: 'test/store/sqlite.test.ts' },
  },
  {
    name: 'a receipt is dropped too early',
    file: 'daemon/receipts.ts',
    find: 'clock.nowMs() - inMs(context.config.store.receipts)',
    replace: 'clock.nowMs()',
    killedBy: { seeds: [140, 190] },
  },
  {
    name: 'a pass puts off the look that is under way',
    file: 'daemon/store-chores.ts',
    find: ' || context.tasks.busy(`store:${name}`)',
    replace: '',
    killedBy: { seeds: [1930, 1980] },
  },
  {
    name: 'what is given up is not looked for in the store',
    file: 'completion/bury.ts',
    find: "entry.fact === 'reported' && (await isRecorded(entry, needs))",
    replace: "entry.fact === 'signalled' && (await isRecorded(entry, needs))",
    killedBy: { seeds: [740, 790] },
  },
  {
    name: 'a node that is behind is not given time',
    file: 'core/advance.ts',
    find: 'entry.disproved === 0 ? 0 :',
    replace: 'entry.disproved >= 0 ? 0 :',
    killedBy: { seeds },
  },
  {
    name: 'a word that was put off is said again after a crash',
    file: 'daemon/schedules.ts',
    find: 'if (!(await wasCarriedOut(context, item))) {',
    replace: '{',
    killedBy: { test: 'test/sim/directed.test.ts', only: 'a release that was put off' },
  },
  {
    name: 'what nobody worked on is done',
    file: 'daemon/words.ts',
    find: '...putOffWord(context, entry, entry.choice) }',
    replace: "...putOffWord(context, entry, entry.choice), says: 'done' }",
    killedBy: { test: 'test/sim/runners.test.ts', only: 'nobody is well for hours' },
  },
  {
    name: 'a runner that refused work is asked again at once',
    file: 'daemon/runners.ts',
    find: 'cooling !== undefined && cooling.untilMs > world.clock.nowMs() ? cooling : null',
    replace: 'cooling !== undefined && cooling.untilMs < 0 ? cooling : null',
    killedBy: { test: 'test/sim/runners.test.ts', only: 'refuse work again and again' },
  },
  {
    name: 'the order of runners is not the configuration’s',
    file: 'core/runners.ts',
    find: '.toSorted((a, b) => a.priority - b.priority)',
    replace: '.toSorted((a, b) => (a.agent < b.agent ? -1 : 1))',
    killedBy: { test: 'test/core/runners.test.ts' },
  },
];
