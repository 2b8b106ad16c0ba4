import type { Marker } from '../core/marker.ts';
import { markerBytesMax, parseMarker } from '../core/marker.ts';
import type { World } from '../world.ts';

type Needs = Pick<World, 'files' | 'digest' | 'clock' | 'log'> & { readonly home: Pick<World['home'], 'spool'> };

/** What the caller knows about the run that a marker names. */
export type Standing =
  /** Live and ours: the token's digest decides. */
  | { readonly kind: 'ours'; readonly tokenSha256: string }
  /** Live, but another process of this home takes its markers. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'unknown' };

export type Taken = { readonly marker: Marker; readonly path: string; readonly sha256: string; readonly writtenAtMs: number };

/** A marker cut short may still be growing; older than this it is bad. */
const tornAgeMaxMs = 5000;
const namePattern = /^[A-Za-z0-9-]{1,80}\.[A-Za-z0-9-]{1,80}(\.hook)?$/;

/**
 * One whole look at the spool: every marker that fits a live run of ours is claimed by rename and handed over;
 * bad, forged and late ones go to quarantine with the reason beside them; what is not ours to judge stays.
 */
export function scanSpool(
  standingOf: (runId: string) => Standing,
  needs: Needs,
): { readonly taken: readonly Taken[]; readonly lookAgainAtMs: number } {
  const { files, home } = needs;
  const taken: Dated[] = [];
  let lookAgainAtMs = Number.POSITIVE_INFINITY;
  for (const name of files.list(home.spool.new)) {
    const path = `${home.spool.new}/${name}`;
    const found = files.readGuarded(path, markerBytesMax);
    if (found === null) continue;
    const ageMs = needs.clock.nowMs() - found.stat.mtimeMs;
    const verdict = judge(name, found.bytes, standingOf, needs.digest);
    if (verdict.kind === 'leave') continue;
    if (verdict.kind === 'wait' && ageMs < tornAgeMaxMs && ageMs >= 0) {
      lookAgainAtMs = Math.min(lookAgainAtMs, found.stat.mtimeMs + tornAgeMaxMs);
      continue;
    }
    if (verdict.kind !== 'take') {
      quarantine(path, name, verdict.why, needs);
      continue;
    }
    const claimed = `${home.spool.cur}/${name}`;
    if (files.rename(path, claimed)) taken.push(dated(verdict, claimed, found.stat.mtimeMs));
  }
  return { taken: inOrder(taken), lookAgainAtMs };
}

/** Markers that were claimed before a crash: those of live runs are handed over again, those of ended runs have nothing more to say. */
export function rescanClaimed(standingOf: (runId: string) => Standing, needs: Needs): readonly Taken[] {
  const { files, home } = needs;
  const taken: Dated[] = [];
  for (const name of files.list(home.spool.cur)) {
    const path = `${home.spool.cur}/${name}`;
    const found = files.readGuarded(path, markerBytesMax);
    if (found === null) continue;
    const verdict = judge(name, found.bytes, standingOf, needs.digest);
    if (verdict.kind === 'take') taken.push(dated(verdict, path, found.stat.mtimeMs));
    else if (verdict.kind !== 'leave') quarantine(path, name, verdict.why, needs);
  }
  return inOrder(taken);
}

type Dated = { readonly taken: Taken; readonly mtimeMs: number };

const dated = ({ marker, sha256 }: Extract<Judged, { kind: 'take' }>, path: string, mtimeMs: number): Dated => ({
  taken: { marker, path, sha256, writtenAtMs: Math.round(mtimeMs) },
  mtimeMs,
});

/** The first word stands, so what one look finds is heard in the order in which it was written: names are chance. */
const inOrder = (found: readonly Dated[]): readonly Taken[] => found.toSorted((a, b) => a.mtimeMs - b.mtimeMs).map(({ taken }) => taken);

type Judged =
  | { kind: 'take'; marker: Marker; sha256: string }
  | { kind: 'bad'; why: string }
  | { kind: 'wait'; why: string }
  | { kind: 'leave' };

function judge(name: string, bytes: Uint8Array | null, standingOf: (runId: string) => Standing, digest: World['digest']): Judged {
  if (bytes === null) return { kind: 'bad', why: 'not a regular file of at most 64 KiB' };
  if (!namePattern.test(name)) return { kind: 'wait', why: 'not a marker by its name' };
  const parsed = parseMarker(bytes, digest.sha256);
  if ('bad' in parsed) return parsed.torn ? { kind: 'wait', why: parsed.bad } : { kind: 'bad', why: parsed.bad };
  const { marker } = parsed;
  const standing = standingOf(marker.runId);
  switch (standing.kind) {
    case 'ours':
      if (digest.sha256(marker.token) !== standing.tokenSha256)
        return { kind: 'bad', why: 'the token is not that of this run: forged or foreign' };
      return { kind: 'take', marker, sha256: digest.sha256(bytes) };
    case 'elsewhere':
      return { kind: 'leave' };
    case 'closed':
      return { kind: 'bad', why: 'late: this run has ended, nothing was changed' };
    case 'unknown':
      return { kind: 'bad', why: 'no run of this home' };
    default:
      return standing satisfies never;
  }
}

/** Out of the way, kept whole, with the reason beside it; never guessed at. */
function quarantine(path: string, name: string, why: string, { files, clock, log, home }: Needs): void {
  const safe = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 160);
  const target = `${home.spool.bad}/${clock.nowMs()}.${safe}`;
  files.write(`${target}.reason`, `${why}\n`);
  if (files.rename(path, target)) log.warn('completion', 'marker quarantined', { marker: name, why, at: target });
}
