import type { Proof, SaidBy, TodoStatus } from '../../core/words.ts';

/** An agent that behaves in one way, and the honest end that its todo must reach. */
export type Scenario = {
  readonly name: 'honest' | 'lying' | 'hanging' | 'crashing' | 'silent' | 'doubled';
  readonly title: string;
  /** A command line of agent shell, in a folder of its own. */
  readonly prompt: string;
  readonly checks: readonly string[];
  readonly rounds: number;
  readonly expected: {
    readonly status: TodoStatus;
    readonly proof: Proof;
    readonly runs: number;
    readonly rounds: number;
    readonly saidBy: SaidBy;
  };
  /** What happened, in the words of the closing table. */
  readonly story: string;
};

export const scenarios: readonly Scenario[] = [
  {
    name: 'honest',
    title: 'Write a greeting and prove it',
    prompt: `echo 'writing greeting.txt'
echo 'hello, world' > greeting.txt
"$TODO_MARKER" done 'wrote greeting.txt'`,
    checks: ["grep -q 'hello, world' greeting.txt"],
    rounds: 1,
    expected: { status: 'completed', proof: 'verified', runs: 1, rounds: 1, saidBy: 'marker' },
    story: 'did it, said so, and the check agrees',
  },
  {
    name: 'lying',
    title: 'Say done without doing it',
    prompt: `if [ -z "\${TODO_FEEDBACK-}" ]; then
  echo 'all done! (nothing was done)'
  "$TODO_MARKER" done 'all tests are green'
else
  echo 'sent back with:'; cat "$TODO_FEEDBACK"
  echo 42 > answer.txt
  "$TODO_MARKER" done 'wrote answer.txt this time'
fi`,
    checks: ["grep -qx 42 answer.txt || { echo 'answer.txt must hold 42'; exit 1; }"],
    rounds: 2,
    expected: { status: 'completed', proof: 'verified', runs: 1, rounds: 2, saidBy: 'marker' },
    story: 'its check failed, it was sent back, then it did it',
  },
  {
    name: 'hanging',
    title: 'Fall silent and never come back',
    prompt: `echo 'thinking…'
sleep 3600`,
    checks: [],
    rounds: 1,
    expected: { status: 'completed', proof: 'forced', runs: 1, rounds: 1, saidBy: 'deadline' },
    story: 'a timer ended it; the record says forced, not done',
  },
  {
    name: 'crashing',
    title: 'Die by SIGKILL, then do the work',
    prompt: `if [ ! -e died-once ]; then
  echo 'about to die'
  touch died-once
  kill -9 $$
fi
echo 'second attempt'
echo alive > alive.txt
"$TODO_MARKER" done 'done at the second attempt'`,
    checks: ['test -s alive.txt'],
    rounds: 1,
    expected: { status: 'completed', proof: 'verified', runs: 2, rounds: 1, saidBy: 'marker' },
    story: 'died without an answer, got a new attempt',
  },
  {
    name: 'silent',
    title: 'Finish without a word',
    prompt: `echo 'working'
echo 'result' > result.txt`,
    checks: [],
    rounds: 1,
    expected: { status: 'completed', proof: 'unverified', runs: 1, rounds: 1, saidBy: 'process-end' },
    story: 'said nothing; its exit code spoke',
  },
  {
    name: 'doubled',
    title: 'Say done twice',
    prompt: `echo 'saying it twice'
"$TODO_MARKER" done 'the first word'
"$TODO_MARKER" done 'the second word'`,
    checks: [],
    rounds: 1,
    expected: { status: 'completed', proof: 'unverified', runs: 1, rounds: 1, saidBy: 'marker' },
    story: 'the first word stands, the second changed nothing',
  },
];

/** Short timers, so that the hanging one is over within the minute; everything else as shipped. */
export const demoConfig = {
  behavior: { completion_timeout: 5, emergency_timeout: 10, term_grace: 2, quiet_after: 2 },
  run: { retry_delay: 0.5 },
  slots: { total: 6, agent: 6, project: 1 },
};
