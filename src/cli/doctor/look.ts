import type { World } from '../../world.ts';
import { type Finding, notSeen } from './finding.ts';

/** A part of the machine that is looked at by itself: what goes wrong there keeps nobody from seeing the rest. */
export type Look = { readonly name: string; look(): readonly Finding[] | Promise<readonly Finding[]> };

/** `error`: with its stack, for who asks with --debug. */
export type Looked = {
  readonly name: string;
  readonly tookMs: number;
  readonly findings: readonly Finding[];
  readonly error: string | null;
};

export async function lookAtEach(
  looks: readonly Look[],
  { monotonicMs }: Pick<World['clock'], 'monotonicMs'>,
  tell: (looked: Looked) => void = () => {},
): Promise<readonly Looked[]> {
  return await Promise.all(
    looks.map(async ({ name, look }) => {
      const fromMs = monotonicMs();
      const seen = await answerOf(name, look);
      const looked = { name, tookMs: Math.round(monotonicMs() - fromMs), ...seen };
      tell(looked);
      return looked;
    }),
  );
}

async function answerOf(name: string, look: Look['look']): Promise<Pick<Looked, 'findings' | 'error'>> {
  try {
    return { findings: await look(), error: null };
  } catch (error) {
    const finding = notSeen(name, error);
    if (finding === null) throw error;
    return { findings: [finding], error: (error as Error).stack ?? String(error) };
  }
}
