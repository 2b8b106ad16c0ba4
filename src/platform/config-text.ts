import { applyEdits, modify, type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { type ConfigProblem, type ParsedConfig, parseConfig } from '../core/config.ts';
import { isObject } from '../core/shape.ts';

/** JSONC and what the environment says over it, as one config or as all that is wrong with both. Loaded only when the result is not known yet. */
export function parseConfigText(text: string, said: Said, { allowEmpty = true } = {}): ParsedConfig {
  const errors: ParseError[] = [];
  const found: unknown = parse(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  if (found === undefined && errors.length === 0 && !allowEmpty) return { problems: [nothingThere] };
  const value = found ?? {};
  if (errors.length > 0) return { problems: errors.slice(0, problemsMax).map((error) => syntaxProblem(error, text)) };
  return parseConfig(isObject(value) ? overlaid(value, said) : value);
}

const nothingThere: ConfigProblem = {
  key: '(whole file)',
  got: 'nothing',
  bound: 'one object, at least {}',
  fix: 'write it whole',
};

export type Said = readonly (readonly [name: string, value: string])[];

/** What keeps it from being JSON. */
export function problemsIn(text: string): readonly ConfigProblem[] {
  const errors: ParseError[] = [];
  parse(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  return errors.slice(0, problemsMax).map((error) => syntaxProblem(error, text));
}

/** A file that is no JSON at all has one at each word. */
const problemsMax = 20;

/** What the file says by itself; null where it is no object. */
export function configValue(text: string): Record<string, unknown> | null {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true, allowEmptyContent: true }) ?? {};
  return errors.length === 0 && isObject(value) ? value : null;
}

/** The text with that value under the dotted key; undefined takes the key out. Comments and all else stay as they are. */
export function withValue(text: string, key: string, value: unknown): string {
  const whole = configValue(text) === null || text.trim() === '' ? '{}\n' : text;
  return applyEdits(whole, modify(whole, key.split('.'), value, { formattingOptions: { insertSpaces: true, tabSize: 2, eol: '\n' } }));
}

function syntaxProblem({ error, offset }: ParseError, text: string): ConfigProblem {
  const before = text.slice(0, offset).split('\n');
  return {
    key: `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`,
    // CloseBraceExpected.
    got: printParseErrorCode(error)
      .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toLowerCase(),
    bound: 'JSON (comments and a last comma are allowed)',
    fix: 'mend it there',
  };
}

/** TODO_BEHAVIOR_MAX_ROUNDS is behavior.max_rounds. A name that is no key becomes an unknown key and is refused with the nearest one. */
function overlaid(file: Record<string, unknown>, said: readonly (readonly [name: string, value: string])[]): Record<string, unknown> {
  const whole: Record<string, unknown> = { ...file };
  for (const [name, text] of said) {
    const [, room = '', key] = /^TODO_([A-Z]+)(?:_(.+))?$/.exec(name)?.map((part) => part?.toLowerCase()) ?? [];
    if (key === undefined) whole[room] = typed(text);
    else whole[room] = { ...(isObject(whole[room]) ? whole[room] : {}), [key]: typed(text) };
  }
  return whole;
}

/** Numbers, true, false, null, lists and objects as JSON has them; anything else is text. */
export function typed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
