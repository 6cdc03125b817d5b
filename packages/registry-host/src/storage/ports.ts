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

/** What was found to be damaged. */
export interface BlobDamages {
  /** Notes it of a live blob; true when it is live and nothing was known to be wrong with it. */
  report(blob: BlobGeneration, damage: Damage): Promise<boolean>;
  /** The blob was read again and is what it should be; true when a mark was taken back. */
  clear(blob: BlobGeneration): Promise<boolean>;
}

/** Whoever is to know of damaged manifests. */
export interface ManifestDamages {
  /** Marks a manifest whose bytes are not what its digest says. Never rejects: unmarked, it is found again. */
  found(digest: Digest, foundBy: FoundBy): Promise<void>;
  /** It was stored anew, and its mark is gone. */
  repaired(digest: Digest): void;
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
