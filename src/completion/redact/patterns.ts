import { privateKeyAt, privateKeyCharsMax } from './private-key.ts';
import type { Span } from './spans.ts';

/**
 * Secrets that nobody registered but everybody recognises, by the shape their issuers gave them. One pass looks for anchors (three
 * characters that ordinary text rarely holds); a rule's pattern is tried only where its anchor stands.
 */
export function findPatterns(text: string, from: number): Span[] {
  const spans: Span[] = [];
  let hash = 0;
  for (let at = from; at < text.length; at += 1) {
    hash = nextHash(hash, text.charCodeAt(at));
    if (anchorAt[hash] === 0) continue;
    for (const anchor of anchorsOf.get(hash) ?? []) {
      const start = at - (anchorChars - 1) - anchor.before;
      if (start < from || !text.startsWith(anchor.text, start + anchor.before)) continue;
      const span = anchor.rule.at(text, start);
      if (span === null || text.startsWith(markInText, span.from)) continue;
      spans.push(span);
    }
  }
  return spans;
}

/** The longest text that any rule takes: what a stream has to hold back. */
export const patternCharsMax = privateKeyCharsMax;

/** `anchors`: a bar shows how far into the match the anchor stands (`passwo|rd=`), so that its first characters can be rare ones. */
type Rule = { readonly anchors: readonly string[]; at(text: string, start: number): Span | null };

/**
 * A rule by pattern, tried at the match's first character. Group 1, if there is one, is what stays before the secret. Every quantifier is
 * bounded, and a run of token characters is entered at its beginning only (the look-behind), so time is linear whatever the text.
 */
function rule(kind: string, anchors: readonly string[], pattern: RegExp): Rule {
  const sticky = new RegExp(pattern.source, `${pattern.flags}y`);
  return {
    anchors,
    at(text, start) {
      sticky.lastIndex = start;
      const found = sticky.exec(text);
      if (found === null) return null;
      const from = start + (found[1]?.length ?? 0);
      // The patterns stop at a mark; seen byte by byte it does not look like one to them.
      return text.slice(from, sticky.lastIndex).includes(markInBytes)
        ? null
        : { from, to: sticky.lastIndex, needsFrom: start, kind, secret: null };
    },
  };
}

const rules: readonly Rule[] = [
  rule('anthropic-key', ['sk-ant-'], /(?<![\w-])sk-ant-[\w-]{20,400}/),
  rule('openai-key', ['sk-'], /(?<![\w-])sk-(?:(?:proj|svcacct|admin)-[\w-]{20,400}|[A-Za-z0-9]{20,64}T3BlbkFJ[A-Za-z0-9]{10,64})/),
  rule('github-token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], /(?<!\w)gh[pousr]_[A-Za-z0-9]{36,255}/),
  rule('github-token', ['githu|b_pat_'], /(?<!\w)github_pat_\w{22,255}/),
  rule('gitlab-token', ['glpat-'], /(?<![\w-])glpat-[\w-]{20,255}/),
  rule('slack-token', ['xox'], /(?<![\w-])xox[abcdeprs]-[\w%-]{10,400}/),
  rule('npm-token', ['n|pm_'], /(?<!\w)npm_[A-Za-z0-9]{36,100}/),
  rule('aws-key-id', ['AKIA', 'ASIA'], /(?<![A-Za-z0-9])A(?:KIA|SIA)[A-Z2-7]{16}(?![A-Za-z0-9])/),
  rule('google-key', ['AIza'], /(?<![\w-])AIza[\w-]{35}(?![\w-])/),
  rule('jwt', ['eyJ'], /(?<![\w-])eyJ[\w-]{8,4000}\.[\w-]{8,8000}(?:\.[\w-]{0,2000})?/),
  rule(
    'url-password',
    ['://'],
    /(?<=[a-z0-9])(:\/\/[^\s/:@"'<>\u2039]{0,256}:)(?!(?:password|passwd|pass|secret|\*{1,20}|x{3,20})@)[^\s/@"'<>\u2039]{1,512}(?=@)/i,
  ),
  rule(
    'auth-header',
    ['autho|rization', 'Autho|rization', 'AUTHO|RIZATION', 'x-a|pi-key', 'X-A|pi-Key', 'X-A|PI-Key', 'X-A|PI-KEY'],
    /((?:authorization|x-api-key)["']?[ \t]{0,4}[:=][ \t]{0,4}["']?(?:(?:bearer|basic|token|digest|negotiate)[ \t]{1,4})?)(?!(?:bearer|basic|token|digest|negotiate)\b)[^\s"',;$<{[(%*][^\s"',;\u2039]{7,4000}/i,
  ),
  rule(
    'password',
    ['passwo|rd=', 'Passwo|rd=', 'PASSWO|RD=', 'pass|wd=', 'Pass|wd=', 'PASS|WD=', 'p|wd=', 'P|WD=', '--password ', '--passwd '],
    /((?:password=|passwd=|(?<![a-z])pwd=|--password |--passwd )["']?)(?!\w{0,40}\(|process\.|os\.|import\.|this\.|self\.|config\.|(?:null|true|false|none|undefined|string)\b)[^\s"'&,;$<{[(%*/.:~\\-][^\s"'&,;\u2039]{5,500}/i,
  ),
  rule(
    'password',
    ['rd"', "rd'", 'rd: ', 'wd"', "wd'", 'wd: '].flatMap((end) => [
      `pass${end.startsWith('r') ? 'wo' : ''}|${end}`,
      `Pass${end.startsWith('r') ? 'wo' : ''}|${end}`,
    ]),
    /((?:password|passwd)["']?[ \t]{0,4}:[ \t]{0,4}["'])[^\s"'$<{%*][^"'\r\n\u2039]{5,500}(?=["'])/i,
  ),
  rule(
    'env-secret',
    ['SECRET', 'TOKEN', 'API_KEY', 'APIKEY', 'ACCESS_KEY', 'PRIVATE_KEY'],
    /((?:SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY)[A-Z0-9_]{0,20}=["']?)(?!process\.|os\.|import\.)[^\s"'&,;$<{[(%*/.~\\][^\s"'&,;(\u2039]{7,500}(?![(\w])/,
  ),
  { anchors: ['-----BEGIN '], at: privateKeyAt },
];

/** How our own mark begins, in text and byte by byte: what was redacted before stays as it is. */
const markInText = '‹redacted:';
const markInBytes = '\xe2\x80\xb9redacted:';

const anchorChars = 3;
/** Of the last three characters: five bits of shift drop the fourth. */
const nextHash = (hash: number, code: number): number => ((hash << 5) ^ code) & 0x7fff;
const anchorAt = new Uint8Array(0x8000);
const anchorsOf = new Map<number, { readonly text: string; readonly before: number; readonly rule: Rule }[]>();

for (const each of rules) {
  for (const anchor of each.anchors) {
    const before = Math.max(0, anchor.indexOf('|'));
    const text = anchor.slice(anchor.indexOf('|') + 1);
    const hash = Array.from(text.slice(0, anchorChars)).reduce((sum, char) => nextHash(sum, char.charCodeAt(0)), 0);
    anchorAt[hash] = 1;
    anchorsOf.set(hash, [...(anchorsOf.get(hash) ?? []), { text, before, rule: each }]);
  }
}
