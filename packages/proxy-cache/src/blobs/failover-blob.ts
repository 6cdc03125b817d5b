import type { OpenBlob } from '@breakwater/registry-core';
import { isStorageFailure, mayStillRead } from './storage-failure.js';

/** Gives the other blob. It need not go on with that once the reader is gone. */
export type Failover = (failure: unknown, isGone: () => boolean) => Promise<OpenBlob>;

/**
 * A blob whose reader goes on with another one of the same content when the disk below the first fails, from the byte that
 * it has reached: its client sees one unbroken body.
 */
export class FailoverBlob implements OpenBlob {
  readonly size: number;
  #current: OpenBlob;
  #failover: Failover | undefined;
  #closed = false;

  /** @param failover called at most once; what it rejects with is what the reader meets */
  constructor(first: OpenBlob, failover: Failover) {
    this.size = first.size;
    this.#current = first;
    this.#failover = failover;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    try {
      return await this.#current.read(buffer, position);
    } catch (error) {
      if (this.#failover === undefined || this.#closed || !isStorageFailure(error) || mayStillRead(error)) throw error;
      await this.#switch(error);
    }
    return this.#current.read(buffer, position);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#current.close();
  }

  async #switch(failure: unknown): Promise<void> {
    const failover = this.#failover;
    this.#failover = undefined;
    const other = await failover?.(failure, () => this.#closed);
    if (other === undefined || other.size !== this.size || this.#closed) {
      await other?.close();
      throw failure;
    }
    const before = this.#current;
    this.#current = other;
    // A disk that does not answer may not let go of its file either.
    before.close().catch(() => undefined);
  }
}
