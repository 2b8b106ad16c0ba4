import type { Adapter, HookVerdict } from '../core/agent.ts';
import { isObject } from '../core/shape.ts';
import type { UsageLimit } from '../core/usage-limit.ts';
import type { Says } from '../core/words.ts';
import { type ClaudeEvent, eventsIn, type Result, secondsAsMs } from './claude-events.ts';
import { claudeProgram, launchClaude } from './claude-launch.ts';
import { readableClaude } from './claude-readable.ts';
import { readClaude } from './claude-structured.ts';

/** Claude Code. Every rule here was measured against the real program: docs/agents.md. */
export const claude: Adapter = {
  name: 'claude',
  defaultSession: 'child',
  program: claudeProgram,
  reportsTurns: true,
  conversational: true,
  launch: launchClaude,
  hook: (event, payload, session) =>
    isObject(payload) ? heard(event, payload, session) : { kind: 'ignored', why: `${event} came without a JSON object` },
  exitSays: ({ code }, tail) => spokenBy(code, [...eventsIn(tail)], tail),
  transcripts: ({ conversationId, cwd, env }) => transcriptsOf(conversationId, cwd, env),
  structured: readClaude,
  readable: readableClaude,
};

type Payload = Readonly<Record<string, unknown>>;

/** Events by Claude's own name or ours (`Stop`, `stop`). Where a payload names another event than the caller, neither is believed. */
function heard(event: string, payload: Payload, session: 'child' | 'tmux'): HookVerdict {
  const name = kebab(event);
  const named = payload['hook_event_name'];
  if (typeof named === 'string' && kebab(named) !== name)
    return { kind: 'ignored', why: `called as ${event}, but the payload is of ${named.slice(0, 60)}` };
  if (payload['agent_id'] !== undefined && payload['agent_id'] !== null) return { kind: 'ignored', why: `${name} of a sub-agent` };
  switch (name) {
    case 'stop':
      return stopped(payload, session);
    case 'stop-failure':
      return stoppedByError(payload, session);
    case 'session-end':
      return { kind: 'session-ended' };
    case 'session-start':
    case 'user-prompt-submit':
    case 'pre-tool-use':
    case 'post-tool-use':
    case 'post-tool-use-failure':
    case 'post-tool-batch':
    case 'pre-compact':
    case 'post-compact':
      return { kind: 'progress' };
    case 'notification':
      return notificationOf(text(payload['notification_type']) ?? 'notification', text(payload['message']) ?? '');
    default:
      return { kind: 'ignored', why: `${name.slice(0, 60)} says nothing about the main turn` };
  }
}

/** A turn's end is the end of the work only where nothing of it goes on. Headless it is the word itself: no further prompt can come. */
function stopped(payload: Payload, session: 'child' | 'tmux'): HookVerdict {
  const tasks = payload['background_tasks'];
  const crons = payload['session_crons'];
  const open = [...(Array.isArray(tasks) ? tasks.filter(isOpen).map(nameOf) : []), ...(Array.isArray(crons) ? crons.map(nameOf) : [])];
  if (open.length > 0) return { kind: 'turn-paused', why: `background work goes on: ${open.slice(0, 5).join('; ')}` };
  // A version that does not report background work cannot say that there is none; then the end of the process is the word.
  const reported = Array.isArray(tasks) && Array.isArray(crons);
  return {
    kind: 'turn-ended',
    text: text(payload['last_assistant_message']),
    says: session === 'child' && reported ? 'done' : null,
    again: payload['stop_hook_active'] === true,
  };
}

const isOpen = (task: unknown): boolean =>
  !isObject(task) || !['completed', 'failed', 'killed', 'stopped'].includes(text(task['status']) ?? '');
const nameOf = (task: unknown): string =>
  isObject(task) ? (text(task['description']) ?? text(task['command']) ?? text(task['prompt']) ?? 'unnamed').slice(0, 100) : 'unnamed';

/**
 * The turn ended by an API error. Headless the process ends with it, often takes this hook along, and its output knows more: until when a
 * limit lasts.
 * The kind of error is Claude's word; what the message says is never searched for words.
 */
function stoppedByError(payload: Payload, session: 'child' | 'tmux'): HookVerdict {
  const error = text(payload['error']) ?? 'unknown';
  const why = [error, text(payload['last_assistant_message'])].filter(Boolean).join(': ').slice(0, 500);
  if (error !== 'rate_limit' || session === 'child') return { kind: 'turn-failed', why };
  const limits = isObject(payload['rate_limit_info']) ? payload['rate_limit_info'] : {};
  return { kind: 'usage-limit', resetsAtMs: secondsAsMs(limits['resetsAt']), why };
}

/** Trouble of the provider that nobody says the end of. */
const troubleRetryMs = 5 * 60_000;

/** A dialog in the terminal waits for a person; all other notices are for a person's eyes only. */
const notificationOf = (type: string, message: string): HookVerdict =>
  type === 'permission_prompt'
    ? { kind: 'waiting', why: `it asks for a permission: ${message}` }
    : { kind: 'ignored', why: `${type}: ${message}` };

type Spoken = {
  readonly says: Says;
  readonly summary: string | null;
  readonly reason: string | null;
  readonly notBeforeMs: number | null;
  readonly limit?: UsageLimit;
  readonly fault?: 'auth';
};

/** Exit 0 also follows an interrupt and exit 1 every API error, so the last result line speaks, not the code. */
function spokenBy(code: number, events: readonly ClaudeEvent[], tail: string): Spoken {
  const result = events.findLast((event) => event.kind === 'result')?.result;
  const error = events.findLast((event) => event.kind === 'api-error');
  const as = (says: Says, reason: string | null, notBeforeMs: number | null = null): Spoken => ({
    says,
    summary: null,
    reason,
    notBeforeMs,
  });
  if (result === undefined) {
    const last = tail.trimEnd().split('\n').at(-1)?.trim() ?? '';
    return as(
      'failed',
      `Claude ended with exit code ${code} and without a result${last === '' || last.startsWith('{') ? '' : `: ${last.slice(0, 300)}`}`,
    );
  }
  if (result.terminalReason === 'api_error' && error !== undefined) return afterApiError(error, events, as);
  if (result.failed) {
    return result.terminalReason?.startsWith('aborted')
      ? as('blocked', 'interrupted from outside; release it to start again')
      : as('failed', reasonOf(result));
  }
  if (code !== 0) return as('failed', `Claude ended with exit code ${code} after a result`);
  return { says: 'done', summary: firstLine(result.text), reason: null, notBeforeMs: null };
}

function afterApiError(
  error: Extract<ClaudeEvent, { kind: 'api-error' }>,
  events: readonly ClaudeEvent[],
  as: (says: Says, reason: string, notBeforeMs?: number | null) => Spoken,
): Spoken {
  const reason = `${error.error}: ${error.text}`.slice(0, 500);
  const later = (ms: number): Spoken => (error.atMs === null ? as('blocked', reason) : as('parked', reason, error.atMs + ms));
  switch (error.error) {
    case 'rate_limit': {
      const resetsAtMs = error.resetsAtMs ?? events.findLast((event) => event.kind === 'limit')?.resetsAtMs ?? null;
      return { ...as('parked', reason, resetsAtMs), limit: { resetsAtMs } };
    }
    case 'server_error':
    case 'overloaded':
    case 'unknown':
      return later(troubleRetryMs);
    case 'invalid_request':
    case 'max_output_tokens':
      return as('failed', reason);
    default:
      // Key, account or model: a person must mend it.
      return accountErrors.has(error.error) ? { ...as('blocked', reason), fault: 'auth' } : as('blocked', reason);
  }
}

/** With these no other todo goes well either. */
const accountErrors: ReadonlySet<string> = new Set(['authentication_failed', 'billing_error']);

const reasonOf = ({ subtype, terminalReason, errors, text: words }: Result): string =>
  [subtype === 'success' ? (terminalReason ?? 'error') : subtype, ...(errors.length > 0 ? errors : words === null ? [] : [words])]
    .join(': ')
    .slice(0, 500);

/** `$CLAUDE_CONFIG_DIR` or `~/.claude`, then the real path of the working directory as one name. */
function transcriptsOf(conversationId: string, cwd: string, env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const root = env['CLAUDE_CONFIG_DIR'] || (env['HOME'] ? `${env['HOME']}/.claude` : null);
  return root === null ? [] : [`${root}/projects/${slugOf(cwd)}/${conversationId}.jsonl`];
}

const slugCharsMax = 200;

function slugOf(path: string): string {
  const slug = path.replaceAll(/[^A-Za-z0-9]/g, '-');
  if (slug.length <= slugCharsMax) return slug;
  let hash = 0;
  for (let at = 0; at < path.length; at++) hash = (Math.imul(hash, 31) + path.charCodeAt(at)) | 0;
  return `${slug.slice(0, slugCharsMax)}-${Math.abs(hash).toString(36)}`;
}

const kebab = (name: string): string => name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const firstLine = (words: string | null): string | null => words?.trim().split('\n', 1)[0] || null;
