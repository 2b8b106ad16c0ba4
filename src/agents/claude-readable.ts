import { type ClaudeEvent, eventsOfLine, linesOf, parseLine } from './claude-events.ts';
import { subjectOf } from './claude-structured.ts';

/** Of a tool's answer as much as a person reads. The whole stands in output.log. */
const resultLinesMax = 30;
const resultCharsMax = 4_000;

/** stream-json as the terminal of a person would have shown it; null where the output is no such stream. Other lines (stderr) stay as they are. */
export function readableClaude(output: string): string | null {
  const lines: string[] = [];
  let known = false;
  for (const line of linesOf(output)) {
    if (parseLine(line) === null) {
      if (line.trim() !== '') lines.push(line);
      continue;
    }
    known = true;
    for (const event of eventsOfLine(line)) lines.push(...shown(event));
  }
  return known ? `${lines.join('\n')}\n` : null;
}

function shown(event: ClaudeEvent): readonly string[] {
  switch (event.kind) {
    case 'said':
      return ['', `● ${indented(event.text, '  ')}`];
    case 'called':
      return event.tool === 'Bash'
        ? [`  $ ${indented(typeof event.input['command'] === 'string' ? event.input['command'] : '', '    ')}`]
        : [`  ▸ ${event.tool} ${subjectOf(event.input)}`.trimEnd()];
    case 'returned':
      return event.text.trim() === '' ? [] : [`    ${event.failed ? '✗ ' : ''}${indented(shortened(event.text), '    ')}`];
    case 'api-error':
      return ['', `✗ ${event.text}`];
    case 'limit':
      return ['✗ usage limit reached'];
    case 'retrying':
      return [`  (${event.text})`];
    case 'result':
      return [
        '',
        `── ${event.result.subtype}${event.result.terminalReason === null ? '' : ` · ${event.result.terminalReason}`}${event.result.errors.map((error) => ` · ${error}`).join('')}`,
      ];
    case 'started':
    case 'spent':
    case 'totals':
      return [];
    default:
      return event satisfies never;
  }
}

const indented = (text: string, indent: string): string => text.trimEnd().replaceAll('\n', `\n${indent}`);

function shortened(text: string): string {
  const lines = text.slice(0, resultCharsMax).trimEnd().split('\n');
  const left = text.trimEnd().split('\n').length - Math.min(lines.length, resultLinesMax);
  const kept = lines.slice(0, resultLinesMax).join('\n');
  return left > 0 ? `${kept}\n… ${left} more lines` : text.length > resultCharsMax ? `${kept}…` : kept;
}
