/** A duration as people read it: 0.4 s, 12 s. */
export const span = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);
