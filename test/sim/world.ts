import { hash } from 'node:crypto';
import type { ProcessId } from '../../src/core/entry.ts';
import { OperationalError } from '../../src/core/errors.ts';
import type { Clock, Digest, Files, Journal, Log, Network, Random, Store, World } from '../../src/world.ts';
import { journalOf } from './journal.ts';
import type { Machine } from './machine.ts';
import { uuidFrom } from './machine.ts';
import { processesOf, terminalsOf } from './processes.ts';
import type { Dice } from './random.ts';
import { resourcesOf } from './resources.ts';

/** Thrown out of the call in which a process dies, and out of every later one: nothing that it still does can have an effect. */
export class Crashed extends Error {
  constructor() {
    super('this process is dead');
    this.name = 'Crashed';
  }
}

/** Where a process dies: at the n-th call that fits, before its effect, half-way, or after it. */
export type CrashPlan = {
  readonly calls: number;
  /** Any call, any that changes something, or one of that name. */
  readonly of: 'change' | 'any' | `${string}.${string}`;
  readonly when: 'before' | 'half' | 'after';
  readonly kind: 'process' | 'power';
};

/** The name of a crash that began in another process. */
export const elsewhere = 'elsewhere';

export type Crash = { readonly kind: CrashPlan['kind']; readonly at: string };

/** The world as one process sees it, until it dies. */
export class ProcessWorld {
  readonly world: World;
  readonly id: ProcessId;
  dead = false;
  /** Calls made so far, for effort bounds. */
  readonly calls: Record<string, number>;
  readonly #machine: Machine;
  readonly #dice: Dice;
  readonly #onDeath: (crash: Crash) => void;
  /** A line that no run of this program may ever write. */
  onDefect: (text: string) => void = () => {};
  /** Told before each call through the door; whoever hears it may let the process die. */
  onCall: ((name: string) => void) | null = null;
  #plan: CrashPlan | null;
  #left: number;
  #pausedUntilMs = 0;

  /** `inPlace`: it goes on as that process, by execve. */
  constructor(
    machine: Machine,
    store: Store,
    plan: CrashPlan | null,
    calls: Record<string, number>,
    onDeath: (crash: Crash) => void,
    inPlace: ProcessId | null = null,
  ) {
    this.calls = calls;
    this.#machine = machine;
    this.id = inPlace ?? machine.processes.newId();
    this.#dice = machine.dice.split(inPlace === null ? `process ${this.id.pid}` : `process ${this.id.pid} at ${machine.timeline.nowMs}`);
    this.#plan = plan;
    this.#left = plan?.calls ?? 0;
    this.#onDeath = onDeath;
    this.world = this.#build(store);
    machine.processes.register({ id: this.id, tag: null, kind: 'daemon', cpuMs: 0, signal: () => {}, cut: () => this.#cut() });
  }

  /** SIGKILL from outside, or the power. */
  die(kind: Crash['kind'], at: string): void {
    if (this.dead) return;
    this.quit();
    this.#onDeath({ kind, at });
  }

  /** Gives way to another image in the same process: whoever looks sees it alive. */
  giveWay(): void {
    this.#end();
  }

  /** Ends by itself. */
  quit(): void {
    this.#end();
    const self = this.#machine.processes.living.find((process) => process.id.pid === this.id.pid);
    if (self !== undefined) this.#machine.processes.remove(self);
  }

  #end(): void {
    this.dead = true;
  }

  /** Somebody else's crash took the power away. */
  #cut(): void {
    if (this.dead) return;
    this.#end();
    this.#onDeath({ kind: 'power', at: elsewhere });
  }

  /** Nothing of it runs before then. */
  pauseUntil(ms: number): void {
    this.#pausedUntilMs = ms;
  }

  /** Runs later, unless the process is dead by then; a stopped one does it when it goes on. */
  schedule = (ms: number, act: () => void): void => {
    this.#machine.timeline.after(ms, () => this.#whenAwake(act));
  };

  #whenAwake(act: () => void): void {
    if (this.dead) return;
    if (this.#machine.timeline.nowMs < this.#pausedUntilMs) this.#machine.timeline.at(this.#pausedUntilMs, () => this.#whenAwake(act));
    else act();
  }

  /** Whether this very call is the one in which the process dies. */
  #fate(name: string, change: boolean): CrashPlan | null {
    this.calls[name] = (this.calls[name] ?? 0) + 1;
    this.onCall?.(name);
    const plan = this.#plan;
    if (plan === null || (plan.of === 'change' ? !change : plan.of !== 'any' && plan.of !== name) || --this.#left > 0) return null;
    this.#plan = null;
    return plan;
  }

  #sync<T>(name: string, change: boolean, effect: (half: boolean) => T): T {
    if (this.dead) throw new Crashed();
    const fate = this.#fate(name, change);
    if (this.dead) throw new Crashed();
    if (fate === null) return effect(false);
    try {
      if (fate.when !== 'before') effect(fate.when === 'half');
    } finally {
      this.die(fate.kind, `${name}:${fate.when}`);
    }
    throw new Crashed();
  }

  #async<T>(name: string, change: boolean, effect: () => Promise<T>): Promise<T> {
    if (this.dead) return never();
    const fate = this.#fate(name, change);
    if (this.dead) return never();
    const die = (): void => this.die(fate?.kind ?? 'process', `${name}:${fate?.when}`);
    if (fate?.when === 'before') {
      die();
      return never();
    }
    const answer = effect();
    if (fate !== null) {
      answer.then(die, die);
      return never();
    }
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.#whenAwake(() => resolve(value)),
        (error: unknown) => this.#whenAwake(() => reject(error)),
      );
    });
  }

  #build(store: Store): World {
    const machine = this.#machine;
    return {
      clock: this.#clock(),
      random: randomOf(machine, this.#dice),
      digest,
      files: this.#files(),
      processes: this.#processes(),
      terminals: this.#terminals(),
      resources: this.#resources(),
      journal: this.#journal(),
      store: this.#store(store),
      network: this.#network(),
      log: this.#log(),
      host: machine.host,
      home: machine.home,
    };
  }

  #clock(): Clock {
    const { timeline, rate } = this.#machine;
    return {
      nowMs: () => this.#machine.wallMs(),
      monotonicMs: () => this.#machine.monotonicMs(),
      sleep: (ms, stop) =>
        new Promise((resolve) => {
          if (this.dead) return;
          this.calls['clock.sleep'] = (this.calls['clock.sleep'] ?? 0) + 1;
          if (stop?.aborted) return resolve();
          let takeBack = (): void => {};
          const abort = (): void => {
            takeBack();
            if (!this.dead) resolve();
          };
          stop?.addEventListener('abort', abort, { once: true });
          // As setTimeout: never less than a millisecond, and not longer than a month.
          takeBack = timeline.after(Math.max(1, Math.min(ms, 2 ** 31 - 1)) / rate, () =>
            this.#whenAwake(() => {
              stop?.removeEventListener('abort', abort);
              resolve();
            }),
          );
        }),
    };
  }

  #files(): Files {
    const machine = this.#machine;
    const disk = machine.disk;
    const files = disk.files({ kind: 'daemon', name: machine.name, uid: machine.host.uid });
    const look =
      <A extends unknown[], T>(name: string, effect: (...args: A) => T) =>
      (...args: A): T =>
        this.#sync(`files.${name}`, false, () => effect(...args));
    const change =
      <A extends unknown[], T>(name: string, effect: (...args: A) => T) =>
      (...args: A): T =>
        this.#sync(`files.${name}`, true, () => effect(...args));
    return {
      read: look('read', (path) => files.read(path)),
      readText: look('readText', (path) => files.readText(path)),
      readRange: look('readRange', (path, from, length) => files.readRange(path, from, length)),
      readGuarded: look('readGuarded', (path, max) => files.readGuarded(path, max)),
      stat: look('stat', (path) => files.stat(path)),
      list: look('list', (folder) => files.list(folder)),
      write: (path, content, mode) => this.#sync('files.write', true, (half) => files.write(path, half ? halfOf(content) : content, mode)),
      create: (path, content, mode) =>
        this.#sync('files.create', true, (half) => files.create(path, half ? halfOf(content) : content, mode)),
      append: (path, content) =>
        this.#sync('files.append', true, (half) => files.append(path, half ? content.slice(0, content.length >> 1) : content)),
      sync: change('sync', (path) => {
        const trouble = machine.faults.syncTrouble();
        if (trouble !== null) {
          const node = disk.file(path);
          // The kernel drops the pages' mark: a second sync would say yes to nothing.
          if (node !== null && trouble === 'io') node.dirty = false;
          throw new OperationalError(trouble === 'full' ? 'DISK_FULL' : 'FILE_UNWRITABLE', {
            operation: 'syncing',
            subject: path,
            why: 'simulated',
          });
        }
        files.sync(path);
      }),
      syncFolder: change('syncFolder', (path) => {
        if (machine.faults.syncTrouble() !== null)
          throw new OperationalError('FILE_UNWRITABLE', { operation: 'syncing', subject: path, why: 'simulated' });
        files.syncFolder(path);
      }),
      rename: change('rename', (from, to) => files.rename(from, to)),
      link: change('link', (from, to) => files.link(from, to)),
      unlink: change('unlink', (path) => files.unlink(path)),
      makeFolder: change('makeFolder', (path) => files.makeFolder(path)),
      claimFolder: change('claimFolder', (path) => files.claimFolder(path)),
      copy: change('copy', (from, to) => files.copy(from, to)),
      removeTree: (path) =>
        this.#sync('files.removeTree', true, (half) => {
          if (!half) return files.removeTree(path);
          const steps = [...files.removals(path)];
          for (const step of steps.slice(0, this.#dice.int(0, steps.length))) step();
        }),
      freeBytes: look('freeBytes', () => files.freeBytes()),
    };
  }

  #processes(): World['processes'] {
    const port = processesOf(this.#machine, this.id, this.schedule);
    return {
      self: () => port.self(),
      start: (plan) => this.#sync('processes.start', true, () => port.start(plan)),
      run: (plan, stop) => this.#async('processes.run', true, () => port.run(plan, stop)),
      alive: (id) => this.#sync('processes.alive', false, () => port.alive(id)),
      ofHome: (root) => this.#sync('processes.ofHome', false, () => port.ofHome(root)),
      tagged: (name, value) => this.#sync('processes.tagged', false, () => port.tagged(name, value)),
      cpuMs: (name, value) => this.#sync('processes.cpuMs', false, () => port.cpuMs(name, value)),
      endTagged: (name, value, graceMs) => this.#async('processes.endTagged', true, () => port.endTagged(name, value, graceMs)),
      untoldEnd: (runId, folder) => this.#sync('processes.untoldEnd', false, () => port.untoldEnd(runId, folder)),
      program: (name, path) => this.#sync('processes.program', false, () => port.program(name, path)),
      system: (path, tag) => this.#sync('processes.system', false, () => port.system(path, tag)),
    };
  }

  #resources(): World['resources'] {
    const port = resourcesOf(this.#machine, this.schedule);
    return {
      self: () => this.#sync('resources.self', false, () => port.self()),
      machine: (path) => this.#sync('resources.machine', false, () => port.machine(path)),
      trees: (runs) => this.#sync('resources.trees', false, () => port.trees(runs)),
      pool: (path, withinMs) => this.#async('resources.pool', false, () => port.pool(path, withinMs)),
      collectGarbage: () => this.#async('resources.collectGarbage', false, () => port.collectGarbage()),
      giveBack: () => this.#sync('resources.giveBack', false, () => port.giveBack()),
      profile: (path, ms, stop) => this.#async('resources.profile', true, () => port.profile(path, ms, stop)),
      priorities: (run, by) => this.#sync('resources.priorities', false, () => port.priorities(run, by)),
      setPriorities: (run, wanted) => this.#async('resources.setPriorities', true, () => port.setPriorities(run, wanted)),
    };
  }

  #terminals(): World['terminals'] {
    const port = terminalsOf(this.#machine);
    return {
      available: () => this.#sync('terminals.available', false, () => port.available()),
      start: (plan) => this.#sync('terminals.start', true, () => port.start(plan)),
      alive: (target) => this.#sync('terminals.alive', false, () => port.alive(target)),
      capture: (target) => this.#sync('terminals.capture', false, () => port.capture(target)),
      send: (target, text) => this.#sync('terminals.send', true, () => port.send(target, text)),
      end: (target) => this.#sync('terminals.end', true, () => port.end(target)),
      list: () => this.#sync('terminals.list', false, () => port.list()),
      attachCommand: (target) => port.attachCommand(target),
    };
  }

  #journal(): Journal {
    const machine = this.#machine;
    const port = journalOf(machine.journal, {
      nowMs: () => machine.wallMs(),
      soon: (act) => this.schedule(this.#dice.int(0, 2), act),
      fateOf: () => {
        const fate = this.#fate('journal.commit', true);
        if (this.dead) return 'dies-before';
        if (fate !== null) {
          this.#plan = null;
          this.#dying = { kind: fate.kind, at: `journal.commit:${fate.when}` };
          return fate.when === 'after' ? 'dies-after' : 'dies-before';
        }
        return machine.faults.journalTrouble() ?? 'fine';
      },
      die: () => this.die(this.#dying.kind, this.#dying.at),
    });
    return {
      live: () => this.#sync('journal.live', false, () => port.live()),
      get: (runId) => this.#sync('journal.get', false, () => port.get(runId)),
      ofTodo: (todoId) => this.#sync('journal.ofTodo', false, () => port.ofTodo(todoId)),
      save: (entry) => (this.dead ? never() : port.save(entry)),
      adopt: (runId, from, to) => (this.dead ? never() : port.adopt(runId, from, to)),
      closed: (sinceMs) => this.#sync('journal.closed', false, () => port.closed(sinceMs)),
      forget: (beforeMs) => this.#sync('journal.forget', true, () => port.forget(beforeMs)),
      getNote: (key) => this.#sync('journal.getNote', false, () => port.getNote(key)),
      setNote: (key, value) => (this.dead ? never() : port.setNote(key, value)),
      notes: (prefix) => this.#sync('journal.notes', false, () => port.notes(prefix)),
      dropNotes: (keys) => (this.dead ? never() : port.dropNotes(keys)),
      removeNote: (key, value) => (this.dead ? never() : port.removeNote(key, value)),
    };
  }
  #dying: Crash = { kind: 'process', at: '' };

  #store(port: Store): Store {
    const guard = <A extends unknown[], T>(name: keyof Store, change: boolean): ((...args: A) => Promise<T>) => {
      const call = port[name] as (...args: A) => Promise<T>;
      return (...args) => this.#async(`store.${name}`, change, () => call(...args));
    };
    return {
      driver: 'memory',
      open: guard('open', false),
      close: guard('close', false),
      ping: guard('ping', false),
      nowMs: guard('nowMs', false),
      add: guard('add', true),
      find: guard('find', false),
      list: guard('list', false),
      waiting: guard('waiting', false),
      living: guard('living', false),
      byStatus: guard('byStatus', false),
      runsOf: guard('runsOf', false),
      getRun: guard('getRun', false),
      claim: guard('claim', true),
      drainHost: guard('drainHost', true),
      hosts: guard('hosts', false),
      mark: guard('mark', true),
      renew: guard('renew', true),
      giveBack: guard('giveBack', true),
      leaseEndsInMs: guard('leaseEndsInMs', false),
      expired: guard('expired', false),
      rescue: guard('rescue', true),
      inProgress: guard('inProgress', false),
      change: guard('change', true),
      blockDependents: guard('blockDependents', true),
      record: guard('record', true),
      missing: guard('missing', false),
      reassert: guard('reassert', true),
      readBack: guard('readBack', false),
      deadLetter: guard('deadLetter', true),
      requeue: guard('requeue', true),
      note: guard('note', true),
      notesOf: guard('notesOf', false),
      auditTail: guard('auditTail', false),
      healingEvents: guard('healingEvents', false),
      comment: guard('comment', true),
      commentsOf: guard('commentsOf', false),
      attach: guard('attach', true),
      attachmentsOf: guard('attachmentsOf', false),
      attached: guard('attached', false),
      keepMetrics: guard('keepMetrics', true),
      metrics: guard('metrics', false),
      rollMetrics: guard('rollMetrics', true),
      ended: guard('ended', false),
      pastRuns: guard('pastRuns', false),
      figures: () => port.figures(),
    };
  }

  #network(): Network {
    const machine = this.#machine;
    return {
      post: (url, body, timeoutMs) =>
        this.#async('network.post', true, async () => {
          await machine.timeline.sleep(Math.min(timeoutMs, 20));
          if (machine.faults.networkFails())
            throw new OperationalError('NETWORK_FAILED', { operation: 'posting to', subject: url, why: '503' });
          machine.history.note(machine.name, 'posted', `${url} ${JSON.stringify(body).length}`);
        }),
      reaches: (url) =>
        this.#async('network.reaches', false, async () => {
          await machine.timeline.sleep(1);
          if (machine.faults.networkFails())
            throw new OperationalError('NETWORK_FAILED', { operation: 'connecting to', subject: url, why: 'refused' });
        }),
    };
  }

  #log(): Log {
    const { history, name } = this.#machine;
    const line =
      (level: string) =>
      (_room: string, event: string, fields?: Readonly<Record<string, unknown>>): void => {
        if (this.dead) return;
        history.note(name, `${level} ${event}`, fields === undefined ? '' : JSON.stringify(fields));
        if (event === 'defect') this.onDefect(JSON.stringify(fields));
      };
    return {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      critical: line('critical'),
      rotate: (file) => history.note(name, 'rotate', file),
    };
  }
}

const never = <T>(): Promise<T> => new Promise(() => {});

const halfOf = (content: string | Uint8Array): string | Uint8Array => content.slice(0, content.length >> 1);

const sha256 = (content: string | Uint8Array): string => hash('sha256', content);
export const digest: Digest = { sha256, sha256Base64: (content) => hash('sha256', content, 'base64') };

const randomOf = (machine: Machine, dice: Dice): Random => ({
  next: dice.next,
  uuidv7: () => uuidFrom(machine.wallMs(), dice),
  uuidv4: () => uuidFrom(dice.int(0, 2 ** 46), dice),
  token: () => dice.hex(43),
});
