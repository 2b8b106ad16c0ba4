/** What a unit of systemd says of one home. Paths are absolute. */
export type UnitSettings = {
  readonly scope: 'system' | 'user';
  readonly home: string;
  /** `bin/todo`. */
  readonly program: string;
  /** The user that daemon and agents run as; a user's own unit has none. */
  readonly account: string | null;
  /** PATH of the daemon and all that it starts; a service inherits no shell's. */
  readonly path: string;
  /** The Node that a person chose; null = the launcher finds one. */
  readonly node: string | null;
  /** How long a drain may take. */
  readonly drainMs: number;
};

/** First line of every unit that is ours: what has another one is left alone. */
export const unitMark = '# Written by `todo service install`; `todo service uninstall` removes it.';

/** Pings come at a third of it, and a restart in place takes a drain and a start without one. */
const watchdogSec = 90;

export function unitText(settings: UnitSettings): string {
  const { scope, home, program, account, drainMs } = settings;
  return `${unitMark}
[Unit]
Description=Signoff: todos of coding agents, home ${specifier(home)}
${scope === 'system' ? 'Wants=network-online.target\nAfter=network-online.target mariadb.service mysql.service\n' : ''}# As often as \`todo watchdog\` would: after the fifth in ten minutes it stays down and somebody must look.
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=notify
# The words of sd_notify are sent by systemd-notify, a child; agents do not get the socket's name.
NotifyAccess=all
ExecStart=${argument(program)} daemon run --home ${argument(home)}
ExecReload=/bin/kill -HUP $MAINPID
${account === null ? '' : `User=${account}\n`}WorkingDirectory=${specifier(home)}
Environment=${quoted(`PATH=${settings.path}`)}
${settings.node === null ? '' : `Environment=${quoted(`TODO_NODE=${settings.node}`)}\n`}# A ping is sent by a pass of the loop while todos are scheduled, after a write to the journal: whichever of them stands still, no ping comes.
WatchdogSec=${watchdogSec}
TimeoutStartSec=120
TimeoutStopSec=${Math.ceil(drainMs / 1000) + 30}
Restart=on-failure
RestartSec=2
# A wrong configuration, and a watchdog that has given up: another start would help nobody.
RestartPreventExitStatus=78 125
# Agents live on when the daemon ends, is restarted or dies; the next one finds them. The other modes would end them with it.
KillMode=process
# An agent that the kernel ends for its memory must not end the daemon.
OOMPolicy=continue

NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
${scope === 'system' ? hardening : ''}
[Install]
WantedBy=${scope === 'system' ? 'multi-user.target' : 'default.target'}
`;
}

/**
 * What agents can do without: they build, test and talk to the network, and administer nothing. Left open on purpose: /tmp (markers, tmux), homes (their
 * work), namespaces (their own sandboxes), writable and executable memory (every JIT), devices (emulators; ProtectClock would close them).
 */
const hardening = `CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=full
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
KeyringMode=private
`;

/** systemd.unit(5): a percent sign begins a specifier. */
const specifier = (text: string): string => text.replaceAll('%', '%%');

/** systemd.syntax(7): one word, whatever it holds. */
const quoted = (text: string): string => `"${specifier(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** Of a command line: there a dollar sign would begin a variable. */
const argument = (text: string): string => quoted(text).replaceAll('$', () => '$$');
