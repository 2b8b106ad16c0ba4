import type { ControlReply } from '../../src/core/control.ts';
import type { ProcessId } from '../../src/core/entry.ts';
import type { Says } from '../../src/core/words.ts';
import type { AgentEnd, AgentPlace } from './agents.ts';
import type { Timeline } from './clock.ts';

/**
 * All that happened in one simulation, in order. Kept as lines when somebody wants to read it, and always as one number,
 * so that two runs of a seed can be compared.
 */
export class History {
  readonly lines: string[] = [];
  digest = 0;
  count = 0;
  readonly #timeline: Timeline;
  readonly #keep: boolean;

  constructor(timeline: Timeline, keep: boolean) {
    this.#timeline = timeline;
    this.#keep = keep;
  }

  /** For the eyes of a reader only. */
  aside(who: string, what: string): void {
    if (this.#keep) this.lines.push(`${(this.#timeline.nowMs / 1000).toFixed(3).padStart(10)}    (${who} ${what})`);
  }

  note(who: string, what: string, detail = ''): void {
    const line = `${who} ${what} ${detail}`;
    let digest = this.digest ^ Math.floor(this.#timeline.nowMs);
    for (let index = 0; index < line.length; index++) digest = (Math.imul(digest, 31) + line.charCodeAt(index)) | 0;
    this.digest = digest;
    this.count++;
    if (this.#keep) this.lines.push(`${(this.#timeline.nowMs / 1000).toFixed(3).padStart(10)}  ${line}`);
  }
}

/** What really happened to the runs, as nature knows it and no daemon does. */
export class Truth {
  readonly runs = new Map<string, RunTruth>();
  /** Requests by people, in the order in which they were made. */
  readonly asked: Asked[] = [];
  readonly checks: CheckRun[] = [];
  /** Runs by hand that the legacy marker could mean when somebody wrote it. */
  readonly legacySaid = new Set<string>();
  readonly #timeline: Timeline;
  readonly #history: History;

  constructor(timeline: Timeline, history: History) {
    this.#timeline = timeline;
    this.#history = history;
  }

  run(runId: string): RunTruth {
    let run = this.runs.get(runId);
    if (run === undefined) {
      run = { begun: [], ends: [], said: [], printed: [], lastWriteMs: -1, lastSignMs: -1, turnedMs: -1 };
      this.runs.set(runId, run);
    }
    return run;
  }

  began(place: AgentPlace, process: ProcessId): void {
    this.run(place.runId).begun.push({ atMs: this.#timeline.nowMs, round: place.round, process });
    this.#history.note('agent', 'began', `${place.runId} round ${place.round}`);
  }

  ended(runId: string, how: AgentEnd): void {
    this.run(runId).ends.push({ atMs: this.#timeline.nowMs, how });
    this.#history.note('agent', 'ended', `${runId} ${how.kind === 'code' ? how.code : how.osSignal}`);
  }

  printed(runId: string, line: string): void {
    this.run(runId).printed.push(line);
    this.sign(runId);
  }

  /** Something by which progress can be seen. */
  sign(runId: string): void {
    this.run(runId).lastSignMs = this.#timeline.nowMs;
  }

  wrote(todoId: string, runId: string): void {
    this.run(runId).lastWriteMs = this.#timeline.nowMs;
    this.#history.note('agent', 'wrote', `${todoId} ${runId}`);
  }

  /** Once when it can be seen, once more when no power loss takes it away. */
  said(runId: string, says: Says | null, durable: boolean): void {
    const run = this.run(runId);
    run.lastSignMs = this.#timeline.nowMs;
    if (durable) {
      const last = run.said.at(-1);
      if (last !== undefined) last.durableAtMs = this.#timeline.nowMs;
    } else if (says !== null) run.said.push({ says, atMs: this.#timeline.nowMs, durableAtMs: null });
    this.#history.note('agent', durable ? 'word is durable' : 'said', `${runId} ${says}`);
  }

  told(runId: string, reply: ControlReply | null): void {
    this.#history.note(
      'agent',
      'was told',
      `${runId} ${reply === null ? 'nothing' : reply.ok ? (reply.kind === 'verdict' ? reply.verdict : reply.kind) : reply.code}`,
    );
  }
}

export type RunTruth = {
  readonly begun: { readonly atMs: number; readonly round: number; readonly process: ProcessId }[];
  readonly ends: { readonly atMs: number; readonly how: AgentEnd }[];
  /** Words with the right token in a whole marker. */
  readonly said: { readonly says: Says; readonly atMs: number; durableAtMs: number | null }[];
  readonly printed: string[];
  lastSignMs: number;
  /** When it was last told to go on: a word from before is no word about what came after. */
  turnedMs: number;
  lastWriteMs: number;
};

export type Asked = { readonly what: string; readonly todoId: string; readonly atMs: number; reply: ControlReply | null };

export type CheckRun = {
  readonly todoId: string;
  readonly command: string;
  readonly startedMs: number;
  endedMs: number | null;
  /** Exit code 0, in time. */
  passed: boolean;
  /** Processes of the todo's runs that lived when it started. */
  readonly writers: readonly string[];
};
