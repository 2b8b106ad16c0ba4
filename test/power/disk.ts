import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programs } from '../programs.ts';

export type FileSystem = 'ext4' | 'xfs';
export const fileSystems: readonly FileSystem[] = ['ext4', 'xfs'];

/** The least that xfs takes; the file is sparse. */
const imageMb = 320;
/** Five seconds in all. */
const busyMax = 250;

/** A disk of its own on a loop device, whose power can be cut. */
export class Disk implements AsyncDisposable {
  readonly kind: FileSystem;
  readonly #folder = mkdtempSync(join(tmpdir(), 'todo-power-'));
  readonly #image = join(this.#folder, 'image');
  /** Where it is mounted. */
  readonly path = join(this.#folder, 'disk');

  constructor(kind: FileSystem) {
    this.kind = kind;
    mkdirSync(this.path);
    writeFileSync(this.#image, '');
    truncateSync(this.#image, imageMb * 1024 * 1024);
    execFileSync(programs()[`mkfs.${kind}`], ['-q', this.#image]);
    this.#mount();
  }

  #mount(): void {
    try {
      execFileSync('mount', ['-o', 'loop', '-t', this.kind, this.#image, this.path], { stdio: 'pipe', encoding: 'utf8' });
    } catch (cause) {
      throw new Error(`power cuts need the right to mount a loop device with ${this.kind} (root, CAP_SYS_ADMIN)`, { cause });
    }
  }

  /** From now on nothing reaches it, not even what it has promised in memory (FS_IOC_SHUTDOWN without a flush of its log). */
  cut(): void {
    execFileSync(programs().xfs_io, ['-x', '-c', 'shutdown', this.path], { stdio: 'pipe' });
  }

  /** The power is back: what was flushed is there, and nothing else needs to be. Nobody may have a file of it open. */
  async restore(): Promise<void> {
    await this.#unmount();
    this.#mount();
  }

  /** The kernel lets go of what a killed process had open a moment after the process is gone. */
  async #unmount(): Promise<void> {
    for (let left = busyMax; ; left--) {
      try {
        execFileSync('umount', [this.path], { stdio: 'pipe' });
        return;
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unmount();
    rmSync(this.#folder, { recursive: true });
  }
}
