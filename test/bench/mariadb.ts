// Completions through a MariaDB of our own on this machine: by one daemon, by three on one database, and after the database was away.
import { join } from 'node:path';
import { untilIn } from '../fixtures/log-tail.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { atOnce } from './completions.ts';
import { figure, markers, median, rounds } from './figures.ts';
import { allClosed, atMs, closedIn, daemon, logged, newHome, prepare } from './home.ts';
import { writeMarker } from './prepared.ts';

export async function mariadb(): Promise<void> {
  const server = await startMariadb();
  try {
    const seen: { readonly one: number; readonly three: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const rate = async (name: string, homes: number): Promise<number> =>
        atOnce(`${name}-${round}`, { mysqlUrl: await newDatabase(server, `${name}${round}`), homes });
      seen.push({ one: await rate('mariadb', 1), three: await rate('shared', 3) });
    }
    const [one, three] = [median(seen.map((it) => it.one)), median(seen.map((it) => it.three))];
    figure(`completions a second, ${markers} markers at once, MariaDB, 1 daemon`, one.toFixed(0));
    const factor = median(seen.map((it) => it.three / it.one));
    figure('the same shared by 3 daemons on one database', `${three.toFixed(0)} (${factor.toFixed(2)} × of 1 daemon)`);
  } finally {
    await server.stop();
  }
}

async function newDatabase(server: Mariadb, name: string): Promise<string> {
  const connection = await server.connect();
  await connection.query(`CREATE DATABASE ${name}`);
  await connection.end();
  return server.url().replace(/\/[^/]*$/, `/${name}`);
}

const waiting = 20;

/** The server dies by kill -9, markers come, and it is started again. From when it says that it takes connections to the first record. */
export async function back(): Promise<void> {
  const server = await startMariadb();
  try {
    const toFirst: number[] = [];
    const toLast: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const mysqlUrl = await newDatabase(server, `back${round}`);
      const home = newHome(`back-${round}`, { store: { url: mysqlUrl } });
      const runs = prepare(home, waiting, 'external', mysqlUrl);
      const it = await daemon(home);
      const spool = {
        tmp: join(home, 'spool/tmp'),
        new: join(home, 'spool/new'),
        cur: join(home, 'spool/cur'),
        bad: join(home, 'spool/bad'),
      };
      await server.kill9();
      for (const run of runs) writeMarker({ spool }, run);
      const count = (event: string) => logged(home, 'completion').filter((line) => line.event === event).length;
      await untilIn([join(home, 'logs')], `${waiting} completions wait`, () => count('reported') === waiting);
      await server.restart();
      await allClosed(home, waiting);
      await it.stop();
      const recorded = logged(home, 'completion').filter(({ event }) => event === 'recorded');
      toFirst.push(Math.min(...recorded.map(atMs)) - server.readyAtMs());
      toLast.push(Math.max(...closedIn(home).map(atMs)) - server.readyAtMs());
    }
    const what = `from "ready for connections" of a MariaDB that was killed to the first record, ${waiting} completions waiting`;
    const worst = Math.max(...toFirst);
    figure(what, `${median(toFirst)} ms, at most ${worst} ms (all closed after ${median(toLast)} ms)`, '≤ 2 s', worst <= 2000);
  } finally {
    await server.stop();
  }
}
