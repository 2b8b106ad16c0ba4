import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cluster, charWidth, extendCluster } from '../../src/core/char-width.ts';

test('a character is as wide as terminals draw it', () => {
  const widths: readonly (readonly [0 | 1 | 2, string])[] = [
    [0, '\u0301\u0300\u20dd\u1160\u200d\ufe0f\u0e31\u05b0'],
    [1, 'aé~ßЯאعก─█▌✓✖❤☀𝐀\ue0a0\u0100'],
    [2, '一日本ァ、。「가힣ａ￥豈㐀𠀀⺀⻳々〇ㄅ㈠꒳ꥠ︙﹏⌚⏰⚡✅✨⭐😀🚀🀄🇩🈁'],
  ];
  for (const [width, chars] of widths)
    for (const char of chars) assert.equal(charWidth(char.codePointAt(0)!), width, `${char} U+${char.codePointAt(0)!.toString(16)}`);
});

test('code points join into the characters that people see', () => {
  const cases: readonly (readonly [text: string, clusters: readonly (readonly [string, number])[]])[] = [
    [
      'e\u0301x',
      [
        ['e\u0301', 1],
        ['x', 1],
      ],
    ],
    [
      '👨‍👩‍👧‍👦!',
      [
        ['👨‍👩‍👧‍👦', 2],
        ['!', 1],
      ],
    ],
    [
      '👍🏽👍',
      [
        ['👍🏽', 2],
        ['👍', 2],
      ],
    ],
    [
      '🇩🇪🇫',
      [
        ['🇩🇪', 2],
        ['🇫', 2],
      ],
    ],
    ['❤\ufe0f', [['❤\ufe0f', 2]]],
    ['a\ufe0f', [['a\ufe0f', 1]]],
    ['3\ufe0f\u20e3', [['3\ufe0f\u20e3', 2]]],
    [
      'a\u200db',
      [
        ['a\u200d', 1],
        ['b', 1],
      ],
    ],
    [
      '한글',
      [
        ['한', 2],
        ['글', 2],
      ],
    ],
    [
      '\u0301a',
      [
        ['\u0301', 0],
        ['a', 1],
      ],
    ],
  ];
  for (const [text, clusters] of cases) assert.deepEqual(clustersOf(text), clusters, JSON.stringify(text));
});

function clustersOf(text: string): readonly (readonly [string, number])[] {
  const found: [string, number][] = [];
  let cluster: Cluster | null = null;
  for (const char of text) {
    const next: ReturnType<typeof extendCluster> = extendCluster(cluster, char.codePointAt(0)!);
    if (next.joins) found[found.length - 1] = [found.at(-1)![0] + char, next.width];
    else found.push([char, next.width]);
    cluster = next;
  }
  return found;
}
