import type { Digest } from '../oci/digest.js';
import type { OrganizationName, Repository, Tag } from '../oci/reference.js';

/** What a link from a repository to a manifest or blob is known by. */
export interface LinkKey {
  readonly repository: Repository;
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
}

/** A link from a repository to a manifest or blob; collecting it makes the content unreadable in that repository. */
export interface ContentLink extends LinkKey {
  /** When the link was made or its content last used, ms since the epoch. Removal is refused if it has moved since. */
  readonly usedAt: number;
}

/** What the host knows of a link. */
export interface InspectedLink extends ContentLink {
  /** Hosted tags that point to it. */
  readonly tags: readonly Tag[];
  /** Manifests linked to the same repository that keep it: those that refer to it, and the one that it is about. */
  readonly keptBy: readonly Digest[];
  /** There may be more of them, or more tags, than were asked for. */
  readonly more: boolean;
  /** What it keeps itself, if it is a manifest: linked or not, in the same repository. */
  readonly keeps: readonly Pick<LinkKey, 'kind' | 'digest'>[];
}

/** Word that a link may have lost what kept it. */
export interface SweepCandidate extends LinkKey {
  /** Of the word, not of the link: there may be several about one link. */
  readonly id: string;
}

/** A page of candidates. */
export interface SweepCandidatePage {
  readonly candidates: readonly SweepCandidate[];
  /** Where to go on; `undefined` at the end. Opaque. */
  readonly next: string | undefined;
}

/** Which candidates to list. */
export interface SweepCandidateQuery {
  /** Those that are known to have been used at this time or later may be left out, ms since the epoch. */
  readonly usedBefore: number;
  readonly organization?: OrganizationName | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
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

/** A removal was refused, because it came from a run after which another one has begun. Nothing was removed. */
export class CollectionSupersededError extends Error {
  readonly code = 'COLLECTION_SUPERSEDED';

  constructor(run: CollectionRun) {
    super(`the collection ${run.id} was taken for dead and another one has begun`);
    this.name = 'CollectionSupersededError';
  }
}

/**
 * For hosts without a collector of their own. The host knows links, manifests, hosted tags and leases; the collector
 * knows the cached tags, and asks for the removal of what neither they nor anything of the host needs.
 */
export interface ContentSweep {
  /**
   * What the host knows of links; `undefined` for one that is not there.
   *
   * @param most the most tags, and the most manifests in `keptBy`, to name of each
   */
  inspect(links: readonly LinkKey[], most: number): Promise<readonly (InspectedLink | undefined)[]>;
  /**
   * Removes the links that are still as they were listed and that nothing of the host needs. One boolean each: it is gone.
   *
   * @throws CollectionSupersededError (code COLLECTION_SUPERSEDED)
   */
  remove(links: readonly ContentLink[], run: CollectionRun): Promise<readonly boolean[]>;
}

/**
 * The links to look at. A host with few links may name all of them every time. One with many names those that may have
 * lost what kept them, so that a sweep costs as much as what has changed: a link when it comes into being, when a hosted
 * tag leaves it, and when a manifest that kept it is unlinked.
 */
export interface SweepCandidates {
  candidates(query: SweepCandidateQuery): Promise<SweepCandidatePage>;
}

/** For hosts that do not name all links every time. */
export interface SweepQueue {
  /** Has links looked at that a cached tag has left. */
  consider(links: readonly LinkKey[]): Promise<void>;
  /** Forgets candidates that need no second look. One with a `usedAt` comes again once its lease is over. */
  settle(looked: readonly { readonly id: string; readonly usedAt?: number | undefined }[]): Promise<void>;
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
   * @throws CollectionSupersededError (code COLLECTION_SUPERSEDED)
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

/** How much there is, for the brake and for quotas. */
export interface ContentUsage {
  /** How many blobs the store has. */
  blobs(): Promise<number>;
  /**
   * Bytes of the manifests and blobs that the repositories of an organization link to which cache this upstream, each
   * counted once. What it has of another upstream, cached before that was changed, goes by its own rule.
   */
  bytesOf(of: { readonly organization: OrganizationName; readonly upstream: string }): Promise<number>;
  /** Bytes of each manifest together with everything that it keeps in its repository; 0 for one that is not there. */
  imageBytes(manifests: readonly Pick<LinkKey, 'repository' | 'digest'>[]): Promise<readonly number[]>;
}

/** What a reconciliation of store and database found, and did unless it only looked. */
export interface ReconciledStore {
  /** Removals that somebody had begun and not finished. */
  readonly finished: number;
  /** Files that nothing is known of and that are old enough to be debris. */
  readonly strays: number;
  /** True when there were so many of them that they were left alone. */
  readonly braked: boolean;
  /** What the database has and the store has not, or not whole: it is fetched again. */
  readonly missing: number;
  /** What was missing and is there again. */
  readonly cleared: number;
  /** Damaged files that were kept for long enough. */
  readonly dropped: number;
}

/** Brings store and database together again after a crash, or after a backup of either was restored. */
export interface Reconciliation {
  /**
   * Reconciles; resolves to `undefined` when it is not due, or when somebody else is at it.
   *
   * @param dryRun only look
   * @param onBatch called before each batch; what it throws ends it
   */
  reconcile(dryRun: boolean, onBatch: () => Promise<void>): Promise<ReconciledStore | undefined>;
}

/** Files that are of no use once whoever wrote them has given up: uploads, partial downloads. */
export interface StaleFiles {
  /** What they are, in one or two words. */
  readonly name: string;
  /**
   * Drops those that nobody has written to since `before` (ms since the epoch), or only counts them.
   *
   * @param onDrop called with files before they are dropped; when it rejects, they are not
   */
  drop(
    before: number,
    dryRun: boolean,
    onDrop: (files: readonly { readonly name: string; readonly bytes: number }[]) => Promise<void>,
  ): Promise<{ readonly files: number; readonly bytes: number }>;
}
