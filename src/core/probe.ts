/** What a health endpoint said, or why it said nothing. `late` is slowness and may be load; `none` is a refusal (refused, reset, no such host). */
export type ProbeAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** Media type without parameters, lower case. */
      readonly mediaType: string;
      /** At most its first 64 KiB. */
      readonly body: string;
      readonly tookMs: number;
    }
  | { readonly kind: 'late'; readonly why: string; readonly tookMs: number }
  | { readonly kind: 'none'; readonly why: string; readonly tookMs: number };

/** One question to a health endpoint, answered within `timeoutMs` by the monotonic clock; never rejects. */
export type HttpProbe = (url: string, timeoutMs: number) => Promise<ProbeAnswer>;
