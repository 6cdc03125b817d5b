import { nodeSpoolDisk } from '@breakwater/proxy-cache';
import { type Disk, nodeFileReads, nodeFileSystem } from '@breakwater/registry-host';

/** One call of the file system. */
export interface DiskCall {
  /** Who calls: the store to change something, the store to read a blob, the spool. */
  readonly part: 'store' | 'reads' | 'spool';
  /** `rename`, `open`; of an open file of the store `handle.sync`. */
  readonly name: string;
  /** The first argument where it is a path. */
  readonly path: string;
  /** Counts from 1, from the last `begin`. */
  readonly number: number;
}

/** What becomes of a call: a code to fail with, no answer before the end, or nothing out of the ordinary. */
export type Fate = string | 'stall' | undefined;

/** A file system that works until it is told not to. */
export class FaultyDisk {
  readonly disk: Disk;
  #fate: (call: DiskCall) => Fate = () => undefined;
  #calls: DiskCall[] = [];
  readonly #stalled: (() => void)[] = [];

  constructor(longestCallMs?: number) {
    this.disk = {
      fileSystem: this.#wrap('store', nodeFileSystem),
      fileReads: this.#wrap('reads', nodeFileReads),
      spool: this.#wrap('spool', nodeSpoolDisk),
      ...(longestCallMs === undefined ? {} : { longestCallMs }),
    };
  }

  /** From now on this decides what becomes of each call. */
  begin(fate: (call: DiskCall) => Fate): void {
    this.#calls = [];
    this.#fate = fate;
  }

  /** All is well again, and what stood still goes on. Gives the calls since it began. */
  end(): readonly DiskCall[] {
    this.#fate = () => undefined;
    for (const wake of this.#stalled.splice(0)) wake();
    return this.#calls;
  }

  #wrap<Calls extends object>(part: DiskCall['part'], calls: Calls, prefix = ''): Calls {
    return new Proxy(calls, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== 'function' || typeof property !== 'string') return member;
        return async (...parameters: unknown[]) => {
          // A close that fails has closed all the same.
          if (property === 'close') await member.apply(target, parameters);
          await this.#meet(part, `${prefix}${property}`, parameters[0]);
          if (property === 'close') return undefined;
          const result: unknown = await member.apply(target, parameters);
          const isHandle = part === 'store' && property === 'open';
          return isHandle ? this.#wrap(part, result as object, 'handle.') : result;
        };
      },
    });
  }

  async #meet(part: DiskCall['part'], name: string, first: unknown): Promise<void> {
    const call = { part, name, path: typeof first === 'string' ? first : '', number: this.#calls.length + 1 };
    this.#calls.push(call);
    const fate = this.#fate(call);
    if (fate === 'stall') await new Promise<void>((resolve) => this.#stalled.push(resolve));
    else if (fate !== undefined) throw Object.assign(new Error(`${fate}: ${name}`), { code: fate, syscall: name });
  }
}
