import type { CheckResult, Evidence } from '../../../src/core/evidence.ts';

/** An honest end after one lie: the shape every test starts from and changes in one place. */
export const exampleEvidence = (changes: Partial<Evidence> = {}): Evidence => ({
  v: 1,
  todo: {
    id: '0199f3a2-5d1c-7c3e-9a41-2f6f0c0b7d11',
    number: 42,
    title: 'Parse ISO durations in the scheduler',
    prompt:
      'Add parseDuration() to src/schedule/duration.ts.\n\nIt takes ISO 8601 durations (PT5M, P1DT2H) and answers milliseconds.\nInvalid input throws a RangeError that names the input.',
    cwd: '/srv/scheduler',
    agent: 'claude',
    priority: 5,
    createdAtMs: startedAtMs - 3_600_000,
  },
  run: { id: '0199f3a2-6001-7aaa-8bbb-3c3c3c3c3c3c', fence: 7, host: 'builder', kind: 'tmux', round: 2, startedAtMs, endedAtMs },
  result: { status: 'completed', proof: 'verified', outcome: 'done', saidBy: 'hook', reason: null },
  summary: '',
  said: {
    says: 'done',
    saidBy: 'hook',
    summary: 'Added parseDuration with tests for every designator, and used it in the scheduler. Weeks (P2W) are supported too.',
    atMs: endedAtMs - 400,
  },
  laterSignals: [],
  checks: [
    check({ command: 'npm test', round: 1, passed: false, exitCode: 1, durationMs: 5_210, outputTail: failedTests, outputBytes: 18_204 }),
    check({ command: 'npm run lint', round: 1, durationMs: 1_904 }),
    check({ command: 'npm test', round: 2, durationMs: 4_820, outputTail: passedTests, outputBytes: passedTests.length }),
    check({ command: 'npm run lint', round: 2, durationMs: 1_880 }),
  ],
  sources: [
    {
      name: 'structured output',
      verdict: 'structured',
      reason: "the agent's own stream, its transcript or the working directory's changes",
      sizeBytes: 4_211,
      used: true,
    },
    { name: 'session folder', verdict: 'unavailable', reason: 'there is none for this todo', sizeBytes: 0, used: false },
    { name: 'terminal output', verdict: 'raw', reason: 'the log of the run from its first byte', sizeBytes: 48_120, used: false },
    { name: 'store', verdict: 'structured', reason: 'title, description, working directory and times', sizeBytes: 280, used: false },
  ],
  problems: [],
  structured: {
    filesCreated: ['src/schedule/duration.ts', 'test/schedule/duration.test.ts'],
    filesChanged: ['src/schedule/next-run.ts'],
    commands: [
      { command: 'npm test', exitCode: 1 },
      { command: 'npm test', exitCode: 0 },
      { command: 'git diff --stat', exitCode: 0 },
    ],
    errors: ["TypeError: Cannot read properties of undefined (reading 'groups')\n    at parseDuration (src/schedule/duration.ts:18:22)"],
    keyActions: [
      'Read src/schedule/next-run.ts',
      'Wrote src/schedule/duration.ts',
      'Wrote test/schedule/duration.test.ts',
      'Ran the tests, mended the match of empty time parts',
      'Used parseDuration in next-run.ts',
    ],
    finalText:
      'All done. `parseDuration` handles days, hours, minutes, seconds and weeks; mixing weeks with other designators throws, as ISO 8601 says.\n\nThe tests pass.',
  },
  usage: {
    model: 'claude-sonnet-4-5',
    inputTokens: 1_204,
    outputTokens: 8_911,
    cacheReadTokens: 312_440,
    cacheWriteTokens: 22_018,
    costUsd: 0.4187,
    turns: 14,
  },
  diffStat: {
    files: [
      { path: 'src/schedule/duration.ts', added: 64, removed: 0, binary: false, untracked: true },
      { path: 'test/schedule/duration.test.ts', added: 118, removed: 0, binary: false, untracked: true },
      { path: 'src/schedule/next-run.ts', added: 9, removed: 23, binary: false, untracked: false },
      { path: 'docs/schedule.png', added: 0, removed: 0, binary: true, untracked: false },
    ],
    more: 0,
  },
  timeline: [
    { atMs: startedAtMs, fact: 'claimed', layer: null, attempt: 1, durationMs: null, reason: null },
    { atMs: startedAtMs + 812, fact: 'running', layer: null, attempt: 1, durationMs: null, reason: 'first output' },
    { atMs: startedAtMs + 151_000, fact: 'sent-back', layer: 1, attempt: 1, durationMs: 7_130, reason: '1 of 2 checks failed' },
    { atMs: endedAtMs - 400, fact: 'signalled', layer: null, attempt: 1, durationMs: null, reason: 'done by hook' },
    { atMs: endedAtMs + 31, fact: 'collected', layer: 1, attempt: 1, durationMs: 28, reason: 'from structured output' },
    { atMs: endedAtMs + 6_760, fact: 'checked', layer: 1, attempt: 1, durationMs: 6_720, reason: '2 of 2 passed' },
  ],
  emergency: null,
  system: null,
  output: { totalBytes: 48_120, headBytes: 48_120, tailBytes: 0, gapBytes: 0, sha256: 'ab'.repeat(32) },
  digests: [{ name: 'output.txt', sha256: 'cd'.repeat(32), sizeBytes: 48_031 }],
  utcOffsetMinutes: 60,
  ...changes,
});

/** The todo hung, nobody said a word, and the hard deadline ended it. */
export const forcedEvidence = (changes: Partial<Evidence> = {}): Evidence =>
  exampleEvidence({
    run: { ...exampleEvidence().run, round: 1, endedAtMs: startedAtMs + 1_800_000 },
    result: { status: 'completed', proof: 'forced', outcome: 'forced', saidBy: 'deadline', reason: 'no TASK_COMPLETED after 30 min' },
    said: null,
    structured: null,
    usage: null,
    diffStat: { files: [], more: 0 },
    sources: [
      { ...exampleEvidence().sources[0]!, verdict: 'empty', reason: 'nothing changed and nothing was said', sizeBytes: 0, used: false },
      { ...exampleEvidence().sources[1]! },
      { ...exampleEvidence().sources[2]!, used: true, sizeBytes: 73_400_320 },
      exampleEvidence().sources[3]!,
    ],
    checks: [
      check({
        command: 'npm test',
        passed: false,
        exitCode: null,
        osSignal: 'SIGTERM',
        timedOut: true,
        durationMs: 120_000,
        outputTail: 'waiting for lock…',
        outputBytes: 19,
      }),
    ],
    problems: ['the output has 73400320 bytes; 65011712 in the middle are left out', 'session folder: not readable (EACCES)'],
    timeline: [
      { atMs: startedAtMs, fact: 'claimed', layer: null, attempt: 1, durationMs: null, reason: null },
      { atMs: startedAtMs + 300_000, fact: 'warned', layer: null, attempt: 1, durationMs: null, reason: 'no sign of progress for 5 min' },
      { atMs: startedAtMs + 1_800_000, fact: 'emergency', layer: null, attempt: 1, durationMs: null, reason: 'emergency timer' },
      {
        atMs: startedAtMs + 1_810_400,
        fact: 'signalled',
        layer: null,
        attempt: 1,
        durationMs: 10_400,
        reason: 'session ended (TERM, 10 s, KILL)',
      },
      {
        atMs: startedAtMs + 1_811_000,
        fact: 'failed-attempt',
        layer: 1,
        attempt: 1,
        durationMs: 400,
        reason: 'FILE_UNREADABLE output.log',
      },
      { atMs: startedAtMs + 1_815_000, fact: 'collected', layer: 1, attempt: 2, durationMs: 160, reason: 'from terminal output' },
      { atMs: startedAtMs + 1_935_000, fact: 'checked', layer: 1, attempt: 1, durationMs: 120_000, reason: '0 of 1 passed' },
    ],
    emergency: {
      reason: 'no TASK_COMPLETED after 30 min (behavior.emergency_timeout 1800 s)',
      atMs: startedAtMs + 1_800_000,
      actions: ['System state logged', 'Session ended: TERM, 10 s, KILL of 3 processes', 'Token of the run made void'],
      whatToDo: [
        'Look at the output below and at the working directory /srv/scheduler.',
        'If the work is not done, add it again with a clearer prompt, a check, or a longer --timeout.',
        'The whole story: `todo why 42`.',
      ],
    },
    system: {
      atMs: startedAtMs + 1_800_000,
      load: [7.91, 6.2, 4.4],
      cpus: 4,
      memoryTotalBytes: 16 * 1024 ** 3,
      memoryFreeBytes: 412 * 1024 ** 2,
      diskTotalBytes: 512 * 1024 ** 3,
      diskFreeBytes: 61 * 1024 ** 3,
      processes: [
        { pid: 40_112, command: 'claude --session-id 0199f3a2', cpuMs: 91_000, rssBytes: 402 * 1024 ** 2, state: 'sleeping' },
        { pid: 40_377, command: 'node test/run.js --watch', cpuMs: 1_640_000, rssBytes: 1_120 * 1024 ** 2, state: 'running' },
      ],
    },
    output: { totalBytes: 73_400_320, headBytes: 1_048_576, tailBytes: 7_340_032, gapBytes: 65_011_712, sha256: 'ef'.repeat(32) },
    ...changes,
  });

/** A run of which nothing is known but that it was. */
export const bareEvidence = (changes: Partial<Evidence> = {}): Evidence =>
  exampleEvidence({
    todo: { ...exampleEvidence().todo, prompt: '', agent: 'shell' },
    run: { ...exampleEvidence().run, round: 1, kind: 'child', endedAtMs: startedAtMs },
    result: { status: 'open', proof: null, outcome: 'lost', saidBy: 'process-end', reason: 'the agent died by SIGKILL; attempt 1 of 5' },
    said: null,
    structured: null,
    usage: null,
    diffStat: null,
    checks: [],
    timeline: [],
    problems: [],
    sources: [
      {
        name: 'structured output',
        verdict: 'unavailable',
        reason: 'no stream, transcript, hook event or git change was found',
        sizeBytes: 0,
        used: false,
      },
      { name: 'session folder', verdict: 'unavailable', reason: 'there is none for this todo', sizeBytes: 0, used: false },
      { name: 'terminal output', verdict: 'empty', reason: 'the session printed nothing', sizeBytes: 0, used: false },
      { name: 'store', verdict: 'structured', reason: 'title, description, working directory and times', sizeBytes: 36, used: true },
    ],
    output: {
      totalBytes: 0,
      headBytes: 0,
      tailBytes: 0,
      gapBytes: 0,
      sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    },
    digests: [],
    ...changes,
  });

export function check(changes: Partial<CheckResult>): CheckResult {
  return {
    command: 'true',
    round: 1,
    exitCode: 0,
    osSignal: null,
    timedOut: false,
    startError: null,
    passed: true,
    startedAtMs,
    durationMs: 12,
    outputTail: '',
    outputBytes: 0,
    ...changes,
  };
}

const startedAtMs = Date.UTC(2025, 10, 22, 2, 7, 31, 123);
const endedAtMs = startedAtMs + 192_345;

const failedTests =
  '\x1b[31m✖\x1b[0m parses P2W \x1b[2m(3.1ms)\x1b[0m\n  \x1b[31mAssertionError\x1b[0m: expected 1209600000, got NaN\n\n\x1b[7m FAIL \x1b[27m 1 of 31 tests\n';
const passedTests =
  '\x1b[32m✔\x1b[0m parses PT5M \x1b[2m(0.4ms)\x1b[0m\n\x1b[32m✔\x1b[0m parses P1DT2H \x1b[2m(0.2ms)\x1b[0m\n\x1b[32m✔\x1b[0m parses P2W \x1b[2m(0.2ms)\x1b[0m\n\n\x1b[42m\x1b[30m PASS \x1b[0m 31 tests, 0 failed\n';

export const exampleOutput = [
  '\x1b[1m\x1b[38;5;173m✻ Welcome to the agent\x1b[0m\r\n\r\n',
  '\x1b[2m> Add parseDuration() to src/schedule/duration.ts\x1b[0m\r\n\r\n',
  '\x1b[32m●\x1b[0m Read(src/schedule/next-run.ts)\r\n  \x1b[2m⎿ 112 lines\x1b[0m\r\n',
  'Fetching 10%\rFetching 60%\rFetched 100%\x1b[K\r\n',
  '\x1b[32m●\x1b[0m Write(src/schedule/duration.ts)\r\n  \x1b[38;2;80;200;120m+ export function parseDuration(text: string): number {\x1b[0m\r\n  \x1b[38;2;220;80;80m- const minutes = Number(text)\x1b[0m\r\n',
  '│ wide: 日本語 │ emoji: 👩‍💻 ✅ │ plain │\r\n│ same: ascii8 │ other: ab cd │ plain │\r\n',
  'See \x1b]8;;https://example.org/iso8601\x07the standard\x1b]8;;\x07 for designators.\r\n',
  '\x1b[43m\x1b[30m WARN \x1b[0m hidden \u202etxt.exe\u202c and zero\u200bwidth\r\n',
  '\x1b[31m✖ parses P2W\x1b[0m\r\n',
  ...Array.from({ length: 40 }, (_, i) => `\x1b[32m✔\x1b[0m case ${i} \x1b[2m(${i / 10} ms)\x1b[0m\r\n`),
].join('');
