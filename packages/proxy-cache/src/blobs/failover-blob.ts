import type { OpenBlob } from '@breakwater/registry-core';
import { isStorageFailure, mayStillRead } from './storage-failure.js';

/**
 * A blob whose reader goes on with another one of the same content when the disk below the first fails, from the byte that
 * it has reached: its client sees one unbroken body.
 */
export class FailoverBlob implements OpenBlob {
  readonly size: number;
  #current: OpenBlob;
  #failover: ((failure: unknown) => Promise<OpenBlob>) | undefined;
  #closed = false;

  /** @param failover gives the other one; called at most once, and what it rejects with is what the reader meets */
  constructor(first: OpenBlob, failover: (failure: unknown) => Promise<OpenBlob>) {
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
    const other = await failover?.(failure);
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
