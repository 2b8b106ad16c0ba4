import { OperationalError } from '../../src/core/errors.ts';
import type { FileStat, Files } from '../../src/world.ts';
import type { Dice } from './random.ts';

/**
 * A file system that keeps no more than POSIX promises: what was written is in the page cache, content is durable after `sync` of the
 * file, a name after `syncFolder` of its folder. A process may die as often as it likes; when power is lost, each change that was
 * not synced is lost or kept by itself, whatever came later.
 */
export class Disk {
  readonly root: FolderNode = newFolder(1, 0o755, 0);
  /** Told before each change by name, with what stands there now. */
  onChange: ((change: DiskChange) => void) | null = null;
  /** Nothing more can be written. */
  isFull: () => boolean = () => false;
  readonly #wallMs: () => number;
  #lastIno = 1;
  /** Changes of names that no folder sync has made durable, oldest first. */
  #pending: NameChange[] = [];
  #changes = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** The ports' view, for one who acts. */
  files(actor: Actor): DiskFiles {
    return new DiskFiles(this, actor);
  }

  /** Keeps by chance what was not synced, then starts from what is left. */
  losePower(dice: Dice): void {
    const mood = dice.weighted({ all: 1, none: 2, each: 4 });
    for (const change of this.#pending) {
      if (!change.durable && (mood === 'all' || (mood === 'each' && dice.chance(0.5)))) applyDurably(change);
      for (const { folder } of change.parts) folder.pending = [];
    }
    this.#pending = [];
    const seen = new Set<Node>();
    const restore = (node: Node): void => {
      if (seen.has(node)) return;
      seen.add(node);
      if (node.kind === 'folder') {
        node.names = new Map(node.durableNames);
        for (const child of node.names.values()) restore(child);
      } else if (node.kind === 'file') {
        node.content = survivingContent(node, dice);
        node.durable = node.content;
        node.dirty = false;
        node.mtimeMs = Math.min(node.mtimeMs, this.#wallMs());
      }
    };
    restore(this.root);
    for (const node of seen) node.nlink = 0;
    for (const node of seen) if (node.kind === 'folder') for (const child of node.names.values()) child.nlink++;
  }

  /** The node under a path, links not followed. */
  node(path: string): Node | null {
    let at: Node = this.root;
    for (let from = 1; from < path.length; ) {
      const slash = path.indexOf('/', from);
      const end = slash < 0 ? path.length : slash;
      if (at.kind !== 'folder') return null;
      const next: Node | undefined = at.names.get(path.slice(from, end));
      if (next === undefined) return null;
      at = next;
      from = end + 1;
    }
    return at;
  }

  file(path: string): FileNode | null {
    const node = this.node(path);
    return node?.kind === 'file' ? node : null;
  }

  parentOf(path: string): { folder: FolderNode; name: string } | null {
    const slash = path.lastIndexOf('/');
    const folder = slash <= 0 ? this.root : this.node(path.slice(0, slash));
    return folder?.kind === 'folder' ? { folder, name: path.slice(slash + 1) } : null;
  }

  newFile(content: Uint8Array, mode: number, uid: number): FileNode {
    return { kind: 'file', ino: ++this.#lastIno, content, durable: null, dirty: true, mode, uid, mtimeMs: this.#wallMs(), nlink: 0 };
  }

  newFolderNode(mode: number, uid: number): FolderNode {
    return newFolder(++this.#lastIno, mode, uid, this.#wallMs());
  }

  newSpecial(kind: 'symlink' | 'fifo', target: string, uid: number): SpecialNode {
    return { kind, ino: ++this.#lastIno, target, mode: 0o777, uid, mtimeMs: this.#wallMs(), nlink: 0 };
  }

  touch(node: Node): void {
    node.mtimeMs = this.#wallMs();
  }

  /** One atomic change of names: all its parts or none. */
  rename(parts: readonly NamePart[]): void {
    for (const { folder, name, node } of parts) {
      const old = folder.names.get(name);
      if (old !== undefined) old.nlink--;
      if (node === null) folder.names.delete(name);
      else {
        folder.names.set(name, node);
        node.nlink++;
      }
      folder.mtimeMs = this.#wallMs();
    }
    const change: NameChange = { parts: [...parts], durable: false, order: ++this.#changes };
    this.#pending.push(change);
    for (const folder of new Set(parts.map((part) => part.folder))) folder.pending.push(change);
    if (this.#pending.length > pendingMax) this.#pending = this.#pending.filter(({ durable }) => !durable);
  }

  /** All changes of names in this folder become durable; a rename that touches it does so in its other folder too. */
  syncNames(folder: FolderNode): void {
    for (const change of folder.pending) {
      if (change.durable) continue;
      applyDurably(change);
      // What came before it about the same name in another folder is past: it must not come back later.
      for (const now of change.parts) {
        if (now.folder === folder) continue;
        for (const earlier of now.folder.pending) {
          if (!earlier.durable && earlier.order < change.order)
            earlier.parts = earlier.parts.filter((part) => part.folder !== now.folder || part.name !== now.name);
        }
      }
    }
    folder.pending = [];
  }

  /** A text of all that is there, for comparing two moments. */
  fingerprint(skip: (path: string) => boolean = () => false): string {
    const lines: string[] = [];
    const walk = (node: Node, path: string): void => {
      if (skip(path)) return;
      if (node.kind === 'folder') for (const name of [...node.names.keys()].sort()) walk(node.names.get(name)!, `${path}/${name}`);
      else lines.push(`${path} ${node.ino} ${node.kind === 'file' ? Buffer.from(node.content).toString('latin1') : node.target}`);
    };
    walk(this.root, '');
    return lines.join('\n');
  }

  /** Every file under a folder, with its path. */
  *walk(path: string): Generator<{ path: string; file: FileNode }> {
    const node = this.node(path);
    if (node === null) return;
    if (node.kind === 'file') yield { path, file: node };
    if (node.kind === 'folder') for (const name of [...node.names.keys()].sort()) yield* this.walk(`${path}/${name}`);
  }
}

export type Actor = { readonly kind: 'daemon' | 'agent' | 'person' | 'nature'; readonly name: string; readonly uid: number };

export type FileNode = {
  readonly kind: 'file';
  readonly ino: number;
  content: Uint8Array;
  /** What a power loss leaves at least; null when it was never synced. */
  durable: Uint8Array | null;
  /** Changed since the last sync. After a failed sync it is clean all the same: the kernel has dropped the pages' mark. */
  dirty: boolean;
  mode: number;
  uid: number;
  mtimeMs: number;
  nlink: number;
};
export type FolderNode = {
  readonly kind: 'folder';
  readonly ino: number;
  names: Map<string, Node>;
  readonly durableNames: Map<string, Node>;
  pending: NameChange[];
  mode: number;
  uid: number;
  mtimeMs: number;
  nlink: number;
};
export type SpecialNode = {
  readonly kind: 'symlink' | 'fifo';
  readonly ino: number;
  readonly target: string;
  mode: number;
  uid: number;
  mtimeMs: number;
  nlink: number;
};
export type Node = FileNode | FolderNode | SpecialNode;

type NamePart = { readonly folder: FolderNode; readonly name: string; readonly node: Node | null };
type NameChange = { parts: NamePart[]; durable: boolean; readonly order: number };
/** The list is cleared of what is durable when it gets longer than this. */
const pendingMax = 500;

export type DiskChange = {
  readonly op: 'write' | 'append' | 'rename' | 'link' | 'unlink' | 'make-folder' | 'remove-folder' | 'sync' | 'sync-folder';
  readonly path: string;
  readonly to: string | null;
  readonly node: Node | null;
  readonly actor: Actor;
};

const newFolder = (ino: number, mode: number, uid: number, mtimeMs = 0): FolderNode => ({
  kind: 'folder',
  ino,
  names: new Map(),
  durableNames: new Map(),
  pending: [],
  mode,
  uid,
  mtimeMs,
  nlink: 1,
});

function applyDurably(change: NameChange): void {
  change.durable = true;
  for (const { folder, name, node } of change.parts) {
    if (node === null) folder.durableNames.delete(name);
    else folder.durableNames.set(name, node);
  }
}

const empty = new Uint8Array(0);

function survivingContent(file: FileNode, dice: Dice): Uint8Array {
  if (!file.dirty) return file.durable ?? empty;
  switch (dice.weighted({ old: 3, torn: 2, whole: 2 })) {
    case 'old':
      return file.durable ?? empty;
    case 'torn':
      return file.content.subarray(0, dice.int(0, file.content.length));
    case 'whole':
      return file.content;
  }
}

const absent = (operation: string, path: string): OperationalError =>
  new OperationalError('FILE_UNREADABLE', { operation, subject: path, why: 'ENOENT' });
const unwritable = (operation: string, path: string, why: string): OperationalError =>
  new OperationalError('FILE_UNWRITABLE', { operation, subject: path, why });

export class DiskFiles implements Files {
  readonly #disk: Disk;
  readonly #actor: Actor;

  constructor(disk: Disk, actor: Actor) {
    this.#disk = disk;
    this.#actor = actor;
  }

  read(path: string): Uint8Array | null {
    const node = this.#disk.node(path);
    if (node === null) return null;
    if (node.kind !== 'file') throw new OperationalError('FILE_UNREADABLE', { operation: 'reading', subject: path, why: `a ${node.kind}` });
    return node.content;
  }

  readText(path: string): string | null {
    const bytes = this.read(path);
    return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  }

  readRange(path: string, fromByte: number, lengthBytes: number): Uint8Array | null {
    return this.read(path)?.subarray(fromByte, fromByte + lengthBytes) ?? null;
  }

  readGuarded(path: string, maxBytes: number): { stat: FileStat; bytes: Uint8Array | null } | null {
    const node = this.#disk.node(path);
    if (node === null) return null;
    return { stat: statOf(node), bytes: node.kind === 'file' && node.content.length <= maxBytes ? node.content : null };
  }

  stat(path: string): FileStat | null {
    const node = this.#disk.node(path);
    return node === null ? null : statOf(node);
  }

  list(folder: string): readonly string[] {
    const node = this.#disk.node(folder);
    if (node === null) return [];
    if (node.kind !== 'folder') throw new OperationalError('FILE_UNREADABLE', { operation: 'listing', subject: folder, why: 'ENOTDIR' });
    return [...node.names.keys()].sort();
  }

  write(path: string, content: string | Uint8Array, mode = 0o600): void {
    const bytes = bytesOf(content);
    const parent = this.#parent('writing', path);
    this.#room('writing', path);
    const old = parent.folder.names.get(parent.name);
    this.#say('write', path, null, old ?? null);
    if (old === undefined) this.#disk.rename([{ ...parent, node: this.#disk.newFile(bytes, mode, this.#actor.uid) }]);
    else if (old.kind === 'file') this.#fill(old, bytes);
    else throw unwritable('writing', path, `a ${old.kind}`);
  }

  create(path: string, content: string | Uint8Array, mode = 0o600): boolean {
    const parent = this.#parent('creating', path);
    if (parent.folder.names.has(parent.name)) return false;
    this.write(path, content, mode);
    return true;
  }

  append(path: string, content: string): void {
    const parent = this.#parent('appending to', path);
    this.#room('appending to', path);
    const old = parent.folder.names.get(parent.name);
    this.#say('append', path, null, old ?? null);
    if (old === undefined) this.#disk.rename([{ ...parent, node: this.#disk.newFile(bytesOf(content), 0o600, this.#actor.uid) }]);
    else if (old.kind === 'file') this.#fill(old, Buffer.concat([old.content, bytesOf(content)]));
    else throw unwritable('appending to', path, `a ${old.kind}`);
  }

  sync(path: string): void {
    const node = this.#disk.node(path);
    if (node === null) throw absent('syncing', path);
    this.#say('sync', path, null, node);
    if (node.kind === 'file' && node.dirty) {
      node.durable = node.content;
      node.dirty = false;
    }
  }

  syncFolder(path: string): void {
    const node = this.#disk.node(path);
    if (node === null) throw absent('syncing', path);
    if (node.kind !== 'folder') throw unwritable('syncing', path, 'ENOTDIR');
    this.#say('sync-folder', path, null, node);
    this.#disk.syncNames(node);
  }

  rename(from: string, to: string): boolean {
    const source = this.#disk.parentOf(from);
    const node = source?.folder.names.get(source.name);
    if (source === null || node === undefined) return false;
    const target = this.#parent('renaming', to);
    const old = target.folder.names.get(target.name);
    if (old === node) return true;
    if (old?.kind === 'folder') throw unwritable('renaming', to, 'EEXIST');
    if (old !== undefined && node.kind === 'folder') throw unwritable('renaming', to, 'ENOTDIR');
    this.#say('rename', from, to, node);
    this.#disk.rename([
      { ...source, node: null },
      { ...target, node },
    ]);
    return true;
  }

  link(from: string, to: string): boolean {
    const node = this.#disk.node(from);
    if (node === null) throw absent('linking', from);
    const target = this.#parent('linking', to);
    if (target.folder.names.has(target.name)) return false;
    this.#say('link', from, to, node);
    this.#disk.rename([{ ...target, node }]);
    return true;
  }

  unlink(path: string): boolean {
    const parent = this.#disk.parentOf(path);
    const node = parent?.folder.names.get(parent.name);
    if (parent === null || node === undefined) return false;
    if (node.kind === 'folder') throw unwritable('removing', path, 'EISDIR');
    this.#say('unlink', path, null, node);
    this.#disk.rename([{ ...parent, node: null }]);
    return true;
  }

  makeFolder(path: string): void {
    for (let slash = path.indexOf('/', 1); ; slash = path.indexOf('/', slash + 1)) {
      this.claimFolder(slash < 0 ? path : path.slice(0, slash));
      if (slash < 0) return;
    }
  }

  claimFolder(path: string): boolean {
    const parent = this.#parent('making', path);
    const old = parent.folder.names.get(parent.name);
    if (old?.kind === 'folder') return false;
    if (old !== undefined) throw unwritable('making', path, 'EEXIST');
    this.#room('making', path);
    this.#say('make-folder', path, null, null);
    this.#disk.rename([{ ...parent, node: this.#disk.newFolderNode(0o700, this.#actor.uid) }]);
    return true;
  }

  copy(from: string, to: string): void {
    const node = this.#disk.node(from);
    if (node === null) throw absent('copying', from);
    if (node.kind === 'file') this.write(to, node.content, node.mode);
    else if (node.kind === 'folder') {
      this.makeFolder(to);
      for (const name of node.names.keys()) this.copy(`${from}/${name}`, `${to}/${name}`);
    }
  }

  removeTree(path: string): void {
    for (const step of this.removals(path)) step();
  }

  /** What removing a tree does, one name after the other: a crash may fall between any two. */
  *removals(path: string): Generator<() => void> {
    const parent = this.#disk.parentOf(path);
    const node = parent?.folder.names.get(parent.name);
    if (parent === null || node === undefined) return;
    if (node.kind !== 'folder') {
      yield () => this.unlink(path);
      return;
    }
    for (const name of [...node.names.keys()].sort()) yield* this.removals(`${path}/${name}`);
    yield () => {
      this.#say('remove-folder', path, null, node);
      this.#disk.rename([{ ...parent, node: null }]);
    };
  }

  freeBytes(_path?: string): number {
    return this.#disk.isFull() ? 0 : 50 * 1024 ** 3;
  }

  #fill(file: FileNode, content: Uint8Array): void {
    file.content = content;
    file.dirty = true;
    this.#disk.touch(file);
  }

  #parent(operation: string, path: string): { folder: FolderNode; name: string } {
    const parent = this.#disk.parentOf(path);
    if (parent === null) throw unwritable(operation, path, 'ENOENT: no such folder');
    return parent;
  }

  #room(operation: string, path: string): void {
    if (this.#disk.isFull()) throw new OperationalError('DISK_FULL', { operation, subject: path, why: 'ENOSPC' });
  }

  #say(op: DiskChange['op'], path: string, to: string | null, node: Node | null): void {
    this.#disk.onChange?.({ op, path, to, node, actor: this.#actor });
  }
}

const bytesOf = (content: string | Uint8Array): Uint8Array => (typeof content === 'string' ? Buffer.from(content) : content);

const statOf = (node: Node): FileStat => ({
  kind: node.kind,
  sizeBytes: node.kind === 'file' ? node.content.length : 0,
  mtimeMs: node.mtimeMs,
  dev: 1,
  ino: node.ino,
  uid: node.uid,
  mode: node.mode,
  nlink: node.nlink,
});
