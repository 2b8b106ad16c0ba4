/** A place where a secret stands. */
export type Span = {
  readonly from: number;
  readonly to: number;
  /** Where the evidence for it begins: the `password=` before the value. A cut between the two would hide it. */
  readonly needsFrom: number;
  /** Lower case, part of the mark that replaces it. */
  readonly kind: string;
  /** The registered value, so that all its encodings get the same mark; null for what a pattern found. */
  readonly secret: string | null;
};

/** Spans in order, overlapping ones made one: what any rule calls secret is taken out whole. A registered value gives its name. */
export function mergeSpans(spans: Span[]): readonly Span[] {
  if (spans.length < 2) return spans;
  spans.sort((a, b) => a.from - b.from || b.to - a.to);
  const merged: Span[] = [];
  for (const span of spans) {
    const last = merged[merged.length - 1];
    if (last === undefined || span.from >= last.to) merged.push(span);
    else merged[merged.length - 1] = unionOf(last, span);
  }
  return merged;
}

const unionOf = (a: Span, b: Span): Span => {
  const named = a.secret === null && b.secret !== null ? b : a;
  return { from: a.from, to: Math.max(a.to, b.to), needsFrom: Math.min(a.needsFrom, b.needsFrom), kind: named.kind, secret: named.secret };
};
