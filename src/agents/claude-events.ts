import { isObject } from '../core/shape.ts';

/**
 * Lines of Claude's stream-json output and of its transcript, read as one. The two differ in spelling only: the stream says
 * `request_id`, `tool_use_result`, `parent_tool_use_id`, the transcript `requestId`, `toolUseResult`, `isSidechain`.
 * The format is internal to Claude and moves: what is not understood is passed over, never an error.
 */
export type ClaudeEvent =
  | { readonly kind: 'started'; readonly cwd: string | null; readonly model: string | null }
  | { readonly kind: 'said'; readonly text: string; readonly main: boolean }
  | { readonly kind: 'called'; readonly id: string; readonly tool: string; readonly input: Fields; readonly cwd: string | null }
  | { readonly kind: 'returned'; readonly id: string; readonly text: string; readonly failed: boolean; readonly details: Fields }
  | { readonly kind: 'spent'; readonly request: string; readonly model: string; readonly tokens: Tokens; readonly main: boolean }
  | {
      readonly kind: 'api-error';
      readonly error: string;
      readonly text: string;
      readonly atMs: number | null;
      readonly resetsAtMs: number | null;
    }
  | { readonly kind: 'limit'; readonly resetsAtMs: number | null }
  | { readonly kind: 'retrying'; readonly text: string }
  | { readonly kind: 'totals'; readonly costUsd: number; readonly models: readonly { readonly model: string; readonly tokens: Tokens }[] }
  | { readonly kind: 'result'; readonly result: Result };

export type Tokens = { readonly input: number; readonly output: number; readonly cacheRead: number; readonly cacheWrite: number };

export type Result = {
  readonly failed: boolean;
  /** success, error_max_turns, error_during_execution … */
  readonly subtype: string;
  /** completed, api_error, aborted_tools, max_turns … */
  readonly terminalReason: string | null;
  readonly text: string | null;
  readonly errors: readonly string[];
  readonly denials: readonly { readonly id: string; readonly tool: string; readonly input: Fields }[];
  readonly turns: number;
};

export type Fields = Readonly<Record<string, unknown>>;

/** All events of a text, in order. Lines that are not JSON objects (a terminal's, a cut one, stderr) hold none. */
export function* eventsIn(text: string): Generator<ClaudeEvent> {
  for (const line of linesOf(text)) yield* eventsOfLine(line);
}

export function* linesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    yield text.slice(from, end < 0 ? text.length : end);
    from = end < 0 ? text.length : end + 1;
  }
}

/** The events of one line; null where the line is none of Claude's. */
export function eventsOfLine(line: string): readonly ClaudeEvent[] {
  const fields = parseLine(line);
  if (fields === null) return [];
  switch (fields['type']) {
    case 'assistant':
      return ofAssistant(fields);
    case 'user':
      return ofUser(fields);
    case 'system':
      return ofSystem(fields);
    case 'result':
      return [...ofTotals(fields, 'total_cost_usd', 'modelUsage'), { kind: 'result', result: resultOf(fields) }];
    case 'cost-state':
      return ofTotals(fields, 'totalCostUSD', 'modelUsage');
    case 'rate_limit_event': {
      const info = object(fields['rate_limit_info']);
      return info['status'] === 'rejected' ? [{ kind: 'limit', resetsAtMs: secondsAsMs(info['resetsAt']) }] : [];
    }
    default:
      return [];
  }
}

/** A line of Claude's has a type and belongs to a session; other JSON that an agent prints does not. */
export function parseLine(line: string): Fields | null {
  if (!line.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) && typeof value['type'] === 'string' && typeof (value['session_id'] ?? value['sessionId']) === 'string'
      ? value
      : null;
  } catch {
    return null;
  }
}

function ofAssistant(fields: Fields): ClaudeEvent[] {
  const message = object(fields['message']);
  const blocks = blocksOf(message['content']);
  if (typeof fields['error'] === 'string') {
    return [
      {
        kind: 'api-error',
        error: fields['error'],
        text: textOf(blocks),
        atMs: timeOf(fields['timestamp']),
        resetsAtMs: secondsAsMs(object(fields['quotaLimits'])['resetsAt']),
      },
    ];
  }
  const model = string(message['model']) ?? '';
  // Words that the program itself put into the model's mouth.
  if (model === '<synthetic>') return [];
  const main = isMain(fields);
  const request = string(fields['request_id']) ?? string(fields['requestId']) ?? string(message['id']);
  const events: ClaudeEvent[] = [];
  if (request !== null) events.push({ kind: 'spent', request, model, tokens: tokensOf(object(message['usage'])), main });
  for (const block of blocks) {
    if (block['type'] === 'text' && typeof block['text'] === 'string' && block['text'].trim() !== '')
      events.push({ kind: 'said', text: block['text'], main });
    if (block['type'] === 'tool_use') {
      events.push({
        kind: 'called',
        id: string(block['id']) ?? '',
        tool: string(block['name']) ?? '',
        input: object(block['input']),
        cwd: string(fields['cwd']),
      });
    }
  }
  return events;
}

function ofUser(fields: Fields): ClaudeEvent[] {
  const details = object(fields['tool_use_result'] ?? fields['toolUseResult']);
  return blocksOf(object(fields['message'])['content'])
    .filter((block) => block['type'] === 'tool_result')
    .map((block) => ({
      kind: 'returned',
      id: string(block['tool_use_id']) ?? '',
      text: typeof block['content'] === 'string' ? block['content'] : textOf(blocksOf(block['content'])),
      failed: block['is_error'] === true,
      details,
    }));
}

function ofSystem(fields: Fields): ClaudeEvent[] {
  if (fields['subtype'] === 'init') return [{ kind: 'started', cwd: string(fields['cwd']), model: string(fields['model']) }];
  if (fields['subtype'] !== 'api_retry') return [];
  return [
    {
      kind: 'retrying',
      text: `${string(fields['error']) ?? 'error'}, retry ${number(fields['attempt'])} of ${number(fields['max_retries'])}`,
    },
  ];
}

function ofTotals(fields: Fields, cost: string, usage: string): ClaudeEvent[] {
  const costUsd = fields[cost];
  if (typeof costUsd !== 'number' || !Number.isFinite(costUsd) || costUsd < 0) return [];
  const models = Object.entries(object(fields[usage])).map(([model, value]) => ({ model, tokens: totalTokensOf(object(value)) }));
  return [{ kind: 'totals', costUsd, models }];
}

function resultOf(fields: Fields): Result {
  return {
    failed: fields['is_error'] === true || fields['subtype'] !== 'success',
    subtype: string(fields['subtype']) ?? 'unknown',
    terminalReason: string(fields['terminal_reason']),
    text: string(fields['result']),
    errors: list(fields['errors']).filter((error) => typeof error === 'string'),
    denials: list(fields['permission_denials'])
      .filter(isObject)
      .map((denial) => ({
        id: string(denial['tool_use_id']) ?? '',
        tool: string(denial['tool_name']) ?? '',
        input: object(denial['tool_input']),
      })),
    turns: number(fields['num_turns']),
  };
}

/** A sub-agent's lines name the call that started it, or stand on a side chain. */
const isMain = (fields: Fields): boolean => string(fields['parent_tool_use_id']) === null && fields['isSidechain'] !== true;

const tokensOf = (usage: Fields): Tokens => ({
  input: number(usage['input_tokens']),
  output: number(usage['output_tokens']),
  cacheRead: number(usage['cache_read_input_tokens']),
  cacheWrite: number(usage['cache_creation_input_tokens']),
});

const totalTokensOf = (usage: Fields): Tokens => ({
  input: number(usage['inputTokens']),
  output: number(usage['outputTokens']),
  cacheRead: number(usage['cacheReadInputTokens']),
  cacheWrite: number(usage['cacheCreationInputTokens']),
});

const blocksOf = (content: unknown): readonly Fields[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : list(content).filter(isObject);
const textOf = (blocks: readonly Fields[]): string =>
  blocks
    .map((block) => (block['type'] === 'text' ? string(block['text']) : null))
    .filter((text) => text !== null)
    .join('\n');

const object = (value: unknown): Fields => (isObject(value) ? value : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const string = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const number = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0);

function timeOf(value: unknown): number | null {
  const atMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(atMs) ? atMs : null;
}

/** Claude gives such times in seconds; a time before 2001 or after 2286 is not one. */
export const secondsAsMs = (value: unknown): number | null =>
  typeof value === 'number' && value > 1e9 && value < 1e10 ? Math.round(value * 1000) : null;
