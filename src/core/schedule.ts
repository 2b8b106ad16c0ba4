import { isObject, parsedJson } from './shape.ts';

/** Words of a person that may be put off. `park --in` means something else: when the todo comes back. */
export const scheduledVerbs = ['done', 'fail', 'block', 'release', 'cancel'] as const;
export type ScheduledVerb = (typeof scheduledVerbs)[number];

/**
 * A person's word that counts at a time to come. It stands in the journal of the home where it was said, and the daemon of that home says it:
 * there are the working directory and whoever runs the checks. One a todo; a later one takes its place.
 */
export type Scheduled = {
  /** UUIDv7; whatever comes of it names it, so that it is done once. */
  readonly id: string;
  readonly todoId: string;
  readonly verb: ScheduledVerb;
  readonly summary: string | null;
  readonly reason: string | null;
  readonly force: boolean;
  /** When it is said, if a daemon lives then; else as soon as one does. UTC milliseconds. */
  readonly atMs: number;
  readonly saidAtMs: number;
};

const prefix = 'scheduled:';

/** Where the journal keeps it. */
export const scheduleKey = (todoId: string): string => `${prefix}${todoId}`;
export const scheduleKeys = prefix;

/** Null: not ours, or of a program that knew something else. */
export function parseScheduled(text: string): Scheduled | null {
  const found = parsedJson(text);
  if (!isObject(found) || typeof found['id'] !== 'string' || typeof found['atMs'] !== 'number') return null;
  return (scheduledVerbs as readonly unknown[]).includes(found['verb']) ? (found as Scheduled) : null;
}

/** Who made a change, as the history tells it. */
export const bySchedule = ({ id }: Pick<Scheduled, 'id'>): string => `person, scheduled ${id}`;
