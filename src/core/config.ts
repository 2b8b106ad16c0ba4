import { z } from 'zod';
import { environmentName } from './config-keys.ts';
import { autoAgent, builtInAgents, builtInRunners, fallbackRunner } from './runners.ts';
import { isObject } from './shape.ts';
import { storeMapProblems } from './store-map.ts';
import { storeMapSchema } from './store-map-schema.ts';

/** Seconds, as the keys of the earlier system are. Fractions are allowed so that tests need not wait. */
const seconds = (max: number) => z.number().min(0.01).max(max);
const day = 86_400;
/** What Redis listens at, as its clients write it. */
export const redisAddress = /^rediss?:\/\/\S+$/;
const percent = z.number().min(0.001).max(1000);

/** One policy's numbers; absent ones are those of its row (`resilience/policy.ts`). */
const policySettings = z
  .strictObject({
    /** Tries after the first; 0 never tries again. */
    max_retries: z.number().int().min(0).max(100).optional(),
    initial_delay: seconds(3600).optional(),
    max_delay: seconds(day).optional(),
    backoff_factor: z.number().min(1).max(10).optional(),
  })
  .default({});

/** One breaker's numbers; absent ones are those of its profile (`resilience/profiles.ts`). */
const breakerSettings = z
  .strictObject({
    /** All numbers at once; those beside it win. Absent: the profile of its own. */
    profile: z.enum(['default', 'aggressive', 'conservative']).optional(),
    /** Failures in a row that open it. */
    failure_threshold: z.number().int().min(1).max(1000).optional(),
    /** Probes in a row that close it. */
    success_threshold: z.number().int().min(1).max(1000).optional(),
    /** From opening to the first probe. */
    timeout: seconds(day).optional(),
    /** What that wait grows to while probes fail. */
    max_timeout: seconds(day).optional(),
  })
  .default({});

const agentName = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/);

const agentSettings = z.strictObject({
  /** command: an agent of its own, any program. Null: one that is known by its name. */
  kind: z.literal('command').nullable().default(null),
  command: z.string().min(1).nullable().default(null),
  /** Of kind command: {prompt} and {prompt_file} are put in; without one of them the prompt comes on standard input. */
  args: z.array(z.string()).default([]),
  session: z.enum(['child', 'tmux']).nullable().default(null),
  env: z.record(z.string(), z.string()).default({}),
  /** What a runner's program is asked with whether it works: exit code 0 within 5 s. Null: --version. */
  probe: z.array(z.string()).max(20).nullable().default(null),
  /** Between two such questions while the answer is good. */
  probe_interval: seconds(day).default(600),
  /** Names that must be in the environment, as keys are. */
  needs_env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/))
    .max(20)
    .default([]),
  /** Of kind command: exit codes that are about the account and not about the todo. */
  exit_codes: z.record(z.string().regex(/^([1-9]|[1-9]\d|1[01]\d|12[0-5])$/), z.enum(['auth', 'limit'])).default({}),
});

const runner = z.strictObject({
  agent: agentName,
  /** 0 first … 9 last, as of todos; of equals the one that stands first. */
  priority: z.number().int().min(0).max(9).default(5),
  enabled: z.boolean().default(true),
});

/**
 * `hooks/config.json`: one schema for file, environment (TODO_BEHAVIOR_COMPLETION_TIMEOUT …) and flags.
 * Times are seconds here because users of the earlier system know them so; code reads milliseconds through `inMs`.
 */
export const configSchema = z.strictObject({
  behavior: z
    .strictObject({
      /** Without a sign of progress (or since the start, see timeout_basis) for this long the emergency handler looks at the run. */
      completion_timeout: seconds(30 * day).default(300),
      /** The absolute maximum: a run ends here by emergency.action. */
      emergency_timeout: seconds(30 * day).default(1800),
      timeout_basis: z.enum(['silence', 'elapsed']).default('silence'),
      completion_timeout_action: z.enum(['warn', 'complete', 'reset']).default('warn'),
      /** Extra hard cap from the start with basis silence; null = none. A todo's own --timeout wins. */
      run_max: seconds(365 * day)
        .nullable()
        .default(null),
      /** Per store operation; destroys the connection. */
      database_timeout: seconds(3600).default(30),
      /** Until the tunnel of store.ssh stands. */
      ssh_timeout: seconds(3600).default(30),
      /** Tries of one round of a step that fails. */
      max_retries: z.number().int().min(1).max(100).default(3),
      /** true: 2^attempt seconds between tries; false: always 2 seconds. */
      exponential_backoff: z.boolean().default(true),
      health_check_interval: seconds(day).default(300),
      /** false: the simple completion (what the store knows, minimal report) by the same loop. */
      enable_robust_completion: z.boolean().default(true),
      /** false: no timers end anything; health says so. */
      enable_emergency_handlers: z.boolean().default(true),
      auto_recovery: z.boolean().default(true),
      /** true: a person is told, once a run, that it is likely to hang or fail. false: it is only shown where somebody asks. */
      act_on_prediction: z.boolean().default(false),
      /** Heals by hand in a minute (`todo heal`); more is refused with the time to wait. */
      heals_per_minute: z.number().int().min(1).max(1000).default(6),
      /** false: ended runs stay in runs/ instead of moving to the archive. */
      auto_archive: z.boolean().default(true),
      /** false: orphaned sessions are listed, never archived by the daemon. */
      cleanup_orphaned: z.boolean().default(true),
      /** false: the daemon starts no todo by itself; `todo run` still does. */
      auto_continue: z.boolean().default(true),
      /** How often a conversational agent is sent back after failed checks. */
      max_rounds: z.number().int().min(0).max(100).default(3),
      /** How long the agent's Stop hook waits for the verdict of the checks. */
      hook_wait: seconds(600).default(540),
      /** After the word, where an agent reports no turns, until the session is ended. */
      quiet_after: seconds(600).default(10),
      /** Between TERM and KILL. */
      term_grace: seconds(600).default(10),
      check_timeout: seconds(day).default(600),
      /** How long a daemon that stops or restarts waits for what it began; then it is cut short, and the next one goes on from its last fact. */
      drain_timeout: seconds(600).default(25),
      /** What happens when a completion cannot be finished for good. */
      last_resort: z.enum(['dead-letter', 'reset']).default('dead-letter'),
      lease: seconds(3600).default(60),
    })
    .prefault({}),
  emergency: z.strictObject({ action: z.enum(['complete', 'reset', 'stall']).default('complete') }).prefault({}),
  paths: z
    .strictObject({
      /** Legacy marker; null switches it off. */
      task_completed: z.string().min(1).nullable().default(null),
      /** Legacy pointer; null switches it off. */
      current_todo: z.string().min(1).nullable().default(null),
      /** Prefix of legacy session folders; null switches them off. */
      session_prefix: z.string().min(1).nullable().default(null),
      archive: z.string().min(1).nullable().default(null),
      logs: z.string().min(1).nullable().default(null),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      max_size_mb: z.number().min(0.001).max(10_000).default(10),
      max_files: z.number().int().min(1).max(1000).default(10),
    })
    .prefault({}),
  store: z
    .strictObject({
      /** Absent or sqlite: = the home's todo.db; mysql://user:pass@host:port/db. */
      url: z.string().min(1).nullable().default(null),
      /** File (0600) whose first line is the password. */
      password_file: z.string().min(1).nullable().default(null),
      table_prefix: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,30}$/)
        .or(z.literal(''))
        .default(''),
      pool: z.number().int().min(1).max(100).default(4),
      /** For so long what was recorded is looked for again after a failover, and written again where the server lost it; 0 = never. A server's store only. */
      receipts: z
        .number()
        .min(0)
        .max(7 * day)
        .default(day),
      /** An existing table as the table of todos; null = our own. */
      map: storeMapSchema.nullable().default(null),
      /** The database is reached through this SSH server (`ssh -N -L`); the hosts of store.url are as it knows them. */
      ssh: z
        .strictObject({
          host: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/),
          port: z.number().int().min(1).max(65_535).nullable().default(null),
          user: z
            .string()
            .regex(/^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$/)
            .nullable()
            .default(null),
          /** The path of a private key; null: what ssh itself finds. */
          key: z.string().min(1).nullable().default(null),
          known_hosts: z.string().min(1).nullable().default(null),
        })
        .nullable()
        .default(null),
    })
    .prefault({}),
  slots: z
    .strictObject({
      total: z.number().int().min(0).max(1000).default(4),
      agent: z.number().int().min(0).max(1000).default(2),
      project: z.number().int().min(0).max(1000).default(1),
    })
    .prefault({}),
  run: z
    .strictObject({
      /** Bytes of output.log at which the run is ended. */
      output_max: z
        .number()
        .int()
        .min(1024)
        .max(1024 ** 4)
        .default(1024 ** 3),
      /** Attempts of policy `job`: lost runs and spawn errors. */
      attempts: z.number().int().min(1).max(100).default(5),
      /** First delay of policy `job`. */
      retry_delay: seconds(3600).default(1),
      resets: z.number().int().min(0).max(100).default(3),
    })
    .prefault({}),
  monitoring: z
    .strictObject({
      /** Called on emergencies. */
      webhook_url: z.url().nullable().default(null),
      /** Chokidar wakes the scan; false leaves the rescan alone. */
      watcher: z.boolean().default(true),
      rescan: seconds(day).default(2),
      /** A daemon whose event loop stands still for so long leaves where it stood and ends itself; 0 = never. */
      blocked_limit: z.number().min(0).max(day).default(60),
    })
    .prefault({}),
  /** A daemon that starts itself anew in place: a person asks, or the health monitor. Restarts by the watchdog count, too. */
  restart: z
    .strictObject({
      cooldown: z.number().min(0).max(day).default(300),
      per_hour: z.number().int().min(0).max(1000).default(4),
      per_day: z.number().int().min(0).max(10_000).default(12),
      /** A build under which a daemon has lived so long is kept as the last good one. */
      good_after: seconds(day).default(60),
    })
    .prefault({}),
  server: z
    .strictObject({
      /** Status, health and metrics over HTTP; null = no server, 0 = any port that is free, the last one again where it is (http.json of the home names it). */
      port: z.number().int().min(0).max(65_535).nullable().default(null),
      /** The address to listen at. Another than loopback needs allow_remote. */
      host: z
        .string()
        .regex(/^[A-Za-z0-9.:-]{1,253}$/)
        .default('127.0.0.1'),
      /** Other machines may ask, with the token; without it they learn only whether it lives. */
      allow_remote: z.boolean().default(false),
      /** Further names that the server is asked by (a proxy's, this machine's); any other Host header is refused. */
      names: z
        .array(z.string().regex(/^[A-Za-z0-9.:[\]-]{1,253}$/))
        .max(20)
        .default([]),
      /** Sessions, counts of tries and kept answers are in this Redis, too, and asked of it first; null: REDIS_URL of the environment says where, else none. */
      redis_url: z
        .string()
        .regex(redisAddress, 'redis://[user:password@]host[:port][/number], or rediss:// for TLS')
        .nullable()
        .default(null),
      /** A login that is not used ends after this; whatever is done with it after session_max. */
      session_idle: seconds(365 * day).default(day / 3),
      session_max: seconds(365 * day).default(7 * day),
      /** Tries of one address to log in; all together may try five times as often. */
      logins_per_minute: z.number().int().min(1).max(10_000).default(10),
      /** What /api/status asks of the store is kept for so long; 0 = asked each time. */
      status_cache: z.number().min(0).max(day).default(15),
      /** How often one who asks may have it looked at anew at once (`?fresh=1`). */
      fresh_per_minute: z.number().int().min(1).max(10_000).default(6),
    })
    .prefault({}),
  resource: z
    .strictObject({
      /** park: a run that meets its provider's usage limit waits until that is over. block: it waits for a person. */
      usage_limits: z.enum(['park', 'block']).default('park'),
      /** How long, where the provider does not say until when. */
      wait: seconds(30 * day).default(1800),
      /** The longest that such a wait may be, whatever the provider says; then it is tried again. */
      wait_max: seconds(365 * day).default(8 * day),
      /** So many runs of a todo in a row, then it waits for a person. */
      limits_max: z.number().int().min(1).max(1000).default(20),
      /** Between two looks at memory, CPU, disk, event loop, open files and the agents' processes. */
      interval: seconds(day).default(60),
      /** Between two looks at what the daemon needs: store, tmux, webhook, agents' programs. */
      probe_interval: seconds(day).default(30),
      /** Percent of what the daemon may have. */
      memory_warning: percent.default(80),
      memory_critical: percent.default(90),
      /** What the daemon may have at most; null = what its container or the machine has. */
      max_memory_mb: z.number().min(1).max(10_000_000).nullable().default(null),
      /** Percent of a core, for longer than … seconds. */
      cpu_warning: percent.default(80),
      cpu_warning_after: seconds(day).default(300),
      cpu_critical: percent.default(95),
      cpu_critical_after: seconds(day).default(120),
      /** Percent of what the machine has. */
      machine_cpu_warning: percent.default(90),
      machine_memory_warning: percent.default(85),
      machine_disk_warning: percent.default(90),
      /** Percent of the open files that the daemon may have. */
      files_warning: percent.default(80),
      /** The event loop stood still for so long. */
      loop_warning: seconds(3600).default(1),
      /** A thread of the pool must come free within this. */
      pool_within: seconds(600).default(1),
      /** The shortest time over which growing memory is called a leak. */
      leak_window: seconds(30 * day).default(1800),
      /** false: it tells and acts on nothing. */
      actions: z.boolean().default(true),
      /** Between two steps against the same trouble. */
      cooldown: seconds(day).default(300),
      /** How long a CPU profile is taken. */
      profile_time: seconds(600).default(10),
    })
    .prefault({}),
  policies: z
    .strictObject({
      /** Deliveries: webhooks. */
      default: policySettings,
      /** Run attempts; `max_retries` and `initial_delay` win over run.attempts and run.retry_delay. */
      job: policySettings,
      /** Steps of a completion; `max_retries` wins over behavior.max_retries. */
      record: policySettings,
    })
    .prefault({}),
  breakers: z
    .strictObject({
      store: breakerSettings,
      /** Child processes and tmux windows: a breaker each, the same numbers. */
      runner: breakerSettings,
      /** Each runner of the chain (`runners`) by itself: runs that it lost, one after the other. */
      agent: breakerSettings,
      webhook: breakerSettings,
    })
    .prefault({}),
  agents: z.record(agentName, agentSettings).default({}),
  /** Who may work on todos of agent `auto`: the best one that is well is taken for each run. */
  runners: z.array(runner).max(20).default([]),
});

export type Config = z.infer<typeof configSchema>;

export type BreakerNumbers = z.infer<typeof breakerSettings>;

export const defaultConfig = (): Config => configSchema.parse({});

export const settingsOf = (config: Config, agent: string): z.infer<typeof agentSettings> => config.agents[agent] ?? agentSettings.parse({});

/** Keys of the earlier system's file that have no function here: one warning each, never an error. */
export const retiredKeys: Readonly<Record<string, string>> = {
  'database.charset': 'the store always talks utf8mb4',
  'database.port': 'give the port in store.url',
};

export type ConfigProblem = { readonly key: string; readonly got: string; readonly bound: string; readonly fix: string };
export type ParsedConfig =
  | { readonly config: Config; readonly warnings: readonly string[] }
  | { readonly problems: readonly ConfigProblem[] };

/** Takes what file, environment and flags gave, merged, and answers with a whole config or with all that is wrong at once. */
export function parseConfig(raw: unknown): ParsedConfig {
  const { cleaned, warnings } = withoutRetired(raw);
  const result = configSchema.safeParse(cleaned);
  const mapping = wrongMapping(cleaned);
  if (!result.success) return { problems: [...result.error.issues.flatMap((issue) => problemsOf(issue, cleaned)), ...mapping] };
  const orders = [...wrongOrders(result.data), ...wrongAgents(result.data), ...mapping];
  return orders.length > 0 ? { problems: orders } : { config: result.data, warnings };
}

function withoutRetired(raw: unknown): { cleaned: unknown; warnings: string[] } {
  if (!isObject(raw)) return { cleaned: raw, warnings: [] };
  const warnings: string[] = [];
  const cleaned: Record<string, unknown> = structuredCloneOf(raw);
  for (const [key, why] of Object.entries(retiredKeys)) {
    const [room = '', name = ''] = key.split('.');
    const section = cleaned[room];
    if (isObject(section) && name in section) {
      delete section[name];
      warnings.push(`"${key}": ${why}`);
    }
  }
  adoptDatabase(cleaned, warnings);
  return { cleaned, warnings };
}

/** `database.host/user/db_name/table_prefix` of the earlier file are read as the store's address. */
function adoptDatabase(cleaned: Record<string, unknown>, warnings: string[]): void {
  const database = cleaned['database'];
  if (!isObject(database)) return;
  const { host, user, db_name, table_prefix, password, ...unknownKeys } = database;
  if (Object.keys(unknownKeys).length > 0) {
    cleaned['database'] = unknownKeys;
    return;
  }
  delete cleaned['database'];
  const store = isObject(cleaned['store']) ? cleaned['store'] : {};
  if (typeof host === 'string' && typeof db_name === 'string' && store['url'] === undefined) {
    const account =
      typeof user === 'string'
        ? `${encodeURIComponent(user)}${typeof password === 'string' ? `:${encodeURIComponent(password)}` : ''}@`
        : '';
    store['url'] = `mysql://${account}${host}/${encodeURIComponent(db_name)}`;
    warnings.push('"database" is read as store.url; write store.url instead');
  }
  if (typeof table_prefix === 'string' && store['table_prefix'] === undefined) store['table_prefix'] = table_prefix;
  cleaned['store'] = store;
}

function wrongOrders({ behavior, resource, server }: Config): ConfigProblem[] {
  const pairs = [
    ['behavior.completion_timeout', behavior.completion_timeout, 'behavior.emergency_timeout', behavior.emergency_timeout],
    ['resource.memory_warning', resource.memory_warning, 'resource.memory_critical', resource.memory_critical],
    ['resource.cpu_warning', resource.cpu_warning, 'resource.cpu_critical', resource.cpu_critical],
  ] as const;
  const problems: ConfigProblem[] = pairs
    .filter(([, low, , high]) => low > high)
    .map(([key, low, bound, high]) => ({
      key,
      got: String(low),
      bound: `at most ${bound} (${high})`,
      fix: `lower ${key.split('.')[1]} or raise ${bound.split('.')[1]}`,
    }));
  if (!isLoopback(server.host) && !server.allow_remote)
    problems.push({
      key: 'server.host',
      got: JSON.stringify(server.host),
      bound: 'an address of this machine alone (127.0.0.1, ::1, localhost)',
      fix: 'set server.allow_remote to true if other machines shall reach it; they then need the token',
    });
  return problems;
}

/** Definitions of agents that could never be started, and runners that nobody defined. */
function wrongAgents({ agents, runners }: Config): ConfigProblem[] {
  const commands = Object.entries(agents).filter(([, { kind }]) => kind === 'command');
  const problems: ConfigProblem[] = [];
  for (const [name, { command }] of commands) {
    const key = `agents.${name}`;
    if ([...builtInAgents, autoAgent, fallbackRunner].includes(name))
      problems.push({ key, got: 'kind "command"', bound: 'a name that is not taken', fix: `give it another name than "${name}"` });
    if (command === null)
      problems.push({ key: `${key}.command`, got: 'nothing', bound: 'the program of an agent of kind "command"', fix: 'name its program' });
  }
  const known = [...builtInRunners, ...commands.map(([name]) => name)];
  for (const [at, { agent }] of runners.entries()) {
    const key = `runners.${at}.agent`;
    const got = JSON.stringify(agent);
    const bound = `one of ${known.join(', ')}`;
    const nearest = known.map((name) => ({ name, distance: editDistance(agent, name) })).sort((a, b) => a.distance - b.distance)[0];
    if (agent === 'shell') problems.push({ key, got, bound, fix: 'a shell would run the words of a prompt as commands' });
    else if (agent === fallbackRunner) problems.push({ key, got, bound, fix: 'leave it out: it is always there, and always the last' });
    else if (!known.includes(agent))
      problems.push({
        key,
        got,
        bound,
        fix:
          nearest && nearest.distance <= 3
            ? `did you mean "${nearest.name}"?`
            : `define it: agents.${agent}.kind "command" and its command`,
      });
    else if (runners.findIndex((it) => it.agent === agent) < at)
      problems.push({ key, got, bound: 'each agent once', fix: 'remove one of them' });
  }
  return problems;
}

/** Nobody but this machine can reach it. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** Told beside what is wrong elsewhere: each mistake that is found late costs a start. */
function wrongMapping(cleaned: unknown): readonly ConfigProblem[] {
  const store = isObject(cleaned) && isObject(cleaned['store']) ? cleaned['store'] : {};
  const map = storeMapSchema.safeParse(store['map']);
  return map.success ? storeMapProblems(map.data, typeof store['url'] === 'string' ? store['url'] : null) : [];
}

function problemsOf(issue: z.core.$ZodIssue, raw: unknown): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const key = [...path, name].join('.');
      const nearest = nearestKey(key);
      return { key, got: 'an unknown key', bound: 'known keys only', fix: nearest ? `did you mean "${nearest}"?` : 'remove it' };
    });
  }
  const key = path.join('.') || '(whole file)';
  const value = path.reduce<unknown>((at, part) => (isObject(at) ? at[part] : undefined), raw);
  return [
    {
      key,
      got: value === undefined ? 'nothing' : JSON.stringify(value),
      bound: issue.message,
      fix: `set it in hooks/config.json or ${environmentName(key)}`,
    },
  ];
}

/** All keys that hold a value, dotted. */
export function knownKeys(): string[] {
  const defaults = defaultConfig() as unknown as Record<string, unknown>;
  return Object.entries(defaults).flatMap(([room, section]) =>
    isObject(section) && room !== 'agents' ? Object.keys(section).map((name) => `${room}.${name}`) : [room],
  );
}

function nearestKey(key: string): string | null {
  const ranked = knownKeys()
    .map((known) => ({
      known,
      distance: Math.min(editDistance(key, known), editDistance(key.split('.').at(-1) ?? key, known.split('.').at(-1) ?? known) + 1),
    }))
    .sort((a, b) => a.distance - b.distance)[0];
  return ranked && ranked.distance <= 6 ? ranked.known : null;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const structuredCloneOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
