import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands between the daemon and its server on loopback, and breaks what goes through. */
export type BrokenLine = AsyncDisposable & {
  readonly port: number;
  /** Ends all connections and refuses new ones, until `mend`. */
  cut(): void;
  /** Whatever is sent arrives so much later, both ways. */
  slow(ms: number): void;
  mend(): void;
};

export async function proxyTo(port: number): Promise<BrokenLine> {
  const sockets = new Set<Socket>();
  let [isCut, delayMs] = [false, 0];
  const server = createServer((socket) => {
    if (isCut) return void socket.destroy();
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [socket, far],
      [far, socket],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => (delayMs === 0 ? to.write(data) : setTimeout(() => to.writable && to.write(data), delayMs)));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endAll = (): void => sockets.forEach((socket) => void socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true;
      endAll();
    },
    slow(ms) {
      delayMs = ms;
    },
    mend() {
      [isCut, delayMs] = [false, 0];
    },
    async [Symbol.asyncDispose]() {
      endAll();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
