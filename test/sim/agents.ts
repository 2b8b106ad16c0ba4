import type { Says } from '../../src/core/words.ts';
import type { Machine } from './machine.ts';
import type { SimProcess } from './processes.ts';

/** What an agent does, one after the other. A scripted stand-in for Claude, a shell command, or something worse. */
export type Act =
  /** The program is not there. Only as the first act. */
  | { readonly do: 'spawn-error' }
  | { readonly do: 'work'; readonly ms: number }
  | { readonly do: 'print'; readonly text: string }
  | { readonly do: 'progress' }
  | { readonly do: 'cpu'; readonly ms: number }
  /** Changes the working directory so that its checks pass, or not. */
  | { readonly do: 'mend'; readonly good: boolean }
  | { readonly do: 'say'; readonly says: Says; readonly how: MarkerKind; readonly summary?: string; readonly inMs?: number }
  /** Reports an event as `todo hook` does; `ask` waits for the verdict on the socket as the Stop hook may. */
  | { readonly do: 'hook'; readonly event: string; readonly payload: unknown; readonly ask: boolean }
  | { readonly do: 'exit'; readonly code: number }
  /** Killed: the shell around it sees it and writes it down. */
  | { readonly do: 'die'; readonly osSignal: string }
  /** Agent and shell vanish at once: nothing is written. */
  | { readonly do: 'vanish' }
  /** The shell vanishes, the agent goes on. */
  | { readonly do: 'orphan' }
  | { readonly do: 'hang' }
  /** TERM is not heard from now on. */
  | { readonly do: 'deaf' }
  /** A child of a session of its own writes on for so long. */
  | { readonly do: 'fork'; readonly ms: number }
  /** Waits at its prompt; what is typed there starts the next round. */
  | { readonly do: 'listen' };

export type MarkerKind = 'valid' | 'twice' | 'torn' | 'growing' | 'forged' | 'foreign-run' | 'unsynced';
export type AgentScript = { readonly acts: readonly Act[] };

export type AgentEnd = { readonly kind: 'code'; readonly code: number } | { readonly kind: 'signal'; readonly osSignal: string };

export type Agent = {
  onEnd: (how: AgentEnd) => void;
  begin(): void;
  /** Somebody types into its window. */
  hear(text: string): void;
};

export type AgentPlace = {
  readonly todoId: string;
  readonly runId: string;
  readonly round: number;
  readonly token: string;
  readonly outputPath: string;
  readonly folder: string;
  readonly window: string | null;
};

export function createAgent(machine: Machine, script: AgentScript, place: AgentPlace): Agent {
  const { timeline, processes, truth } = machine;
  let gone = false;
  let deaf = false;
  let round = place.round;
  let heard: ((text: string) => void) | null = null;
  const files = machine.disk.files(machine.agentActor(place.runId));

  const process: SimProcess = {
    id: processes.newId(),
    tag: place.runId,
    kind: 'agent',
    window: place.window,
    cpuMs: 0,
    cut() {
      gone = true;
    },
    signal(name) {
      if (name === 'SIGTERM' && deaf) return;
      timeline.after(name === 'SIGKILL' ? 0 : machine.dice.int(0, 200), () => finish({ kind: 'signal', osSignal: name }));
      if (name === 'SIGKILL') finish({ kind: 'signal', osSignal: name });
    },
  };

  const agent: Agent = {
    onEnd: () => {},
    begin() {
      processes.register(process);
      const window = place.window === null ? null : processes.window(place.window);
      if (window !== null) window.agent = agent;
      truth.began(place, process.id);
      void perform(script.acts);
    },
    hear(text) {
      heard?.(text);
    },
  };

  function finish(how: AgentEnd): void {
    if (gone) return;
    gone = true;
    processes.remove(process);
    truth.ended(place.runId, how);
    agent.onEnd(how);
    machine.onProcessEnd();
  }

  async function perform(acts: readonly Act[]): Promise<void> {
    for (const act of acts) {
      await one(act);
      if (gone) return;
    }
    finish({ kind: 'code', code: 0 });
  }

  async function one(act: Act): Promise<void> {
    switch (act.do) {
      case 'spawn-error':
        return finish({ kind: 'code', code: 127 });
      case 'work':
        return timeline.sleep(act.ms);
      case 'print':
        if (machine.tryAsAgent(() => files.append(place.outputPath, `${act.text}\n`))) truth.printed(place.runId, act.text);
        return truth.wrote(place.todoId, place.runId);
      case 'progress':
        if (machine.tryAsAgent(() => files.write(`${place.folder}/progress`, ''))) truth.sign(place.runId);
        return;
      case 'cpu':
        process.cpuMs += act.ms;
        if (act.ms >= 1000) truth.sign(place.runId);
        return;
      case 'mend':
        machine.workspace(place.todoId).good = act.good;
        return truth.wrote(place.todoId, place.runId);
      case 'say':
        return say(act);
      case 'hook':
        return hook(act);
      case 'exit':
        return finish({ kind: 'code', code: act.code });
      case 'die':
        return finish({ kind: 'signal', osSignal: act.osSignal });
      case 'vanish':
        for (const other of processes.tagged(place.runId)) if (other.kind === 'shell') processes.remove(other);
        return finish({ kind: 'signal', osSignal: 'SIGKILL' });
      case 'orphan':
        for (const other of processes.tagged(place.runId)) if (other.kind === 'shell') processes.remove(other);
        return machine.onProcessEnd();
      case 'hang':
        return new Promise(() => {});
      case 'deaf':
        deaf = true;
        return;
      case 'fork':
        return fork(act.ms);
      case 'listen':
        await new Promise<void>((resolve) => {
          heard = () => resolve();
        });
        heard = null;
        return nextRound();
      default:
        return act satisfies never;
    }
  }

  /** What it was told to mend comes in as one more round of its script. */
  async function nextRound(): Promise<void> {
    if (gone) return;
    round++;
    truth.run(place.runId).turnedMs = timeline.nowMs;
    await perform(machine.scriptFor(place.todoId, place.runId, round).acts);
  }

  /** The steps of hooks/mark-done, a moment apart, so that the power may go between any two. */
  async function say(act: Extract<Act, { do: 'say' }>): Promise<void> {
    const fields = {
      v: 1,
      todo: place.todoId,
      run: act.how === 'foreign-run' ? machine.dice.split('foreign').next().toString(36) : place.runId,
      token: act.how === 'forged' ? 'not-the-token' : place.token,
      says: act.says,
      ...(act.summary === undefined ? {} : { summary: act.summary }),
      ...(act.inMs === undefined ? {} : { notBeforeMs: machine.wallMs() + act.inMs }),
    };
    const counts = act.how !== 'forged' && act.how !== 'foreign-run' && act.how !== 'torn';
    const times = act.how === 'twice' ? 2 : 1;
    for (let time = 0; time < times && !gone; time++) await deliver(fields, '', act.how, counts ? act.says : null);
  }

  async function hook(act: Extract<Act, { do: 'hook' }>): Promise<void> {
    const { event, payload } = act;
    await deliver(
      {
        v: 1,
        kind: 'hook',
        todo: place.todoId,
        run: place.runId,
        token: place.token,
        agent: machine.agentOf(place.todoId),
        event,
        payload,
      },
      '.hook',
      'valid',
      null,
    );
    if (gone || !act.ask) return;
    const reply = await machine.ask({ op: 'verdict', runId: place.runId, token: place.token, round, waitMs: 540_000 });
    if (gone) return;
    truth.told(place.runId, reply);
    if (reply?.ok && reply.kind === 'verdict' && reply.verdict === 'sent-back') await nextRound();
  }

  async function deliver(fields: Record<string, unknown>, suffix: string, how: MarkerKind, says: Says | null): Promise<void> {
    const line = JSON.stringify(fields);
    const name = `${place.runId}.${machine.uuid()}${suffix}`;
    const { tmp, new: inbox } = machine.home.spool;
    const whole = `${line}\nsha256 ${machine.sha256(line)} ${Buffer.byteLength(line)}\n`;
    if (how === 'torn' || how === 'growing') {
      const half = whole.slice(0, machine.dice.int(0, whole.length - 2));
      machine.tryAsAgent(() => files.write(`${inbox}/${name}`, half));
      if (how === 'torn') return;
      await timeline.sleep(machine.dice.int(1, 4000));
      if (gone) return;
      // It grew in place; whoever judged it before had to wait.
      if (files.stat(`${inbox}/${name}`) !== null) {
        // A disk that is full leaves the half, and half a word is none.
        if (machine.tryAsAgent(() => files.write(`${inbox}/${name}`, whole))) truth.said(place.runId, says, false);
      }
      return;
    }
    // A full disk is no reason to lose a word: mark-done is called again.
    while (!gone && !machine.tryAsAgent(() => files.write(`${tmp}/${name}`, whole))) await timeline.sleep(5000);
    await timeline.sleep(1);
    if (gone) return;
    if (how !== 'unsynced') files.sync(`${tmp}/${name}`);
    await timeline.sleep(1);
    if (gone || files.stat(`${tmp}/${name}`) === null) return;
    files.link(`${tmp}/${name}`, `${inbox}/${name}`);
    truth.sign(place.runId);
    if (says !== null) truth.said(place.runId, says, false);
    machine.onSpool();
    await timeline.sleep(1);
    if (gone || how === 'unsynced') return;
    files.syncFolder(inbox);
    if (says !== null) truth.said(place.runId, says, true);
    files.unlink(`${tmp}/${name}`);
  }

  function fork(ms: number): void {
    const child: SimProcess = {
      id: processes.newId(),
      tag: place.runId,
      kind: 'child',
      cpuMs: 0,
      cut() {},
      signal: () => processes.remove(child),
    };
    processes.register(child);
    const write = (): void => {
      if (processes.isAlive(child.id)) truth.wrote(place.todoId, place.runId);
    };
    timeline.after(ms / 2, write);
    timeline.after(ms, () => {
      write();
      processes.remove(child);
    });
  }

  return agent;
}
