import assert from 'node:assert/strict';
import { type DefaultTreeAdapterTypes, parse, parseFragment } from 'parse5';

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

export const elementsOf = (markup: string): readonly Element[] => walk(parseFragment(markup)).filter(isElement);
export const elementsOfPage = (page: string): readonly Element[] => walk(parse(page)).filter(isElement);

/** What a reader sees of a piece of markup. */
export const textOf = (markup: string): string => textOfNode(parseFragment(markup));

export function textOfNode(node: Node): string {
  if ('value' in node) return node.value;
  return 'childNodes' in node ? node.childNodes.map(textOfNode).join('') : '';
}

export const attribute = (element: Element, name: string): string | null => element.attrs.find((each) => each.name === name)?.value ?? null;

/** The allow-list of the terminal renderer, written down a second time: spans with our classes, links to the web, nothing else. */
export function assertTerminalMarkup(markup: string): void {
  for (const element of elementsOf(markup)) {
    const names = element.attrs.map((each) => each.name);
    if (element.tagName === 'span') assert.deepEqual(names, ['class'], markup);
    else {
      assert.equal(element.tagName, 'a', markup);
      assert.deepEqual(names, ['href', 'rel'], markup);
      assert.match(attribute(element, 'href')!, /^https?:\/\/[^\s"'<>]+$/, markup);
      assert.equal(attribute(element, 'rel'), 'noopener noreferrer', markup);
    }
    for (const name of (attribute(element, 'class') ?? 'w').split(' '))
      assert.match(name, /^(?:[fcg](?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])|[cg]i|[bdiukxwn])$/, markup);
  }
}

/** The allow-list of the whole page. */
export function assertPassivePage(page: string): void {
  for (const element of elementsOfPage(page)) {
    assert.ok(pageElements.has(element.tagName), `<${element.tagName}> may not be in a report`);
    for (const { name, value } of element.attrs) {
      assert.ok(pageAttributes.has(name), `${name}="${value}" of <${element.tagName}> may not be in a report`);
      if (name === 'href') assert.match(value, /^(?:https?:\/\/|#)/);
      if (name === 'http-equiv') assert.equal(value, 'Content-Security-Policy');
    }
  }
}

const pageElements = new Set(
  'html head meta title style body main header footer section h1 h2 h3 p span strong b i small code pre blockquote ul ol li dl dt dd div details summary time table thead tbody tr th td svg path rect circle a'.split(
    ' ',
  ),
);
const pageAttributes = new Set(
  'lang charset http-equiv content name class datetime href rel open tabindex role aria-label aria-hidden viewbox viewBox d cx cy r x y rx width height preserveaspectratio preserveAspectRatio'.split(
    ' ',
  ),
);

const isElement = (node: Node): node is Element => 'tagName' in node;

function walk(node: Node): readonly Node[] {
  const found: Node[] = [];
  const rest: Node[] = [node];
  while (rest.length > 0) {
    const next = rest.pop()!;
    found.push(next);
    if ('childNodes' in next) rest.push(...next.childNodes.toReversed());
  }
  return found;
}
