import type { Verdict } from './verdict.ts';

/** `isLate`: it was told as bad already, and only a good answer is news. */
type Sent = { readonly atMs: number; verdict: Verdict | null; isLate: boolean };

/** The probes that are under way: one at a time, and where that is late another one beside it. Times are of the monotonic clock. */
export function createAsking(look: () => Promise<Verdict>, lateMs: number, ring: () => void) {
  let open: Sent[] = [];
  return {
    send(nowMs: number): void {
      const sent: Sent = { atMs: nowMs, verdict: null, isLate: false };
      open.push(sent);
      void look().then((verdict) => {
        sent.verdict = verdict;
        ring();
      });
    },
    /** What has been said since the last call, silence included; each probe is bad once at most. */
    heard(nowMs: number): readonly Verdict[] {
      const news = open.flatMap((sent): Verdict[] => {
        if (sent.verdict !== null) return sent.isLate && sent.verdict.kind !== 'good' ? [] : [sent.verdict];
        if (sent.isLate || nowMs - sent.atMs < lateMs) return [];
        sent.isLate = true;
        return [{ kind: 'soft', why: `no answer for ${Math.round((nowMs - sent.atMs) / 100) / 10} s` }];
      });
      open = open.filter(({ verdict }) => verdict === null);
      return news;
    },
    mayAsk: (): boolean => open.every(({ isLate }) => isLate),
  };
}
