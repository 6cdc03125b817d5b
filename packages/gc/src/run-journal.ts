import type { Digest, Repository } from '@breakwater/registry-core';
import type { GcReport } from './report.js';

/** The deletion of a tag, or of the link by which a repository serves a manifest or blob. */
export interface ReferenceDeletion {
  readonly kind: 'tag' | 'manifest' | 'blob';
  readonly repository: Repository;
  /** The tag, or the digest of content that has none. */
  readonly reference: string;
  readonly digest: Digest;
  readonly reason: string;
}

/** The deletion of content that no repository links to. */
export interface ContentDeletion {
  readonly kind: 'manifest_content' | 'blob_content';
  readonly digest: Digest;
  /** Which storing of the blob. */
  readonly generation?: string;
  /** Bytes, where they are known. */
  readonly size?: number;
  readonly reason: string;
}

/** The deletion of a file that is no content: an upload, a part of a download, a copy that was left behind. */
export interface FileDeletion {
  readonly kind: 'file';
  /** Its name. */
  readonly reference: string;
  /** Bytes, where they are known. */
  readonly size?: number;
  readonly reason: string;
}

/** One deletion, for the audit. */
export type Deletion = ReferenceDeletion | ContentDeletion | FileDeletion;

/**
 * What came of a deletion. A row that still says `intended` is being made, or belongs to a process that died, or to a call
 * that failed, half way: the next run makes it `unknown`.
 */
export type DeletionOutcome = 'done' | 'kept';

/** Deletions whose intention is on record. */
export interface IntendedDeletions {
  /** Records what came of them, one outcome each, in the order in which they were given. */
  settle(outcomes: readonly DeletionOutcome[]): Promise<void>;
}

/** Where deletions are put on record that no run makes: those of a reconciliation at the start, say. */
export interface DeletionAudit {
  /** Puts deletions on record before they are made. @throws the database's error; then nothing may be deleted */
  intend(deletions: readonly Deletion[]): Promise<IntendedDeletions>;
}

/** The record of a run that is in flight; it is also what makes it the only one. */
export interface RunRecord {
  /** Grows from run to run; `undefined` where nothing keeps the order of runs. */
  readonly token: number | undefined;
  /**
   * Says that the run makes progress; cheap enough for every batch.
   * @throws GcError GC_LEASE_LOST when another process took over
   */
  beat(): Promise<void>;
  /**
   * Puts deletions on record before they are made, so that a crash cannot leave one without a trace.
   * @throws GcError GC_LEASE_LOST when another process took over
   */
  intend(deletions: readonly Deletion[]): Promise<IntendedDeletions>;
  /** Records the report and lets the next run begin. */
  finish(report: GcReport): Promise<void>;
}

/** Where runs are recorded, and where one collector keeps the others out. */
export interface RunJournal {
  /** Begins a run; `undefined` while another one is in flight. */
  begin(runId: string, startedAt: number): Promise<RunRecord | undefined>;
}

/** A journal that keeps nothing and keeps nobody out: for dry runs, and for one process without a database. */
export const blankJournal: RunJournal = {
  begin: async () => ({
    token: undefined,
    beat: async () => {},
    intend: async () => ({ settle: async () => {} }),
    finish: async () => {},
  }),
};
