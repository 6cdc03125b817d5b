import type { Digest } from '../oci/digest.js';
import type { Repository } from '../oci/reference.js';

/** A blob that is open for reading; whoever opened it closes it. */
export interface OpenBlob {
  /** Size of the whole blob in bytes. */
  readonly size: number;
  /**
   * Fills the buffer from a position in the blob and resolves to the number of bytes read, which may be fewer than fit;
   * 0 only at the end. On a blob that is still arriving it waits for the bytes.
   */
  read(buffer: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

/** Blobs of repositories. A repository serves only what is linked to it. */
export interface BlobStore {
  /** The blob, or `undefined` when the repository has none of that digest. Failures of the store throw. */
  open(repository: Repository, digest: Digest): Promise<OpenBlob | undefined>;
  /**
   * Takes over a file whose content was verified against the digest and flushed to disk, and links the blob to the
   * repository. The file is gone from its path afterwards; descriptors that are open on it stay readable. Idempotent.
   */
  import(repository: Repository, digest: Digest, file: string): Promise<void>;
}
