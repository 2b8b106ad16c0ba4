// Whom alerts reach: a mailbox behind a real mail server (STARTTLS, a password), and a receiver of webhooks that wants a token. Both on loopback.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { programs } from '../programs.ts';
import type { Json } from './harness.ts';

const patienceMs = 60_000;

/** What comes, in order; whoever waits is told of each. */
export type Arrivals<T> = {
  readonly all: readonly T[];
  /** The first one that fits, among those from `from` on, which are there or still to come. */
  first(what: string, fits: (it: T) => boolean, from?: number): Promise<T>;
};

function arrivals<T>(shown: (it: T) => string): Arrivals<T> & { add(it: T): void } {
  const all: T[] = [];
  const waiting = new Set<() => void>();
  return {
    all,
    add(it) {
      all.push(it);
      for (const look of waiting) look();
    },
    first: (what, fits, from = 0) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          clearTimeout(late);
          waiting.delete(look);
        };
        const look = (): void => {
          const found = all.slice(from).find(fits);
          if (found === undefined) return;
          end();
          resolve(found);
        };
        const late = setTimeout(() => {
          end();
          reject(new Error(`waited ${patienceMs / 1000} s in vain: ${what}. There was:\n${all.slice(from).map(shown).join('\n')}`));
        }, patienceMs);
        waiting.add(look);
        look();
      }),
  };
}

export type Mail = Omit<ParsedMail, 'to'> & { readonly isEncrypted: boolean; readonly to: string };

export async function mailbox(t: TestContext, { user, password }: { readonly user: string; readonly password: string }) {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-mail-'));
  const certificate = join(folder, 'certificate.pem');
  const key = join(folder, 'key.pem');
  const about = ['-subj', '/CN=mail', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  const made = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', certificate];
  execFileSync(programs().openssl, ['req', ...made, ...about], { stdio: 'pipe' });
  const mails = arrivals<Mail>(({ subject, text }) => `${subject}\n${text}`);
  const server = new SMTPServer({
    key: readFileSync(key),
    cert: readFileSync(certificate),
    onAuth: (given, _, done) =>
      given.username === user && given.password === password ? done(null, { user }) : done(new Error('wrong name or password')),
    onData: (stream, session, done) => {
      simpleParser(stream).then((mail) => {
        mails.add({ ...mail, isEncrypted: session.secure, to: session.envelope.rcptTo.map(({ address }) => address).join() });
        done();
      }, done);
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    await new Promise<void>((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });
  return { mails, certificate, address: `127.0.0.1:${(server.server.address() as AddressInfo).port}` };
}

export type Hooked = { readonly path: string; readonly body: Json };

export async function hookReceiver(t: TestContext, { token }: { readonly token: string }) {
  const heard = arrivals<Hooked>(({ path, body }) => `${path} ${JSON.stringify(body)}`);
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const piece of request.setEncoding('utf8')) text += piece;
    const isKnown = request.headers.authorization === `Bearer ${token}`;
    response.writeHead(isKnown ? 200 : 401).end();
    if (isKnown) heard.add({ path: request.url ?? '', body: JSON.parse(text) });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
