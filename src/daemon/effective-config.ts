import { recordBackoffOf, roundTries } from '../core/advance.ts';
import type { Backoff } from '../core/backoff.ts';
import type { Config } from '../core/config.ts';
import { type ConfigChange, changesBetween, flatConfig } from '../core/config-keys.ts';
import { jobAttempts, jobBackoffOf } from '../core/verdict.ts';
import { breakerNames, numbersOf, profilesFor } from './outside.ts';
import { policyFor } from './policy-for.ts';

/** Every value under its dotted key; numbers of policies and breakers that nobody gave as they work out. */
export function effectiveConfig(config: Config): Map<string, unknown> {
  const { network } = policyFor('default', config).rules;
  return new Map([
    ...policyValues('default', network.attempts - 1, network.backoff),
    ...policyValues('job', jobAttempts(config) - 1, jobBackoffOf(config)),
    ...policyValues('record', roundTries(config), recordBackoffOf(config)),
    ...breakerValues(config),
    ...flatConfig(config),
  ]);
}

export const effectiveChanges = (before: Config, after: Config): readonly ConfigChange[] =>
  changesBetween(effectiveConfig(before), effectiveConfig(after));

const policyValues = (name: string, maxRetries: number, { firstMs, maxMs, factor }: Backoff): readonly [string, unknown][] => [
  [`policies.${name}.max_retries`, maxRetries],
  [`policies.${name}.initial_delay`, firstMs / 1000],
  [`policies.${name}.max_delay`, maxMs / 1000],
  [`policies.${name}.backoff_factor`, factor],
];

function breakerValues(config: Config): readonly [string, unknown][] {
  const profiles = profilesFor(config);
  return breakerNames.flatMap((name): readonly [string, unknown][] => {
    const { window, successes, openMs, openMaxMs } = profiles.get(name)!;
    const under = `breakers.${numbersOf(name)}`;
    return [
      [`${under}.failure_threshold`, window.kind === 'consecutive' ? window.failures : null],
      [`${under}.success_threshold`, successes],
      [`${under}.timeout`, openMs / 1000],
      [`${under}.max_timeout`, openMaxMs / 1000],
    ];
  });
}
