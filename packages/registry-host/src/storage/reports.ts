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
export interface ReconcileReport {
  /** Removals that somebody had begun. */
  readonly finished: number;
  /** Files without a row that were old enough. */
  readonly strays: number;
  /** True when there were so many of them that they were left alone. */
  readonly braked: boolean;
  /** Live rows that turned out to have no file, or one of a wrong size. */
  readonly missing: number;
  /** Marked blobs whose file is there again and was found right. */
  readonly cleared: number;
  /** Files whose time in quarantine was over. */
  readonly dropped: number;
}
