import type { Config } from './config.ts';
import { isObject, parsedJson } from './shape.ts';
import type { Run, Todo } from './todo.ts';

/** What a home last saw of a store that may be away: its newest todos with their runs. */
export type Snapshot = {
  readonly v: 1;
  /** When the store was asked. */
  readonly atMs: number;
  /** Digest of `storeIdentity`: what was seen of one store says nothing about another. */
  readonly of: string;
  readonly waiting: number;
  /** False: older todos are not in it. */
  readonly isWhole: boolean;
  readonly todos: readonly SnapshotTodo[];
};
export type SnapshotTodo = { readonly todo: Todo; readonly runs: readonly Run[] };

/** Beside the journal, private as it is. */
export const snapshotPath = ({ database }: { readonly database: string }): string =>
  `${database.slice(0, database.lastIndexOf('/') + 1)}snapshot.json`;

/** What makes two stores the same one, without the password. */
export const storeIdentity = ({ url, table_prefix, map }: Config['store']): string =>
  JSON.stringify([url?.replace(/^([a-z]+:\/\/[^/@:]*):[^/]*@/, '$1@') ?? null, table_prefix, map]);

/** A list of todos is read for what they are; a prompt may be megabytes. */
const textCharsMax = 2000;
const cut = (text: string): string => (text.length <= textCharsMax ? text : `${text.slice(0, textCharsMax)}… (${text.length} characters)`);

export const asKept = (todo: Todo): Todo => ({ ...todo, prompt: cut(todo.prompt), reason: todo.reason === null ? null : cut(todo.reason) });

type Sha256 = (text: string) => string;

/** `todos` are those of the snapshot as JSON. One line, and one with its digest: half a file is none. */
export function snapshotText(about: Omit<Snapshot, 'v' | 'todos'>, todos: readonly string[], sha256: Sha256): string {
  const head = JSON.stringify({ v: 1, ...about });
  const line = `${head.slice(0, -1)},"todos":[${todos.join(',')}]}`;
  return `${line}\nsha256 ${sha256(line)}\n`;
}

/** Null where it is not whole, or not of that store. */
export function parseSnapshot(text: string, of: string, sha256: Sha256): Snapshot | null {
  const end = text.indexOf('\n');
  const line = text.slice(0, Math.max(0, end));
  if (text.slice(end + 1) !== `sha256 ${sha256(line)}\n`) return null;
  const value = parsedJson(line);
  return isObject(value) && value['v'] === 1 && value['of'] === of ? (value as Snapshot) : null;
}
