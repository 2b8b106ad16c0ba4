import type { RetryBudget } from './budget.ts';
import type { GuardNeeds } from './guard.ts';
import { newGuard } from './guard.ts';
import type { Policy } from './policy.ts';
import type { Call, CallOptions, GuardEvent } from './run.ts';

/**
 * Makes a call by a policy, and by nothing else. What is retried must be safe to do twice.
 *
 * One layer retries: where a call is made inside an attempt of another retry, this one passes through, as a single attempt. It knows that by the
 * `stop` of that attempt, handed on; where nobody handed it on, the outer one sees by the error that it was retried already, and gives up.
 * Passing through rather than refusing, because an adapter with a retry of its own is right to have one where nobody else does.
 */
export function retry<T>(
  work: (call: Call) => T | PromiseLike<T>,
  about: { readonly name: string; readonly policy: Policy; readonly budget?: RetryBudget; readonly on?: (event: GuardEvent) => void },
  needs: GuardNeeds,
  options?: CallOptions,
): Promise<T> {
  return newGuard(about, needs).run(work, options);
}
