import type { Config } from '../../core/config.ts';
import { clock } from '../../platform/clock.ts';
import type { Call } from '../command.ts';
import { lookAtConfiguration } from './configured.ts';
import { lookAtLock } from './daemon.ts';
import type { Finding } from './finding.ts';
import { lookAtDisks, lookAtFolders } from './folders.ts';
import { type Look, lookAtEach } from './look.ts';
import { lookAtPorts, type WantedPorts } from './ports.ts';
import { lookAtStoreAnswer } from './store.ts';

/**
 * What is looked at before anything is started: configuration, folders, disk, ports, lock, store. Under a second where the store answers, else five; changes
 * nothing. `ports`: those that somebody will want to listen on. An `unhealthy` finding would keep a daemon from working; all others are for people to know.
 */
export async function preflight(call: Call, ports: readonly number[] = []): Promise<readonly Finding[]> {
  const configured = await lookAtConfiguration(call);
  const { config, home } = configured;
  const looks: Look[] = [
    { name: 'folders', look: () => lookAtFolders(home, call.env) },
    { name: 'disk', look: () => lookAtDisks(home) },
    { name: 'ports', look: () => lookAtPorts(wantedPorts(config, ports), home) },
    { name: 'lock', look: () => lookAtLock(home) },
    // Without a configuration nobody knows which store.
    ...(config === null ? [] : [{ name: 'store', look: () => lookAtStoreAnswer(call) }]),
  ];
  const looked = await lookAtEach(looks, clock);
  return [...configured.findings, ...looked.flatMap(({ findings }) => findings)];
}

/** 0 takes any that is free. */
export const wantedPorts = (config: Config | null, asked: readonly number[]): WantedPorts => ({
  asked,
  ofServer: config?.server.port || null,
});
