import type { HookSeen } from '../core/agent.ts';
import type { Structured, Usage } from '../core/evidence.ts';
import { type ClaudeEvent, eventsIn, type Fields, type Result, type Tokens } from './claude-events.ts';

/** Bounds of the report: a run of a whole day stayed below them. */
const entriesMax = 500;
const commandCharsMax = 2_000;
const lineCharsMax = 300;
const finalCharsMax = 32_000;

/** Tools that only look: not worth a line each. */
const readers = new Set(['Read', 'Grep', 'Glob', 'LS', 'ToolSearch', 'TodoWrite', 'TaskList', 'TaskGet', 'BashOutput', 'ListAgents']);
const writers = new Set(['Write', 'Edit', 'MultiEdit', 'NotebookEdit']);

/**
 * What the agent did, from the stream it printed and the transcript it keeps. Both tell the same story; the one that knows more is taken,
 * since the stream of a terminal is a picture and the transcript may lag or be gone.
 */
export function readClaude(input: {
  readonly output: string;
  readonly transcript: string | null;
  readonly hooks: readonly HookSeen[];
}): { readonly found: Structured; readonly usage: Usage | null } | null {
  const accounts = [input.output, input.transcript ?? ''].map((text) => accountOf(eventsIn(text)));
  const richest = accounts.reduce((best, one) => (one.calls.size > best.calls.size ? one : best));
  const results = accounts.flatMap((account) => account.results);
  const finalText = finalWordsOf(accounts) ?? input.hooks.findLast((hook) => hook.event === 'stop' && hook.text !== null)?.text ?? null;
  const found = {
    ...deedsOf(richest),
    errors: errorsOf(accounts, results),
    keyActions: actionsOf(richest, finalText),
    finalText: clip(finalText, finalCharsMax),
  };
  const usage = usageOf(accounts, results);
  const nothing = usage === null && finalText === null && found.errors.length === 0 && richest.calls.size === 0;
  return nothing ? null : { found, usage };
}

type Call = {
  readonly tool: string;
  readonly input: Fields;
  returned: { readonly text: string; readonly failed: boolean; readonly details: Fields } | null;
};

type Account = {
  cwd: string | null;
  readonly calls: Map<string, Call>;
  /** What the agent said to people, in its main turn. */
  readonly words: string[];
  readonly apiErrors: string[];
  readonly results: Result[];
  /** By request: one request is written as several lines that repeat its usage, the last one whole. */
  readonly spent: Map<string, { readonly model: string; readonly tokens: Tokens; readonly main: boolean }>;
  /** Cumulative over turns and over --resume: the last one counts. */
  totals: Extract<ClaudeEvent, { kind: 'totals' }> | null;
};

function accountOf(events: Iterable<ClaudeEvent>): Account {
  const account: Account = { cwd: null, calls: new Map(), words: [], apiErrors: [], results: [], spent: new Map(), totals: null };
  for (const event of events) enter(account, event);
  return account;
}

function enter(account: Account, event: ClaudeEvent): void {
  switch (event.kind) {
    case 'started':
      account.cwd ??= event.cwd;
      return;
    case 'said':
      if (event.main) account.words.push(event.text);
      return;
    case 'called':
      account.cwd ??= event.cwd;
      account.calls.set(event.id, { tool: event.tool, input: event.input, returned: null });
      return;
    case 'returned': {
      const call = account.calls.get(event.id);
      if (call !== undefined) call.returned = event;
      return;
    }
    case 'spent':
      account.spent.set(event.request, event);
      return;
    case 'api-error':
      account.apiErrors.push(`${event.error}: ${event.text}`);
      return;
    case 'totals':
      // A start that failed reports zero; it does not take back what was spent.
      if (event.costUsd > 0 || account.totals === null) account.totals = event;
      return;
    case 'result':
      account.results.push(event.result);
      return;
    case 'limit':
    case 'retrying':
      return;
    default:
      event satisfies never;
  }
}

function deedsOf({ calls, cwd }: Account): Pick<Structured, 'filesCreated' | 'filesChanged' | 'commands'> {
  const created = new Set<string>();
  const changed = new Set<string>();
  const commands: Structured['commands'][number][] = [];
  for (const { tool, input, returned } of calls.values()) {
    if (tool === 'Bash') commands.push({ command: clip(text(input['command']), commandCharsMax), exitCode: exitCodeOf(returned) });
    if (!writers.has(tool) || returned === null || returned.failed) continue;
    const path = within(text(returned.details['filePath']) || text(input['file_path']) || text(input['notebook_path']), cwd);
    if (path === '') continue;
    if (returned.details['type'] === 'create') created.add(path);
    else if (!created.has(path)) changed.add(path);
  }
  return { filesCreated: bounded([...created]), filesChanged: bounded([...changed]), commands: bounded(commands) };
}

/** Null where the command was refused, went to the background or was cut off. */
function exitCodeOf(returned: Call['returned']): number | null {
  if (returned === null || returned.details['backgroundTaskId'] !== undefined || returned.details['interrupted'] === true) return null;
  if (!returned.failed) return 0;
  const code = /^Exit code (\d{1,3})(?:\n|$)/.exec(returned.text)?.[1];
  return code === undefined ? null : Number(code);
}

function errorsOf(accounts: readonly Account[], results: readonly Result[]): readonly string[] {
  const errors = new Set<string>();
  const denied = new Set<string>();
  for (const { id, tool, input } of results.flatMap((result) => result.denials)) {
    denied.add(id);
    errors.add(`not permitted: ${tool} ${subjectOf(input)}`.trim());
  }
  for (const account of accounts) {
    for (const [id, { tool, returned }] of account.calls) {
      if (tool !== 'Bash' && returned?.failed && !denied.has(id))
        errors.add(`${tool}: ${firstLine(returned.text.replace(/<\/?tool_use_error>/g, ''))}`);
    }
    for (const error of account.apiErrors) errors.add(firstLine(error));
  }
  for (const { failed, subtype, errors: told } of results) {
    if (failed && subtype !== 'success') errors.add([subtype, ...told.map(firstLine)].join(': '));
  }
  return bounded([...errors]);
}

/** What it said on its way, and the help it called. */
function actionsOf({ words, calls }: Account, finalText: string | null): readonly string[] {
  const said = words.filter((one) => one !== finalText).map(firstLine);
  const called = [...calls.values()]
    .filter(({ tool }) => tool !== 'Bash' && !readers.has(tool) && !writers.has(tool))
    .map(({ tool, input }) => `${tool} ${subjectOf(input)}`.trim());
  return bounded([...said, ...called]);
}

function finalWordsOf(accounts: readonly Account[]): string | null {
  const told = accounts.flatMap((account) => account.results).findLast((result) => !result.failed && result.text?.trim());
  return told?.text ?? accounts.map((account) => account.words.at(-1)).find((words) => words !== undefined) ?? null;
}

/**
 * Totals of a clean end know sub-agents and money; after a kill only the requests in the transcript are left.
 * The larger account is the more complete one: both only grow.
 */
function usageOf(accounts: readonly Account[], results: readonly Result[]): Usage | null {
  const sums = accounts
    .flatMap(({ totals, spent }) => [totals?.models ?? [], [...spent.values()]])
    .map((rows) => ({ rows, tokens: rows.reduce((sum, row) => add(sum, row.tokens), noTokens) }));
  const most = sums.reduce((best, one) => (sizeOf(one.tokens) > sizeOf(best.tokens) ? one : best));
  const costs = accounts.map(({ totals }) => totals?.costUsd ?? 0);
  const requests = Math.max(...accounts.map(({ spent }) => [...spent.values()].filter((one) => one.main).length));
  if (sizeOf(most.tokens) === 0 && results.length === 0) return null;
  const { input, output, cacheRead, cacheWrite } = most.tokens;
  return {
    model:
      most.rows.reduce<{ model: string; tokens: Tokens } | null>(
        (best, one) => (best === null || one.tokens.output > best.tokens.output ? one : best),
        null,
      )?.model ?? null,
    inputTokens: input,
    outputTokens: output,
    cacheReadTokens: cacheRead,
    cacheWriteTokens: cacheWrite,
    costUsd: accounts.every(({ totals }) => totals === null) ? null : Math.max(...costs),
    turns: results.length > 0 ? results.reduce((sum, result) => sum + result.turns, 0) : requests || null,
  };
}

const noTokens: Tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
const add = (a: Tokens, b: Tokens): Tokens => ({
  input: a.input + b.input,
  output: a.output + b.output,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite: a.cacheWrite + b.cacheWrite,
});
const sizeOf = ({ input, output, cacheRead, cacheWrite }: Tokens): number => input + output + cacheRead + cacheWrite;

/** The one thing a call was about. */
export const subjectOf = (input: Fields): string =>
  firstLine(
    text(input['command']) ||
      text(input['file_path']) ||
      text(input['notebook_path']) ||
      text(input['description']) ||
      text(input['url']) ||
      text(input['query']) ||
      text(input['pattern']) ||
      text(input['skill']) ||
      text(input['prompt']),
  );

const within = (path: string, cwd: string | null): string =>
  cwd !== null && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const firstLine = (words: string): string => clip(words.trim().split('\n', 1)[0] ?? '', lineCharsMax);
const bounded = <T>(list: readonly T[]): readonly T[] => list.slice(0, entriesMax);
function clip(words: string, max: number): string;
function clip(words: string | null, max: number): string | null;
function clip(words: string | null, max: number): string | null {
  return words === null || words.length <= max ? words : `${words.slice(0, max - 1)}…`;
}
