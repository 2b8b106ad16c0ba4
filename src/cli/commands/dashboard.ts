import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Role, roles, type SessionList } from '../../core/dashboard.ts';
import { OperationalError } from '../../core/errors.ts';
import { actorPattern } from '../../core/session.ts';
import { stateFolder } from '../../platform/home.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { type Serving, servingOf } from '../http/asking.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { momentText } from '../text/times.ts';
import { usage } from '../todos.ts';

type Options = { readonly role?: string; readonly open?: boolean };
type Code = { readonly code: string; readonly role: Role; readonly actor: string; readonly expiresAtMs: number };

/** The way into the dashboard: an address that lets in once. */
export const command: CommandModule = {
  declare(commander) {
    commander
      .option('--role <role>', `what may be done there: ${roles.join(', ')}`, 'operator')
      .option('--open', 'show it in the browser of this desktop (xdg-open)')
      .addHelpText(
        'after',
        `
Actions:
  (none)      prints an address that lets in once, within a minute
  sessions    who is logged in
  revoke ID   ends a login at once

Roles: viewer looks · operator acts on todos and breakers, too · admin also ends the logins of others and changes the configuration.
It is served by the daemon (server.port, or todo start --all), and without one by: todo start --dashboard-only
`,
      );
  },
  async run(call) {
    const [action, id] = call.args;
    if (action !== undefined && action !== 'sessions' && action !== 'revoke')
      throw usage('dashboard', `no action ${action}`, 'Known: sessions, revoke ID; without one it prints the address.');
    if (action === 'revoke' && id === undefined) throw usage('dashboard revoke', 'which one? no ID given', 'See: todo dashboard sessions');
    await using opened = await call.open({ readOnly: true });
    const serving = await servingOf(opened.world);
    if (action === 'sessions') return sessions(call, serving);
    if (action === 'revoke') return revoke(call, serving, id ?? '');
    return letIn(call, opened, serving);
  },
};

async function letIn(call: Call, { world }: Opened, { url, ask }: Serving): Promise<number> {
  const { role = 'operator', open = false } = call.options as Options;
  if (!roles.includes(role as Role)) throw usage('dashboard', `no role ${role}`, `Known: ${roles.join(', ')}.`);
  const { username } = userInfo();
  const actor = actorPattern.test(username) ? username : 'person';
  const { code, expiresAtMs, ...who } = await ask<Code>('POST', '/api/login-codes', { role, actor });
  // What stands behind # stays in the browser: no server, proxy or log sees it.
  const address = `${url}/#login=${code}`;
  if (open) show(address, world);
  call.out.json('dashboard', { url: address, role: who.role, actor: who.actor, expiresAtMs });
  call.out.line(address);
  call.out.note(`It lets in once, within a minute, as ${who.role}. Who is in: todo dashboard sessions`);
  return exit.yes;
}

/** The arguments of a process can be read by everybody on this machine; a file of mode 0600 cannot. The code in it is used up, or worth nothing after a minute. */
function show(address: string, { files, processes, home }: Opened['world']): void {
  const program = processes.program('xdg-open', null);
  if (program === null)
    throw new OperationalError('SPAWN_FAILED', {
      operation: 'opening',
      subject: 'the dashboard',
      why: 'there is no xdg-open here',
      hint: 'Leave --open away, and open the address in a browser.',
    });
  const path = join(stateFolder(home.root), 'dashboard.html');
  files.unlink(path);
  files.create(path, `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=${address}">\n`);
  processes.start({ argv: [program, path], cwd: home.root, env: {}, outputPath: '/dev/null' });
}

async function sessions({ out }: Call, { ask }: Serving): Promise<number> {
  const { sessions: all } = await ask<SessionList>('GET', '/api/sessions');
  out.json('sessions', { sessions: all });
  const columns = ['ID', 'ROLE', 'WHO', 'FROM', 'LAST SEEN', 'ENDS'].map((title) => ({ title }));
  const rows = all.map(({ id, role, actor, from, seenAtMs, expiresAtMs }) =>
    [id, role, actor, from, momentText(seenAtMs), momentText(expiresAtMs)].map(plain),
  );
  if (rows.length === 0) out.line('Nobody is logged in.');
  else for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  return exit.yes;
}

async function revoke({ out }: Call, { ask }: Serving, id: string): Promise<number> {
  await ask('DELETE', `/api/sessions/${encodeURIComponent(id)}`);
  out.json('revoked', { id });
  out.line(`Ended: ${plain(id)}`);
  return exit.yes;
}
