import type { BreakerNumbers, Config } from '../core/config.ts';
import type { ErrorCode } from '../core/errors.ts';
import { isOperational } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import { parsedJson } from '../core/shape.ts';
import type { Breaker, BreakerProfile } from '../resilience/breaker.ts';
import { noPermit } from '../resilience/breaker.ts';
import { Breakers, breakerNote, type NamedBreakerChange } from '../resilience/breakers.ts';
import type { ErrorClass } from '../resilience/error-class.ts';
import { classOf, saysUnhealthy } from '../resilience/error-class.ts';
import { Refused, withoutStack } from '../resilience/errors.ts';
import { type Guard, newGuard } from '../resilience/guard.ts';
import { profiles } from '../resilience/profiles.ts';
import { Timeouts } from '../resilience/timeouts.ts';
import type { Store, World } from '../world.ts';

/** Every adapter to the outside has a breaker of its own. `refused` is what a call that was never made is called in the error table. */
const adapters = {
  store: { numbers: 'store', profile: profiles.store, refused: 'STORE_UNREACHABLE' },
  runner: { numbers: 'runner', profile: profiles.runner, refused: 'SPAWN_FAILED' },
  'runner.tmux': { numbers: 'runner', profile: profiles.runner, refused: 'TMUX_UNAVAILABLE' },
  webhook: { numbers: 'webhook', profile: profiles.webhook, refused: 'NETWORK_FAILED' },
} as const satisfies Record<string, { numbers: keyof Config['breakers']; profile: BreakerProfile; refused: ErrorCode }>;

/** Before the name of an agent: the breaker of its runs. */
export const agentBreaker = 'agent.';

export type BreakerName = keyof typeof adapters;
export const breakerNames = Object.keys(adapters) as readonly BreakerName[];

/** The world of an engine: the same door, with a breaker in front of each call that leaves this machine or starts something on it. */
export type Outside = {
  readonly world: World;
  readonly breakers: Breakers;
  of(name: BreakerName): Breaker;
  /** Of one that can work on todos: its runs are its calls. */
  runner(agent: string): Breaker;
  /** Whether a call of that adapter would be refused now. */
  refuses(name: BreakerName): boolean;
  /** The store's cheap look past its open breaker; the monitor's alone. */
  ping(): Promise<void>;
  /** Other numbers for the breakers, from now on. */
  tune(config: Pick<Config, 'breakers'>): void;
  /** Told of each change of a breaker's state. */
  onChange: ((change: NamedBreakerChange) => void) | null;
  /** Told of each answer of the store, after its breaker. */
  onStore: ((answered: { readonly error: unknown }) => void) | null;
};

/** Whether what an earlier process left holds for this one; a worker for one todo only minds what a person said. */
type Needs = { readonly restores: 'all' | 'isolated' };

export function behindBreakers(world: World, config: Config, { restores }: Needs): Outside {
  const profileOf = profilesFor(config);
  let agentProfile = profileFor(profiles.agent, config.breakers.agent);
  const timeouts = new Timeouts(world.clock);
  const breakers = new Breakers({
    clock: world.clock,
    random: world.random.next,
    saved: (name) => {
      const text = world.journal.getNote(breakerNote(name));
      const saved = text === null ? null : parsedJson(text);
      return restores === 'all' || (saved as { state?: unknown } | null)?.state === 'isolated' ? saved : null;
    },
    on: (change) => outside.onChange?.(change),
  });
  const of = (name: BreakerName): Breaker => breakers.of(name, profileOf.get(name)!);
  const guards = new Map<BreakerName, Guard>();
  const guarded = <T>(name: BreakerName, call: () => Promise<T>, classify: (error: unknown) => ErrorClass = classOf): Promise<T> => {
    const { refused } = adapters[name];
    const parts = () => ({ name, breaker: of(name), classify, codes: { refused, timedOut: refused } });
    const guard = guards.get(name) ?? newGuard(parts(), { clock: world.clock, random: world.random.next, timeouts });
    guards.set(name, guard);
    return guard.run(call);
  };
  const started = <T>(name: BreakerName, call: () => T): T => startedThrough(of(name), name, world.clock.monotonicMs, call);

  const outside: Outside = {
    world: {
      ...world,
      store: guardedStore(world.store, (call) =>
        guarded('store', call, storeClassOf).then(
          (answer) => {
            outside.onStore?.({ error: null });
            return answer;
          },
          (error: unknown) => {
            outside.onStore?.({ error });
            throw error;
          },
        ),
      ),
      network: { ...world.network, post: (url, body, timeoutMs) => guarded('webhook', () => world.network.post(url, body, timeoutMs)) },
      processes: { ...world.processes, start: (plan) => started('runner', () => world.processes.start(plan)) },
      terminals: { ...world.terminals, start: (plan) => started('runner.tmux', () => world.terminals.start(plan)) },
    },
    breakers,
    of,
    runner: (agent) => breakers.of(`${agentBreaker}${agent}`, agentProfile),
    refuses: (name) => of(name).refuses(world.clock.monotonicMs()),
    ping: () => world.store.ping(),
    tune(next) {
      for (const [name, profile] of profilesFor(next)) {
        if (JSON.stringify(profile) === JSON.stringify(profileOf.get(name))) continue;
        profileOf.set(name, profile);
        breakers.retune(name, profile);
      }
      const asked = profileFor(profiles.agent, next.breakers.agent);
      if (JSON.stringify(asked) === JSON.stringify(agentProfile)) return;
      agentProfile = asked;
      for (const { name } of breakers.list()) if (name.startsWith(agentBreaker)) breakers.retune(name, agentProfile);
    },
    onChange: null,
    onStore: null,
  };
  return outside;
}

/** A start answers at once, so it is admitted and settled in one breath. */
function startedThrough<T>(breaker: Breaker, name: BreakerName, monotonicMs: () => number, call: () => T): T {
  const atMs = monotonicMs();
  const permit = breaker.admit(atMs);
  if (permit === noPermit) {
    const because = breaker.state === 'isolated' ? 'isolated' : 'open';
    const retryAfterMs = breaker.retryAfterMs(atMs);
    throw withoutStack(() => new Refused(adapters[name].refused, { subject: name, because, retryAfterMs }));
  }
  try {
    const result = call();
    breaker.settle(permit, 'success', monotonicMs() - atMs, monotonicMs());
    return result;
  } catch (error) {
    breaker.settle(permit, saysUnhealthy[classOf(error)] ? 'failure' : 'ignored', 0, atMs);
    throw error;
  }
}

/** Members that ask nobody. */
const local: ReadonlySet<string | symbol> = new Set<keyof Store>(['close', 'figures', 'driver', 'care']);

function guardedStore(store: Store, guarded: <T>(call: () => Promise<T>) => Promise<T>): Store {
  return new Proxy(store, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      if (local.has(name)) return member.bind(target);
      return (...args: unknown[]) => guarded(() => member.apply(target, args) as Promise<unknown>);
    },
  });
}

/**
 * A store that refuses user or password does not work either, whatever a person must do about it; a conflict is the answer of one that does.
 */
function storeClassOf(error: unknown): ErrorClass {
  if (!isOperational(error)) return classOf(error);
  if (error.code === 'STORE_ACCESS') return 'network';
  return error.code.startsWith('STORE_') && error.code !== 'STORE_CONFLICT' ? classOf(error) : 'permanent';
}

export const numbersOf = (name: BreakerName): keyof Config['breakers'] => adapters[name].numbers;

export const profilesFor = ({ breakers }: Pick<Config, 'breakers'>): Map<BreakerName, BreakerProfile> =>
  new Map(breakerNames.map((name) => [name, profileFor(adapters[name].profile, breakers[adapters[name].numbers])]));

function profileFor(own: BreakerProfile, numbers: BreakerNumbers): BreakerProfile {
  const profile = numbers.profile === undefined ? own : profiles[numbers.profile];
  const { failure_threshold, success_threshold, timeout, max_timeout } = numbers;
  const openMs = timeout === undefined ? profile.openMs : inMs(timeout);
  return {
    ...profile,
    window: failure_threshold === undefined ? profile.window : { kind: 'consecutive', failures: failure_threshold },
    successes: success_threshold ?? profile.successes,
    openMs,
    openMaxMs: Math.max(openMs, max_timeout === undefined ? profile.openMaxMs : inMs(max_timeout)),
  };
}
