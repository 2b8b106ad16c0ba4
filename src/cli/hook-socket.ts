import { ask } from '../platform/control-socket.ts';
import { stateFolder } from '../platform/home.ts';
import { socketPath } from '../platform/socket-path.ts';

const wakeWithinMs = 1000;
/** Beyond the wait that was asked for: the way there and back. */
const marginMs = 5000;

/** A hint; the scan finds the marker anyway. */
export async function wake(home: string): Promise<void> {
  await ask(socketPath(stateFolder(home)), { op: 'wake' }, wakeWithinMs).catch(() => null);
}

/** What the agent is to be told before it may stop; null where there is nothing to say, or nobody lives who could. */
export async function verdict(
  home: string,
  about: { readonly runId: string; readonly token: string; readonly round: number; readonly waitMs: number },
): Promise<string | null> {
  const reply = await ask(socketPath(stateFolder(home)), { op: 'verdict', ...about }, about.waitMs + marginMs);
  return reply?.ok && reply.kind === 'verdict' && reply.verdict === 'sent-back'
    ? (reply.feedback ?? 'The acceptance checks failed.')
    : null;
}
