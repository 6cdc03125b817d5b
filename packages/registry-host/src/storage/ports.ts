import type { CollectionRun, ContentLink, Digest, Repository } from '@breakwater/registry-core';

/** One file of the blob store. A digest that is stored anew gets a new generation, so no two files share a name. */
export interface BlobGeneration {
  readonly digest: Digest;
  /** 32 lower-case hexadecimal digits. */
  readonly generation: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * What is wrong with stored content. `missing`: no regular file is there. `size`: the file is too short or too long.
 * `content`: the bytes do not hash to the digest. `unreadable`: the file system refuses to read it.
 */
export type Damage = 'missing' | 'size' | 'content' | 'unreadable';

/** Who came upon damaged content. */
export type FoundBy = 'read' | 'import' | 'scrub' | 'reconcile';

/** A file of the blob store with what is known to be wrong with it. */
export interface RecordedBlob extends BlobGeneration {
  /** Absent while nothing is known to be wrong. What is damaged is not served. */
  readonly damage?: Damage;
}

/** What the blob store asks and tells its database about links and live blobs. */
export interface BlobLinks {
  /** The live blob that is linked to a repository. */
  linked(repository: Repository, digest: Digest): Promise<RecordedBlob | undefined>;
  /** The live blob of a digest, linked or not. */
  live(digest: Digest): Promise<RecordedBlob | undefined>;
  /** Links a live blob to a repository; false when that generation is not live any more. */
  link(repository: Repository, blob: BlobGeneration): Promise<boolean>;
  /**
   * Makes a generation live and links it, in one transaction. The generation that it `replaces` is given up in the same
   * one. False when another generation is live; then nothing is linked.
   */
  publish(repository: Repository, blob: BlobGeneration, replaces: string | undefined): Promise<boolean>;
}

/** A page of content without a link, the longest without one first. */
export interface UnlinkedPage<Item> {
  readonly items: readonly Item[];
  /** Where to go on; `undefined` at the end. Opaque. */
  readonly next: string | undefined;
}

/** What the blob store asks and tells its database while it gets rid of files. */
export interface BlobRemoval {
  /** What `claim` would claim, page by page. */
  unlinked(before: number, cursor: string | undefined, limit: number): Promise<UnlinkedPage<BlobGeneration>>;
  /** Live blobs that nothing would link to without these links. */
  linkedOnlyBy(links: readonly ContentLink[]): Promise<readonly BlobGeneration[]>;
  /** g1: marks at most `limit` blobs that have been without a link since before a time (ms), so that none can come. */
  claim(
    before: number,
    limit: number,
    run: CollectionRun,
  ): Promise<{ readonly claimed: readonly BlobGeneration[]; readonly more: boolean }>;
  /** Blobs that are marked, in order of digest and generation, after one of them. */
  marked(after: BlobGeneration | undefined, limit: number): Promise<readonly RecordedBlob[]>;
  /** g4: forgets a marked blob whose file is gone; false when somebody else did. */
  erase(blob: BlobGeneration): Promise<boolean>;
  /** Which of these have a row, live or marked. */
  known(blobs: readonly Pick<BlobGeneration, 'digest' | 'generation'>[]): Promise<readonly boolean[]>;
}

/** A deletion that no run of garbage collection makes. */
export type StorageDeletion =
  | {
      readonly kind: 'blob_content';
      readonly digest: Digest;
      readonly generation: string;
      /** Bytes, where they are known. */
      readonly size?: number;
      readonly reason: string;
    }
  | { readonly kind: 'file'; readonly reference: string; readonly reason: string };

/** Where such deletions are put on record before they are made; what it throws keeps them from being made. */
export interface StorageAudit {
  intend(
    deletions: readonly StorageDeletion[],
  ): Promise<{ settle(outcomes: readonly ('done' | 'kept')[]): Promise<void> }>;
}

/** For stores without an audit. */
export const blankAudit: StorageAudit = { intend: async () => ({ settle: async () => undefined }) };

/** What was found to be damaged. */
export interface BlobDamages {
  /** Notes it of a live blob; true when it is live and nothing was known to be wrong with it. */
  report(blob: BlobGeneration, damage: Damage): Promise<boolean>;
  /** The blob was read again and is what it should be; true when a mark was taken back. */
  clear(blob: BlobGeneration): Promise<boolean>;
}

/** Everything that the store should hold. */
export interface BlobCensus {
  /** Live blobs in order of digest, after one of them. */
  liveAfter(digest: Digest | undefined, limit: number): Promise<readonly RecordedBlob[]>;
}

/** Damaged content, for the operator. */
export interface DamagedContent {
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
  /** '' for a manifest. */
  readonly generation: string;
  readonly damage: Damage;
  /** ms since the epoch. */
  readonly foundAt: number;
}

/** The marks of damaged content, of both kinds. */
export interface DamageList {
  /** In order of kind, digest and generation, after one of them. */
  list(
    after: { readonly kind: string; readonly digest: string; readonly generation: string } | undefined,
    limit: number,
  ): Promise<readonly DamagedContent[]>;
  /** How many there are, by kind. */
  count(): Promise<Readonly<Record<'manifest' | 'blob', number>>>;
  /** Forgets marks whose content is gone, and manifests put into quarantine before a time (ms). */
  prune(quarantinedBefore: number): Promise<void>;
}

/** Manifests as they are stored, to be hashed. */
export interface ManifestCensus {
  /** In order of digest, after one of them; `isMarked` when it is known to be damaged. */
  after(
    digest: Digest | undefined,
    limit: number,
  ): Promise<readonly { readonly digest: Digest; readonly bytes: Uint8Array; readonly isMarked: boolean }[]>;
}

/** Something about the store that one process of the cluster does at a time. */
export type StorageTaskName = 'scrub' | 'reconcile';

/** How a task stands. Times are ms since the epoch. */
export interface StorageTaskState {
  readonly startedAt: number;
  /** Absent while a run is unfinished, also when nobody is at it right now. */
  readonly finishedAt?: number;
  /** Whether somebody is at it. */
  readonly running: boolean;
  /** What the last finished run found. */
  readonly report?: unknown;
}

/** The leases and the progress of tasks. */
export interface StorageTasks {
  /**
   * Takes a task that nobody is at and that is due: an unfinished run, or the last one finished before a time (ms).
   * Resolves to how far the unfinished run got; `progress` is absent at the beginning of a new one.
   */
  take(
    name: StorageTaskName,
    holder: string,
    finishedBefore: number,
  ): Promise<{ readonly startedAt: number; readonly progress?: unknown } | undefined>;
  /** Notes how far the run is and keeps the lease; false when somebody else has it. */
  keep(name: StorageTaskName, holder: string, progress?: unknown): Promise<boolean>;
  /** Ends the run with its report. */
  finish(name: StorageTaskName, holder: string, report: unknown): Promise<void>;
  /** Lets go of an unfinished run, for anybody to go on with. */
  release(name: StorageTaskName, holder: string): Promise<void>;
  /** `undefined` when it was never begun. */
  state(name: StorageTaskName): Promise<StorageTaskState | undefined>;
}

/** Whoever is to know of damaged manifests. */
export interface ManifestDamages {
  /** Marks a manifest whose bytes are not what its digest says. Never rejects: unmarked, it is found again. */
  found(digest: Digest, foundBy: FoundBy): Promise<void>;
  /** It was stored anew, and its mark is gone. */
  repaired(digest: Digest): void;
  /** It was read again and is right: the mark goes. Never rejects. */
  cleared(digest: Digest): Promise<void>;
}

/** Which store belongs to the database. */
export interface BlobStoreIdentity {
  /** The id that was given to the store when it was first used. */
  id(): Promise<string>;
  /** True while no blob has a row. */
  isEmpty(): Promise<boolean>;
}

/** The bytes of one manifest. */
export interface ManifestSize {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** Manifests that no repository links to. */
export interface UnlinkedManifests {
  /** Those without a link since before a time (ms since the epoch), page by page. */
  unlinked(before: number, cursor: string | undefined, limit: number): Promise<UnlinkedPage<ManifestSize>>;
  /** Manifests that nothing would link to without these links. */
  linkedOnlyBy(links: readonly ContentLink[]): Promise<readonly ManifestSize[]>;
  /** Removes those that nothing links to, and says which they were. */
  remove(digests: readonly Digest[], run: CollectionRun): Promise<readonly ManifestSize[]>;
}
