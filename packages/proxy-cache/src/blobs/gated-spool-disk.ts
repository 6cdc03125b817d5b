import { CallGate } from '@breakwater/registry-core';
import type { SpoolDisk } from './spool-disk.js';
import { spoolStalled } from './storage-failure.js';

/** How much of the thread pool the spool takes, and for how long. */
export interface SpoolCallLimits {
  /**
   * How many calls of the file system run at a time, 2 or more and fewer than the pool has threads; one of them is kept for
   * flushes. Default 3, for the four threads that Node has.
   */
  readonly atOnce: number;
  /**
   * How long one call is waited for, in milliseconds, default 5,000 (F125); a flush twelve times as long. After that a pull
   * goes on without the disk.
   */
  readonly longestMs: number;
}

/** The defaults. */
export const DEFAULT_SPOOL_CALLS: SpoolCallLimits = { atOnce: 3, longestMs: 5_000 };

const FLUSH_FACTOR = 12;
/** As much as any reader asks for at a time, in bytes. */
const SCRATCH_BYTES = 1024 * 1024;

/**
 * A disk whose calls are given up when it does not answer, and which never takes all threads of the pool (F125). What is
 * still under way on a descriptor that is closed ends first: its number is given to the next file.
 */
export class GatedSpoolDisk implements SpoolDisk {
  readonly #calls: CallGate;
  readonly #flushes: CallGate;
  readonly #running = new Map<number, Set<Promise<unknown>>>();
  readonly #scratch: Buffer[] = [];

  constructor(
    private readonly disk: SpoolDisk,
    { atOnce, longestMs }: SpoolCallLimits,
  ) {
    this.#calls = new CallGate(atOnce - 1, longestMs, spoolStalled);
    this.#flushes = new CallGate(1, longestMs * FLUSH_FACTOR, spoolStalled);
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#calls.run(() => this.disk.chmod(path, mode));
  }

  copyFile(from: string, to: string, mode: number): Promise<void> {
    // As long as the file is large, and with the flushes, so that it holds up no reader.
    return this.#flushes.run(() => this.disk.copyFile(from, to, mode));
  }

  link(from: string, to: string): Promise<void> {
    return this.#calls.run(() => this.disk.link(from, to));
  }

  mkdir(path: string, options: { readonly recursive: true; readonly mode: number }): Promise<unknown> {
    return this.#calls.run(() => this.disk.mkdir(path, options));
  }

  readdir(path: string): Promise<string[]> {
    return this.#calls.run(() => this.disk.readdir(path));
  }

  readFile(path: string, encoding: 'utf8'): Promise<string> {
    return this.#calls.run(() => this.disk.readFile(path, encoding));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#calls.run(() => this.disk.rename(from, to));
  }

  rm(path: string, options: { readonly force: true }): Promise<void> {
    return this.#calls.run(() => this.disk.rm(path, options));
  }

  statfs(path: string): Promise<{ readonly bavail: number; readonly bsize: number }> {
    return this.#calls.run(() => this.disk.statfs(path));
  }

  stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }> {
    return this.#calls.run(() => this.disk.stat(path));
  }

  writeFile(path: string, text: string, options: { readonly mode: number }): Promise<void> {
    return this.#calls.run(() => this.disk.writeFile(path, text, options));
  }

  open(path: string, flags: string | number, mode?: number): Promise<number> {
    return this.#calls.run(
      () => this.disk.open(path, flags, mode),
      (late) => void this.disk.close(late).catch(() => undefined),
    );
  }

  async close(descriptor: number): Promise<void> {
    const running = this.#running.get(descriptor);
    if (running === undefined) return this.disk.close(descriptor);
    // Given up by whoever asked for it: nobody waits for the end of it.
    void Promise.allSettled(running).then(() => this.disk.close(descriptor).catch(() => undefined));
  }

  fstat(descriptor: number): Promise<{ readonly size: number; readonly mode: number }> {
    return this.#run(this.#calls, descriptor, () => this.disk.fstat(descriptor));
  }

  fsync(descriptor: number): Promise<void> {
    return this.#run(this.#flushes, descriptor, () => this.disk.fsync(descriptor));
  }

  fchmod(descriptor: number, mode: number): Promise<void> {
    return this.#run(this.#calls, descriptor, () => this.disk.fchmod(descriptor, mode));
  }

  /** Through a buffer of its own: a read that is given up may fill it at any time, when the reader uses his for something else. */
  async read(descriptor: number, buffer: Uint8Array, bytes: number, position: number): Promise<number> {
    const giveBack = ({ scratch }: { readonly scratch: Buffer }) => void this.#scratch.push(scratch);
    const read = await this.#run(
      this.#calls,
      descriptor,
      async () => {
        const scratch = this.#scratch.pop() ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES);
        return { scratch, bytes: await this.disk.read(descriptor, scratch, Math.min(bytes, SCRATCH_BYTES), position) };
      },
      giveBack,
    );
    buffer.set(read.scratch.subarray(0, read.bytes));
    giveBack(read);
    return read.bytes;
  }

  writev(descriptor: number, pieces: readonly Buffer[], position: number): Promise<number> {
    return this.#run(this.#calls, descriptor, () => this.disk.writev(descriptor, pieces, position));
  }

  #run<T>(gate: CallGate, descriptor: number, call: () => Promise<T>, late?: (result: T) => void): Promise<T> {
    return gate.run(() => {
      const running = this.#running.get(descriptor) ?? new Set();
      this.#running.set(descriptor, running);
      const work: Promise<T> = call().finally(() => {
        running.delete(work);
        if (running.size === 0) this.#running.delete(descriptor);
      });
      running.add(work);
      return work;
    }, late);
  }
}
