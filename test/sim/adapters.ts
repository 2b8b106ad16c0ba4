import type { Adapter, HookVerdict } from '../../src/core/agent.ts';

const nothing = { structured: () => null, readable: () => null, transcripts: () => [] } as const;

/** A command: no turns, no conversation; its exit code is its word. */
export const worker: Adapter = {
  ...nothing,
  name: 'worker',
  defaultSession: 'child',
  program: '/bin/sh',
  reportsTurns: false,
  conversational: false,
  launch: (context) => ({ argv: ['worker', context.todo.title], env: {}, files: [], stdin: null }),
  hook: (event) => (event === 'tick' ? { kind: 'progress' } : { kind: 'ignored', why: 'a worker has no turns' }),
  exitSays: ({ code }) =>
    code === 0 ? { says: 'done', summary: null, reason: null } : { says: 'failed', summary: null, reason: `exit code ${code}` },
};

/** A conversation: it reports its turns, and what failed can be said to it. */
export const talker: Adapter = {
  ...nothing,
  name: 'talker',
  defaultSession: 'tmux',
  program: 'claude',
  reportsTurns: true,
  conversational: true,
  launch: (context) => ({ argv: ['talker', ...(context.round > 1 ? ['--resume'] : [])], env: {}, files: [], stdin: null }),
  hook: (event, payload): HookVerdict => {
    switch (event) {
      case 'prompt':
      case 'tool':
        return { kind: 'progress' };
      case 'stop':
        return { kind: 'turn-ended', text: 'that was my turn', says: payload === 'done' ? 'done' : null, again: false };
      case 'stop-busy':
        return { kind: 'turn-paused', why: 'work goes on in the background' };
      case 'limit':
        return { kind: 'usage-limit', resetsAtMs: typeof payload === 'number' ? payload : null, why: 'the provider says no' };
      case 'error':
        return { kind: 'turn-failed', why: 'the provider broke' };
      case 'end':
        return { kind: 'session-ended' };
      default:
        return { kind: 'ignored', why: `unknown event ${event}` };
    }
  },
  exitSays: ({ code }) =>
    code === 0 ? { says: 'done', summary: null, reason: null } : { says: 'failed', summary: null, reason: `exit code ${code}` },
};

export const adapters: ReadonlyMap<string, Adapter> = new Map([worker, talker].map((adapter) => [adapter.name, adapter]));
