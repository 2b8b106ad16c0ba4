import type { Config } from '../core/config.ts';
import type { Component } from '../core/control.ts';
import type { LeakVerdict } from '../core/leak.ts';
import { boundsOf, type Gauge, type GaugeName, type Level, type MachineFigures, type SelfFigures } from '../core/resources.ts';
import type { HealthStatus } from '../core/words.ts';

/** What was measured last, with the words for the runs that it is about. */
export type Measured = {
  readonly nowMs: number;
  readonly config: Pick<Config, 'resource'>;
  readonly gauges: ReadonlyMap<string, Gauge>;
  readonly self: SelfFigures;
  readonly machine: MachineFigures;
  readonly limit: { readonly bytes: number; readonly by: string };
  readonly leak: LeakVerdict;
  readonly agents: readonly {
    readonly runId: string;
    readonly name: string;
    readonly rssBytes: number;
    readonly givesWay: boolean;
    /** Why it does not, though it should. */
    readonly keepsIt: string | null;
  }[];
  /** What is being done about it, in words. */
  readonly acting: readonly string[];
};

/** Resources never make the daemon unhealthy: whoever restarts what is unhealthy would cut in on the steps that it takes by itself. */
const statusOf: Readonly<Record<Level, HealthStatus>> = { ok: 'healthy', warning: 'degraded', critical: 'degraded', unknown: 'unknown' };

export function resourceComponents(it: Measured): readonly Component[] {
  const { self, machine, limit, leak } = it;
  const gauge = (name: GaugeName): Gauge | null => it.gauges.get(name) ?? null;
  const part = (name: string, gauges: readonly GaugeName[], fine: string, evidence: Component['evidence'], whatToDo: string): Component => {
    const levels = gauges.map((key) => gauge(key)?.level ?? 'unknown');
    const level = worstLevel(levels);
    const wrong = gauges.filter((_, at) => levels[at] !== 'ok').map((key) => sentence(key, gauge(key), it.config));
    return {
      name,
      status: statusOf[level],
      reason: wrong.length === 0 ? fine : [...wrong, ...(level === 'unknown' ? [] : it.acting)].join('; '),
      sinceMs: it.nowMs,
      evidence: { level, ...evidence },
      whatToDo: level === 'ok' ? null : whatToDo,
    };
  };
  const used = `${megabytes(self.rssBytes)} of ${megabytes(limit.bytes)} MB (${limit.by})`;
  const memory = part(
    'memory',
    ['memory'],
    used,
    {
      percent: percent(gauge('memory')?.value),
      rssMb: megabytes(self.rssBytes),
      limitMb: megabytes(limit.bytes),
      limitBy: limit.by,
      heapMb: megabytes(self.heapUsedBytes),
      mbPerHour: leak.kind === 'too-early' ? null : megabytes(leak.bytesPerHour),
    },
    'See: todo health --history --metric memory_percent. Give it more (--max-memory, the container), or: todo daemon restart',
  );
  return [
    leak.kind === 'growing' ? leaking(memory, leak.bytesPerHour) : memory,
    part(
      'cpu',
      ['cpu'],
      `${percent(gauge('cpu')?.value) ?? 0} % of a core`,
      { percent: percent(gauge('cpu')?.value) },
      'A profile lies in the folder of the logs; see: todo health --history --metric cpu_percent',
    ),
    part(
      'event-loop',
      ['loop', 'pool'],
      'it turns, and file work is done at once',
      {
        delayMs: rounded(self.loopDelayMs),
        busyPercent: percent(self.loopBusy),
        poolWaitMs: rounded(gauge('pool')?.value),
        threads: self.threads,
      },
      'Look for a disk or network folder that does not answer, then: todo daemon restart',
    ),
    part(
      'files',
      ['files'],
      `${self.openFiles} of ${self.openFilesMax} open, ${self.children} child processes`,
      { open: self.openFiles, max: self.openFilesMax, children: self.children },
      'Raise the limit of open files (LimitNOFILE, ulimit -n), or: todo daemon restart',
    ),
    part(
      'machine',
      ['machine-cpu', 'machine-memory', 'machine-disk'],
      `CPU ${percent(gauge('machine-cpu')?.value) ?? '?'} %, memory ${percent(gauge('machine-memory')?.value)} %, disk ${percent(gauge('machine-disk')?.value)} %`,
      {
        cpuPercent: percent(gauge('machine-cpu')?.value),
        memoryPercent: percent(gauge('machine-memory')?.value),
        diskPercent: percent(gauge('machine-disk')?.value),
        cores: machine.cores,
        memoryMb: megabytes(machine.memoryTotalBytes),
        memoryBy: machine.memoryLimitedBy,
      },
      'Run fewer agents at once (slots.total), or free what is short; see: todo health --history --component machine',
    ),
    agentsComponent(it),
  ];
}

/** An agent that computes does its work: that alone makes nothing worse. One that takes the memory of all does. */
function agentsComponent({ agents, gauges, nowMs, config }: Measured): Component {
  const told = agents.flatMap(({ runId, name, rssBytes, givesWay, keepsIt }) => {
    const cpu = gauges.get(`agent-cpu ${runId}`);
    const memory = gauges.get(`agent-memory ${runId}`);
    const heavy = memory?.level === 'warning' || memory?.level === 'critical';
    return [
      ...(heavy ? [`${name} has ${megabytes(rssBytes)} MB, ${percent(memory.value)} % of the memory`] : []),
      ...(cpu?.level === 'critical'
        ? [`${name} has used ${percent(cpu.value)} % of a core for more than ${config.resource.cpu_critical_after} s`]
        : []),
      ...(givesWay ? [`${name} gives way to others until it is over`] : []),
      ...(cpu?.level === 'critical' && keepsIt !== null ? [`${name} keeps its priority: ${keepsIt}`] : []),
    ];
  });
  const isHeavy = told.some((text) => text.endsWith('of the memory'));
  const blind = agents.some(
    ({ runId }) => gauges.get(`agent-cpu ${runId}`)?.level === 'unknown' && gauges.get(`agent-memory ${runId}`)?.level === 'unknown',
  );
  return {
    name: 'agent-processes',
    status: blind ? 'unknown' : isHeavy ? 'degraded' : 'healthy',
    reason: blind ? 'the processes of agents could not be seen' : told.join('; ') || `${agents.length} run`,
    sinceMs: nowMs,
    evidence: {
      runs: agents.length,
      givingWay: agents.filter(({ givesWay }) => givesWay).length,
      rssMb: megabytes(agents.reduce((sum, { rssBytes }) => sum + rssBytes, 0)),
    },
    whatToDo: isHeavy ? 'Nothing ends it by itself. See: todo show ID; end it with: todo cancel ID' : null,
  };
}

function leaking(memory: Component, bytesPerHour: number): Component {
  const told = `it grows by ${megabytes(bytesPerHour)} MB an hour, steadily: a leak`;
  return {
    ...memory,
    status: memory.status === 'unknown' ? 'unknown' : 'degraded',
    reason: `${memory.reason}; ${told}`,
    whatToDo: 'Restart it before it is full: todo daemon restart. Tell us with a heap profile.',
  };
}

const words: Readonly<Record<GaugeName, string>> = {
  memory: 'the daemon has used up %v % of its memory',
  cpu: 'the daemon uses %v % of a core',
  loop: 'the event loop stood still for %v ms',
  pool: 'no thread for file work came free within %v ms',
  files: '%v % of the files are open that may be',
  'machine-cpu': 'the CPU is %v % busy',
  'machine-memory': 'memory is %v % used',
  'machine-disk': 'the disk is %v % full',
};

function sentence(name: GaugeName, gauge: Gauge | null, config: Measured['config']): string {
  if (gauge === null || gauge.level === 'unknown') return `${name} could not be measured`;
  const isWait = name === 'loop' || name === 'pool';
  const value = isWait ? rounded(gauge.value) : percent(gauge.value);
  const bounds = boundsOf(name, config);
  const bound = (gauge.level === 'critical' ? bounds.critical : bounds.warning) ?? bounds.warning;
  const limit =
    bound === null
      ? ''
      : ` (${gauge.level} from ${isWait ? bound.value : percent(bound.value)}${bound.forMs > 0 ? ` for ${bound.forMs / 1000} s` : ''})`;
  return `${words[name].replace('%v', String(value ?? '?'))}${limit}`;
}

const levels: readonly Level[] = ['critical', 'warning', 'unknown', 'ok'];
export const worstLevel = (found: readonly Level[]): Level => levels.find((level) => found.includes(level)) ?? 'ok';

export const megabytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);
export const percent = (share: number | null | undefined): number | null =>
  share === null || share === undefined ? null : Math.round(share * 1000) / 10;
const rounded = (value: number | null | undefined): number | null => (value === null || value === undefined ? null : Math.round(value));
