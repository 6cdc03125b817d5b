import type { Repository } from '@breakwater/registry-core';

/** Bytes of an upload that count, and who may write the next ones. */
export interface UploadClaim {
  /** How many bytes have arrived. */
  readonly bytes: number;
  /** Proves that the upload is ours to write to. */
  readonly writer: string;
}

/** What uploads remember in the database, so that they outlive a restart and are known to every process. */
export interface UploadRows {
  create(repository: Repository, id: string): Promise<void>;
  /** How many bytes have arrived; `undefined` when the repository has no such upload. */
  bytes(repository: Repository, id: string): Promise<number | undefined>;
  /** Makes us the only writer until a time (ms): 'busy' while somebody else is. */
  claim(repository: Repository, id: string, until: number): Promise<UploadClaim | 'busy' | undefined>;
  /** Stays the writer for longer. */
  renew(id: string, writer: string, until: number): Promise<void>;
  /** Says how many bytes count now and lets others write; false when the claim was lost. */
  release(id: string, writer: string, bytes: number): Promise<boolean>;
  /** Forgets an upload; false when there was none. */
  remove(repository: Repository, id: string): Promise<boolean>;
  /** Forgets at most `limit` uploads that nobody has touched since before a time (ms). */
  removeStale(before: number, limit: number): Promise<readonly string[]>;
  /** How many uploads, of how many bytes in all, nobody has touched since before a time (ms). */
  stale(before: number): Promise<{ readonly uploads: number; readonly bytes: number }>;
  /** Which of these are remembered. */
  known(ids: readonly string[]): Promise<ReadonlySet<string>>;
}
