/** What is said about a todo and laid beside it. Rows are only ever added. */

/** One remark of a person or of an agent. */
export type Comment = {
  /** UUIDv7, made by us: written twice is once. */
  readonly id: string;
  readonly todoId: string;
  /** The run that said it; null for a person. */
  readonly runId: string | null;
  readonly atMs: number;
  /** Name of the person's account, or of the agent. */
  readonly author: string;
  readonly text: string;
};

/** A file that was laid beside a todo. Its content is kept by digest, once for all todos. */
export type Attachment = {
  readonly id: string;
  readonly todoId: string;
  readonly runId: string | null;
  readonly atMs: number;
  readonly author: string;
  /** Base name, without folders. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
};

/** A comment is read by people: what is longer is a file. */
export const commentBytesMax = 64 * 1024;

/** A log or a screenshot fits; as text of a database it is a third larger, which the smallest usual bound of a server (16 MiB) still takes. */
export const attachmentBytesMax = 8 * 1024 * 1024;

/** What a name may have: one component of a path on every file system. */
export const attachmentNameBytesMax = 200;
