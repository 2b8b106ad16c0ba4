import type { Config } from '../core/config.ts';
import { inMs } from '../core/seconds.ts';
import type { Policy, PolicySettings } from '../resilience/policy.ts';
import { policies, tuned } from '../resilience/policy.ts';

/** A policy of the table with the numbers that the configuration says otherwise. */
export function policyFor(name: 'default', { policies: settings }: Pick<Config, 'policies'>): Policy {
  const { max_retries, initial_delay, max_delay, backoff_factor } = settings[name];
  const changed: PolicySettings = {
    ...(max_retries === undefined ? {} : { maxRetries: max_retries }),
    ...(initial_delay === undefined ? {} : { initialDelayMs: inMs(initial_delay) }),
    ...(max_delay === undefined ? {} : { maxDelayMs: inMs(max_delay) }),
    ...(backoff_factor === undefined ? {} : { factor: backoff_factor }),
  };
  return Object.keys(changed).length === 0 ? policies[name] : tuned(policies[name], changed);
}
