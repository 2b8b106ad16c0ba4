import { after, before } from 'node:test';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';

export type Behind = {
  readonly server: Mariadb;
  readonly proxy: TcpProxy;
  /** As for a daemon when the server is gone: connections are cut and refused. */
  away(): Promise<void>;
  back(): Promise<void>;
};

/** A MariaDB for the tests of one file, and a proxy before it: there when the first test begins, gone after the last. */
export function mariadbBehindProxy(): Behind {
  let server: Mariadb;
  let proxy: TcpProxy;
  let isAway = false;
  before(async () => {
    server = await startMariadb();
    proxy = await startTcpProxy(server.port);
  });
  after(async () => {
    await proxy?.stop();
    await server?.stop();
  });
  return {
    get server() {
      return server;
    },
    get proxy() {
      return proxy;
    },
    async away() {
      await proxy.refuse();
      isAway = true;
    },
    async back() {
      if (isAway) await proxy.accept();
      isAway = false;
    },
  };
}
