import type { Limits } from './limits.ts';
import type { Sessions } from './sessions.ts';

export type Door = {
  /** Whether it can be reached from other machines: then whoever asks must be known, but for the question whether it lives. */
  readonly isOpen: boolean;
  /** Values of the Host header that mean us. Any other is a browser that was led here under another name (DNS rebinding). */
  readonly hosts: ReadonlySet<string>;
  /** SHA-256 of the secret, hex. */
  readonly tokenSha256: string;
  /** Cookies do not know ports: the name says whose it is. Known once it listens. */
  readonly cookie: { readonly name: string };
  readonly sessions: Sessions;
  readonly limits: Limits;
  readonly settings: { readonly loginsPerMinute: number; readonly freshPerMinute: number; readonly statusCacheMs: number };
  /** Of each answer: the page's name, or `other`. */
  served(page: string, status: number, tookMs: number): void;
  /** An error without a code: a defect of ours. */
  onDefect(error: unknown): void;
};
