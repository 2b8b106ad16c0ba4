import type { ErrorCode } from '../core/errors.ts';
import { isOperational, type OperationalError, retryOf } from '../core/errors.ts';
import { Refused, TimedOut } from './errors.ts';

/** What kind of failure it was: all that a policy and a breaker ask about an error. */
export type ErrorClass =
  /** Who does the work is not there: no such program, no terminal, an agent that will not start (the offline printer of the earlier system). */
  | 'runner_offline'
  /** A limit is used up until it is reset (the printer without paper). */
  | 'quota_exhausted'
  | 'network'
  /** This or that machine has no room left: disk, memory, handles. */
  | 'resource'
  /** The other side asks for another try, or did not answer in time. */
  | 'temporary'
  /** No try will ever help. */
  | 'permanent'
  /** Wrong credentials. A person mends that; another provider may work. */
  | 'auth'
  /** The request itself is wrong; it is so for every provider. */
  | 'invalid'
  /** Never sent: a breaker is open or a bulkhead full. */
  | 'refused'
  /** A mistake in a program. */
  | 'defect';

export const errorClasses = [
  'runner_offline',
  'quota_exhausted',
  'network',
  'resource',
  'temporary',
  'permanent',
  'auth',
  'invalid',
  'refused',
  'defect',
] as const satisfies readonly ErrorClass[];

/** Errors that say something about the health of the other side. All others are an answer: they neither open nor close a breaker. */
export const saysUnhealthy: Readonly<Record<ErrorClass, boolean>> = {
  runner_offline: true,
  quota_exhausted: true,
  network: true,
  resource: true,
  temporary: true,
  permanent: false,
  auth: false,
  invalid: false,
  refused: false,
  defect: false,
};

/** The class of anything that was thrown: our own errors by their code, those of Node, HTTP and SMTP by what they carry, all else a defect. */
export function classOf(error: unknown): ErrorClass {
  if (error instanceof Refused) return 'refused';
  if (error instanceof TimedOut) return 'temporary';
  if (isOperational(error)) return ofAnswer(error) ?? ofCode(error.code);
  if (typeof error !== 'object' || error === null) return 'defect';
  const { code, status, statusCode, responseCode } = error as Record<string, unknown>;
  if (typeof code === 'string' && ofSystem.has(code)) return ofSystem.get(code)!;
  const http = typeof status === 'number' ? status : statusCode;
  if (typeof http === 'number') return ofStatus(http);
  if (typeof responseCode === 'number') return ofReply(responseCode);
  return 'defect';
}

/** Where the error table of `core/` says less than we need; every other code follows from its `retry`. */
const narrower: Partial<Record<ErrorCode, ErrorClass>> = {
  STORE_UNREACHABLE: 'network',
  STORE_TIMEOUT: 'network',
  NETWORK_FAILED: 'network',
  STORE_FULL: 'resource',
  DISK_FULL: 'resource',
  STORE_ACCESS: 'auth',
  SPAWN_FAILED: 'runner_offline',
  TMUX_UNAVAILABLE: 'runner_offline',
  USAGE: 'invalid',
  BAD_DATA: 'invalid',
  CONFIG_INVALID: 'invalid',
};

/** Of an error of ours of which only the code is left. */
export const ofCode = (code: ErrorCode): ErrorClass => narrower[code] ?? (retryOf(code) === 'never' ? 'permanent' : 'temporary');

const ofSystem: ReadonlyMap<string, ErrorClass> = new Map(
  (
    [
      [
        'network',
        'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ' +
          'UND_ERR_SOCKET UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT PROTOCOL_CONNECTION_LOST ESOCKET',
      ],
      ['resource', 'ENOSPC EDQUOT EMFILE ENFILE ENOMEM ENOBUFS'],
      ['temporary', 'EAGAIN EBUSY EINTR'],
      ['auth', 'EAUTH'],
      ['permanent', 'EACCES EPERM EROFS'],
    ] as const
  ).flatMap(([errorClass, codes]) => codes.split(' ').map((code) => [code, errorClass] as const)),
);

/** A receiver that answered has told more than that the network failed. */
function ofAnswer(error: OperationalError & { readonly status?: unknown }): ErrorClass | null {
  return error.code === 'NETWORK_FAILED' && typeof error.status === 'number' ? ofStatus(error.status) : null;
}

function ofStatus(status: number): ErrorClass {
  if (status === 429 || status === 402) return 'quota_exhausted';
  if (status === 401 || status === 403 || status === 407) return 'auth';
  if (status === 408 || status === 409 || status === 423 || status === 425) return 'temporary';
  if (status === 501 || status === 505 || status === 410) return 'permanent';
  if (status === 507) return 'resource';
  if (status >= 500) return 'temporary';
  return status >= 400 ? 'invalid' : 'defect';
}

/** SMTP: 4xx asks to come back, 5xx never takes it; 530, 534, 535 are about who we are. */
function ofReply(reply: number): ErrorClass {
  if (reply === 530 || reply === 534 || reply === 535) return 'auth';
  if (reply === 452 || reply === 552) return 'resource';
  if (reply >= 400 && reply < 500) return 'temporary';
  return reply >= 500 ? 'permanent' : 'defect';
}
