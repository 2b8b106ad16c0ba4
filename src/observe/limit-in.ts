export type Limits = { readonly usual: number; readonly most: number };

/** How many rows are asked for; as text: why that cannot be. */
export function limitIn(query: URLSearchParams, { usual, most }: Limits): number | string {
  const limit = Number(query.get('limit') ?? usual);
  if (Number.isInteger(limit) && limit >= 1 && limit <= most) return limit;
  return `limit must be a whole number from 1 to ${most}, got ${query.get('limit')}`;
}
