/** A list of which only the lines in sight are made. All lines are of one height, but for one that may be opened. */
export type Windowed = {
  readonly count: number;
  readonly lineHeight: number;
  readonly opened: { readonly index: number; readonly extra: number } | null;
};

/** Above and below what is in sight, so that a quick scroll finds lines. */
const spare = 12;

export const topOf = (index: number, { lineHeight, opened }: Windowed): number =>
  index * lineHeight + (opened !== null && index > opened.index ? opened.extra : 0);

export const heightOf = (list: Windowed): number => topOf(list.count, list);

/** From and to (not with it) of the lines to make, for what is in sight between two heights within the list. */
export function linesInSight(list: Windowed, sight: { readonly top: number; readonly bottom: number }): { from: number; to: number } {
  const extra = list.opened?.extra ?? 0;
  const from = Math.floor((sight.top - extra) / list.lineHeight) - spare;
  const to = Math.ceil(sight.bottom / list.lineHeight) + spare;
  const within = (index: number): number => Math.max(0, Math.min(list.count, index));
  return { from: within(from), to: within(to) };
}
