import type { Digest } from '../oci/digest.js';
import type { Repository } from '../oci/reference.js';

/** A link from a repository to a manifest or blob; collecting it makes the content unreadable in that repository. */
export interface ContentLink {
  readonly repository: Repository;
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
  /** When the link was made or its content last used, ms since the epoch. Removal is refused if it has moved since. */
  readonly usedAt: number;
}

/** A page of links that no manifest, hosted tag or lease of the same repository needs. */
export interface UnreachablePage {
  readonly links: readonly ContentLink[];
  /** Where to go on; `undefined` at the end. Opaque. */
  readonly next: string | undefined;
}

/** What was removed. */
export interface RemovalResult {
  readonly links: number;
  /** Links that turned out to be needed, or used, after they were listed. */
  readonly kept: number;
}

/**
 * For hosts without a collector of their own. The sweeper knows links, manifests, hosted tags and leases; the collector
 * knows the cached tags and takes what they need out of the list before it asks for removal.
 */
export interface ContentSweep {
  /** Links last used before `usedBefore` (ms since the epoch) that nothing the host knows of needs. */
  unreachable(
    usedBefore: number,
    kind: 'manifest' | 'blob',
    cursor: string | undefined,
    limit: number,
  ): Promise<UnreachablePage>;
  /** Removes the links that are still as they were listed and still needed by nothing. */
  remove(links: readonly ContentLink[], runId: string): Promise<RemovalResult>;
}

/** The disposal of content that no repository links to any more. */
export interface ContentDisposal {
  /**
   * Frees one batch of unlinked manifests and blobs that became unlinked before `before` (ms since the epoch); `done`
   * when nothing is left. With `dryRun` it counts only, everything in one answer.
   */
  dispose(
    before: number,
    runId: string,
    dryRun: boolean,
  ): Promise<{ readonly manifests: number; readonly blobs: number; readonly bytes: number; readonly done: boolean }>;
}

/** Notes that manifests were pulled: their lease starts anew, and with it that of everything they need. */
export interface ContentUse {
  /** Resolves to false for those that are no longer linked. */
  touch(
    uses: readonly { readonly repository: Repository; readonly digest: Digest }[],
    at: number,
  ): Promise<readonly boolean[]>;
}
