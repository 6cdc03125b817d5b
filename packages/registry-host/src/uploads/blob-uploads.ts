import { randomUUID } from 'node:crypto';
import { type BlobStore, type Clock, type Digest, RegistryError, type Repository } from '@breakwater/registry-core';
import { isUploadId, type OpenUpload, type UploadFiles } from './upload-files.js';
import type { UploadClaim, UploadRows } from './upload-rows.js';

/** How long a writer is alone without saying that it still is, ms. A killed one holds an upload up for as long. */
const CLAIM_MS = 30_000;
const RENEW_MS = 10_000;
const STALE_BATCH = 100;

/** A part of a blob as it arrives. */
export interface UploadPart {
  readonly body: AsyncIterable<Uint8Array>;
  /** The position at which the client says that it belongs; `undefined` when it goes on where the last one ended. */
  readonly start?: number;
  /** Its length in bytes, where the client has said it. */
  readonly length?: number;
}

/** Told of files before they are removed; when it rejects they stay. */
type OnDrop = (files: readonly { readonly name: string; readonly bytes: number }[]) => Promise<void>;

/** What `dropStale` removed, or would. */
export interface DroppedUploads {
  readonly uploads: number;
  readonly bytes: number;
}

/**
 * Uploads of blobs, in parts as they come (distribution-spec, "Pushing a blob in chunks"). The bytes are in a file, how
 * many of them count is in the database; so an upload goes on after a restart, in whichever process its next part
 * reaches. One request at a time writes to an upload.
 */
export class BlobUploads {
  readonly #rows: UploadRows;
  readonly #files: UploadFiles;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;

  constructor(options: {
    readonly rows: UploadRows;
    readonly files: UploadFiles;
    readonly blobs: BlobStore;
    readonly clock: Clock;
  }) {
    this.#rows = options.rows;
    this.#files = options.files;
    this.#blobs = options.blobs;
    this.#clock = options.clock;
  }

  /** Begins an upload and resolves to its id. */
  async begin(repository: Repository): Promise<string> {
    const id = randomUUID();
    await this.#rows.create(repository, id);
    return id;
  }

  /**
   * How many bytes have arrived.
   * @throws RegistryError BLOB_UPLOAD_UNKNOWN
   */
  async bytes(repository: Repository, id: string): Promise<number> {
    const bytes = isUploadId(id) ? await this.#rows.bytes(repository, id) : undefined;
    if (bytes === undefined) throw unknownUpload();
    return bytes;
  }

  /**
   * Adds a part and resolves to the number of bytes there are then. What arrived of a part that breaks off counts.
   *
   * @throws RegistryError BLOB_UPLOAD_UNKNOWN; BLOB_UPLOAD_INVALID with status 416 for a part that does not follow the last
   * one, or while another is being written; SIZE_INVALID for one that is not as long as was said
   */
  async append(repository: Repository, id: string, part: UploadPart): Promise<number> {
    const claim = await this.#claim(repository, id);
    let written: WrittenPart = { bytes: claim.bytes };
    try {
      written = await this.#whileClaimed(id, claim, () => this.#write(id, claim, part));
    } catch (error) {
      await this.#rows.release(id, claim.writer, claim.bytes);
      throw error;
    }
    const wasOurs = await this.#rows.release(id, claim.writer, written.bytes);
    if (written.failure !== undefined) throw written.failure;
    if (!wasOurs) throw busy();
    return written.bytes;
  }

  /**
   * Ends an upload: what is on the disk is read back, and taken over when it is the content of the digest. The upload is
   * gone afterwards, also when it is not.
   *
   * @throws RegistryError BLOB_UPLOAD_UNKNOWN, DIGEST_INVALID, BLOB_UPLOAD_INVALID with status 416 while a part is being written
   * @throws RegistryError UNAVAILABLE (detail.reason "storage" or "database"); then the upload is still there
   */
  async finish(repository: Repository, id: string, digest: Digest): Promise<void> {
    const claim = await this.#claim(repository, id);
    let right: boolean;
    try {
      right = await this.#whileClaimed(id, claim, () => this.#takeOver(repository, id, claim, digest));
    } catch (error) {
      await this.#rows.release(id, claim.writer, claim.bytes);
      throw error;
    }
    await this.#rows.remove(repository, id);
    if (right) return;
    await this.#files.remove(id);
    throw new RegistryError('DIGEST_INVALID', `the uploaded bytes do not match ${digest}; begin a new upload`);
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  async cancel(repository: Repository, id: string): Promise<void> {
    if (!isUploadId(id) || !(await this.#rows.remove(repository, id))) throw unknownUpload();
    await this.#files.remove(id);
  }

  /**
   * Drops uploads that nobody has touched since before a time (ms), and files that belong to none; with `dryRun` it counts
   * them only. An upload and its file count as one.
   */
  async dropStale(before: number, dryRun = false, onDrop: OnDrop = async () => undefined): Promise<DroppedUploads> {
    const dropped = dryRun ? { ...(await this.#rows.stale(before)) } : { uploads: 0, bytes: 0 };
    while (!dryRun) {
      const ids = await this.#rows.removeStale(before, STALE_BATCH);
      dropped.bytes += await this.#remove(ids, onDrop);
      dropped.uploads += ids.length;
      if (ids.length < STALE_BATCH) break;
    }
    const old = await this.#files.olderThan(before);
    const known = old.length === 0 ? new Set<string>() : await this.#rows.known(old);
    const unknown = old.filter((each) => !known.has(each));
    dropped.uploads += unknown.length;
    if (!dryRun) dropped.bytes += await this.#remove(unknown, onDrop);
    else for (const id of unknown) dropped.bytes += await this.#files.size(id);
    return dropped;
  }

  async #remove(ids: readonly string[], onDrop: OnDrop): Promise<number> {
    const files: { readonly name: string; readonly bytes: number }[] = [];
    for (const id of ids) files.push({ name: id, bytes: await this.#files.size(id) });
    if (files.length > 0) await onDrop(files);
    let bytes = 0;
    for (const id of ids) bytes += await this.#files.remove(id);
    return bytes;
  }

  async #write(id: string, claim: UploadClaim, part: UploadPart): Promise<WrittenPart> {
    const file = await this.#files.open(id, claim.bytes);
    try {
      const inOrder = part.start === undefined || part.start === file.bytes;
      return inOrder ? await writePart(file, part) : { bytes: file.bytes, failure: outOfOrder(file.bytes) };
    } finally {
      await file.close();
    }
  }

  /** False when the bytes are not those of the digest. */
  async #takeOver(repository: Repository, id: string, claim: UploadClaim, digest: Digest): Promise<boolean> {
    const file = await this.#files.open(id, claim.bytes);
    await file.close();
    if (!(await this.#files.verify(id, digest, claim.bytes))) return false;
    await this.#blobs.import(repository, digest, this.#files.path(id));
    return true;
  }

  async #whileClaimed<T>(id: string, claim: UploadClaim, work: () => Promise<T>): Promise<T> {
    const renewal = setInterval(() => {
      // A claim that cannot be renewed runs out, and then the release says that it is not ours any more.
      this.#rows.renew(id, claim.writer, this.#clock.now() + CLAIM_MS).catch(() => undefined);
    }, RENEW_MS);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
    }
  }

  async #claim(repository: Repository, id: string): Promise<UploadClaim> {
    const claim = isUploadId(id) ? await this.#rows.claim(repository, id, this.#clock.now() + CLAIM_MS) : undefined;
    if (claim === undefined) throw unknownUpload();
    if (claim === 'busy') throw busy();
    return claim;
  }
}

/** How many bytes count after a part, and why it was not taken whole. */
interface WrittenPart {
  readonly bytes: number;
  readonly failure?: RegistryError;
}

async function writePart(file: OpenUpload, part: UploadPart): Promise<WrittenPart> {
  let position = file.bytes;
  const most = part.length === undefined ? Number.POSITIVE_INFINITY : file.bytes + part.length;
  const chunks = part.body[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch(() => 'broken off' as const);
    if (next === 'broken off') {
      const failure = new RegistryError('BLOB_UPLOAD_INVALID', 'the connection ended before the part did');
      return { bytes: position, failure };
    }
    if (next.done === true) break;
    if (position + next.value.byteLength > most) return { bytes: file.bytes, failure: wrongSize() };
    await file.write(next.value, position);
    position += next.value.byteLength;
  }
  if (part.length !== undefined && position !== most) return { bytes: file.bytes, failure: wrongSize() };
  return { bytes: position };
}

function unknownUpload(): RegistryError {
  return new RegistryError(
    'BLOB_UPLOAD_UNKNOWN',
    'there is no such upload in this repository: it ended, or never began',
  );
}

function busy(): RegistryError {
  return notNow('another request is writing to this upload; ask for its state with GET');
}

function wrongSize(): RegistryError {
  return new RegistryError('SIZE_INVALID', 'the part is not as long as its Content-Range or Content-Length says');
}

function outOfOrder(counted: number): RegistryError {
  return notNow(`the next part begins at byte ${counted}`, { range: rangeOf(counted) });
}

function notNow(message: string, headers: Readonly<Record<string, string>> = {}): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', message, {
    status: 416,
    reasonPhrase: 'Range Not Satisfiable',
    headers,
  });
}

/** The `Range` of an upload: from its first byte to its last. One without any says 0-0, as everybody's does. */
export function rangeOf(bytes: number): string {
  return `0-${Math.max(0, bytes - 1)}`;
}
