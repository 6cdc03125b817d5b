import type { ReconciledStore } from '@breakwater/registry-core';

/** What a scrub has looked at and found. */
export interface ScrubReport {
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes that were read. */
  readonly bytes: number;
  /** Objects that were found damaged, those that were known to be included. */
  readonly damaged: number;
  /** Objects that had been marked and are right. */
  readonly cleared: number;
}

/** What a reconciliation found and did. */
export type ReconcileReport = ReconciledStore;
