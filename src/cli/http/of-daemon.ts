import type { Config } from '../../core/config.ts';
import type { ControlReply, ServerStatus } from '../../core/control.ts';
import type { Engine } from '../../daemon/engine.ts';
import type { Format } from '../../observe/exposition.ts';
import type { Shown } from '../../observe/shown.ts';
import type { World } from '../../world.ts';

export type Http = {
  metrics(format: Format): Promise<ControlReply>;
  /** Resolves, once it tries to listen, to what ends it. */
  start(port: number): Promise<() => Promise<void>>;
};

/** What is shown of a daemon is loaded when somebody asks for it: who has no server pays nothing. */
export function httpOf(engine: Engine, server: Config['server'], world: World, onDefect: (error: unknown) => void): Http {
  let made: Promise<Shown> | null = null;
  const showing = (): Promise<Shown> => {
    made ??= import('./showing.ts').then(({ showingOf }) => showingOf(engine, onDefect));
    return made;
  };
  return {
    async metrics(format) {
      const { exposition } = await import('../../observe/exposition.ts');
      return { ok: true, kind: 'metrics', text: exposition((await showing()).families(), format) };
    },
    async start(port) {
      const over = new AbortController();
      const [{ keepServing }, shown] = await Promise.all([import('./service.ts'), showing()]);
      const { state, tally } = engine.context;
      const served = (page: string, status: number, tookMs: number): void => {
        tally.count('todo_http_requests', { page, code: String(status) });
        tally.observe('todo_http_request_duration_seconds', { page }, tookMs / 1000);
      };
      const onStatus = (status: ServerStatus): void => {
        state.server = status;
      };
      const serving = keepServing({ world, server, port, shown, served, onDefect, onStatus }, over.signal).catch(onDefect);
      return async () => {
        over.abort();
        await serving;
      };
    },
  };
}
