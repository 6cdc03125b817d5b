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

/** The run on whose behalf something is removed. */
export interface CollectionRun {
  /** For the audit and the log. */
  readonly id: string;
  /**
   * Grows from run to run. A removal that comes with a lower one than was seen before is refused, because its run was
   * taken for dead and another one began. Absent where the host itself sees to it that there is one collector.
   */
  readonly token?: number;
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
  /** Removes the links that are still as they were listed and still needed by nothing. One boolean each: it is gone. */
  remove(links: readonly ContentLink[], run: CollectionRun): Promise<readonly boolean[]>;
}

/** Content that takes up space in the store. */
export interface DisposableContent {
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
  /** Which storing of the blob it is, where the store tells them apart. */
  readonly generation?: string;
  /** Bytes. */
  readonly size: number;
}

/** A page of content that no repository links to. */
export interface DisposablePage {
  readonly items: readonly DisposableContent[];
  /** Where to go on; `undefined` at the end. Opaque. */
  readonly next: string | undefined;
}

/** The disposal of content that no repository links to any more. */
export interface ContentDisposal {
  /**
   * Frees one batch of content that has been without a link since before `before` (ms since the epoch), and what an
   * earlier call had begun to free; `done` when nothing is left.
   *
   * @param intend called with every item before it is freed, so that no crash leaves a deletion without a record; when
   * it rejects nothing of that call is freed
   */
  dispose(
    before: number,
    run: CollectionRun,
    intend: (items: readonly DisposableContent[]) => Promise<void>,
  ): Promise<{ readonly freed: readonly DisposableContent[]; readonly done: boolean }>;
  /** What `dispose` would free, page by page. */
  disposable(before: number, cursor: string | undefined, limit: number): Promise<DisposablePage>;
  /** What nothing would link to any more if these links were gone. */
  linkedOnlyBy(links: readonly ContentLink[]): Promise<readonly DisposableContent[]>;
}

/** Notes that manifests were pulled: their lease starts anew, and with it that of everything they need. */
export interface ContentUse {
  /** Resolves to false for those that are no longer linked. */
  touch(
    uses: readonly { readonly repository: Repository; readonly digest: Digest }[],
    at: number,
  ): Promise<readonly boolean[]>;
}
