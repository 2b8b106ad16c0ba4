import type { Config } from '../../core/config.ts';
import { shownValue } from '../../core/config-keys.ts';
import { healingKeys } from '../../core/healing-keys.ts';
import { effectiveConfig } from '../../daemon/effective-config.ts';
import type { HealingConfig } from '../../observe/shown.ts';
import type { Digest } from '../../world.ts';

/** What of the configuration in use says how it watches, tries again and heals; secrets are none of it. */
export function healingConfigOf(config: Config, needsRestart: readonly string[], { sha256 }: Pick<Digest, 'sha256'>): HealingConfig {
  const values = Object.fromEntries(
    [...effectiveConfig(config)].filter(([key]) => healingKeys.test(key)).map(([key, value]) => [key, shownValue(key, value)]),
  );
  return {
    version: sha256(JSON.stringify(values)).slice(0, 16),
    values,
    needsRestart: needsRestart.filter((key) => healingKeys.test(key)),
  };
}
