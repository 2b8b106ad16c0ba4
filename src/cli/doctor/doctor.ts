import type { HealthStatus } from '../../core/words.ts';
import { worst } from '../../healing/health.ts';
import { clock } from '../../platform/clock.ts';
import type { Call, Opened } from '../command.ts';
import type { DoctorOptions } from '../commands/doctor.ts';
import { healthExit, looking, showComponents, statusLine } from '../health-look.ts';
import { hooksRemedy, lookAtHooks } from '../hooks/doctor.ts';
import { plain } from '../text/plain.ts';
import { usage } from '../todos.ts';
import { lookAtBuild, lookAtPackages } from './checkout.ts';
import { type Configured, lookAtConfiguration } from './configured.ts';
import { lookAtDaemon } from './daemon.ts';
import { type Finding, fine } from './finding.ts';
import { type Fixed, fixWhatCanBe } from './fix.ts';
import { lookAtDisks, lookAtFolders } from './folders.ts';
import { lookAtLeftovers } from './leftovers.ts';
import { type Look, type Looked, lookAtEach } from './look.ts';
import { lookAtPorts } from './ports.ts';
import { preflight, wantedPorts } from './preflight.ts';
import { lookAtAgents, lookAtNode, lookAtTmux } from './programs.ts';
import { lookAtStoreAnswer, lookAtStoreConditions } from './store.ts';

export async function doctor(call: Call, options: DoctorOptions): Promise<number> {
  if (options.kill !== undefined && !options.fix)
    throw usage('doctor', '--kill ends a process only together with --fix', `Say: todo doctor --fix --kill ${options.kill}`);
  const ports = options.port ?? [];
  using spinner = await call.out.spin('looking at the machine, the home and the store');
  const fixed = options.fix ? await fixWhatCanBe(call, { ports, kill: options.kill ?? null, step: (text) => spinner.step(text) }) : [];
  const looked: Looked[] = [];
  const findings = options.quick
    ? await preflight(call, ports)
    : await wholeLook(
        call,
        ports,
        (it) => looked.push(it),
        (text) => spinner.step(text),
      );
  spinner.end();
  const status = worst(findings.map(({ severity }) => ({ status: severity })));
  call.out.json('doctor', {
    status,
    findings,
    fixed,
    ...(options.debug ? { looks: looked.map(({ name, tookMs, error }) => ({ name, tookMs, error })) } : {}),
  });
  if (options.debug) tellLooks(looked, call);
  show(findings, fixed, status, call);
  const failed = fixed.some(({ done }) => !done);
  return failed && status === 'healthy' ? healthExit.degraded : healthExit[status];
}

async function wholeLook(
  call: Call,
  ports: readonly number[],
  tell: (looked: Looked) => void,
  step: (text: string) => void,
): Promise<readonly Finding[]> {
  const configured = await lookAtConfiguration(call);
  const machine = await lookAtEach(machineLooks(call, configured, ports), clock, tell);
  const home =
    configured.config === null ? [] : await looking(call.open, (opened) => lookAtEach(homeLooks(call, opened, step), clock, tell));
  return [...configured.findings, ...[...machine, ...home].flatMap(({ findings }) => findings)];
}

/** Needs no configuration. */
const machineLooks = ({ env }: Call, { home, config }: Configured, ports: readonly number[]): Look[] => [
  { name: 'packages', look: lookAtPackages },
  { name: 'build', look: lookAtBuild },
  { name: 'folders', look: () => lookAtFolders(home, env) },
  { name: 'disk', look: () => lookAtDisks(home) },
  { name: 'ports', look: () => lookAtPorts(wantedPorts(config, ports), home) },
];

const homeLooks = (call: Call, opened: Opened, step: (text: string) => void): Look[] => [
  { name: 'node', look: () => lookAtNode(call.env, opened.world) },
  { name: 'tmux', look: () => lookAtTmux(opened) },
  { name: 'agents', look: () => lookAtAgents(opened) },
  { name: 'hooks', look: () => hooksOf(call, opened, step) },
  { name: 'daemon', look: () => lookAtDaemon(opened) },
  { name: 'leftovers', look: () => lookAtLeftovers(opened.world) },
  { name: 'store', look: () => lookAtStoreAnswer(call) },
  { name: 'store conditions', look: () => lookAtStoreConditions(call) },
];

/** Whether hooks of the agent that has some really fire; nothing where it is not installed, which its own finding says. */
async function hooksOf(call: Call, opened: Opened, step: (text: string) => void): Promise<readonly Finding[]> {
  const seen = await lookAtHooks(call, opened, step);
  if (seen.version === null) return [];
  const what = 'hooks of claude';
  if (seen.fires) return [fine(what, `fire: ${seen.events.join(', ')} within a turn of ${seen.tookMs} ms`)];
  return [{ what, severity: 'degraded', evidence: `do not fire: ${seen.why}`, mend: hooksRemedy(seen) }];
}

function tellLooks(looked: readonly Looked[], { out }: Call): void {
  for (const { name, tookMs, findings, error } of looked) {
    out.note(`debug  ${name}: ${tookMs} ms, ${findings.map(({ severity }) => severity).join(' ') || 'nothing to say'}`);
    if (error !== null) out.note(error);
  }
}

function show(findings: readonly Finding[], fixed: readonly Fixed[], status: HealthStatus, { out }: Call): void {
  for (const { what, done, how } of fixed)
    out.line(`${out.paint(done ? 'green' : 'red', done ? '✔ mended' : '✘ not mended')} ${what}: ${plain(how)}`);
  showComponents(
    findings.map(({ what, severity, evidence }) => ({ name: what, status: severity, reason: evidence, sinceMs: 0 })),
    out,
  );
  // Not in the table: a command is copied whole.
  for (const { what, mend } of findings) if (mend !== null) out.line(`${out.paint('cyan', '▸')} ${what}: ${plain(mend)}`);
  out.line(statusLine(status, out));
}
