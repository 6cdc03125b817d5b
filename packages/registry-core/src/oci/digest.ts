import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

declare const digestBrand: unique symbol;

/** A content digest in canonical form, `sha256:<64 hex>` or `sha512:<128 hex>`. Made by `parseDigest` and `digestOf` only. */
export type Digest = string & { readonly [digestBrand]: true };

/** The digest algorithms that are registered by the OCI image-spec and supported here. */
export type DigestAlgorithm = 'sha256' | 'sha512';

const DIGEST_GRAMMAR = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

/** Reads a digest; `undefined` when the text is not one of a supported algorithm (image-spec, descriptor.md "Digests"). */
export function parseDigest(text: string): Digest | undefined {
  return DIGEST_GRAMMAR.test(text) ? (text as Digest) : undefined;
}

/** The digest of bytes that are held in memory. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** The algorithm of a digest. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The hexadecimal part of a digest, safe as a path segment. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Hashes and counts bytes as they arrive, then says whether they are the content of a digest. */
export class DigestVerifier {
  readonly #hash: Hash;
  #bytes = 0;

  constructor(readonly expected: Digest) {
    this.#hash = createHash(digestAlgorithm(expected));
  }

  /** Number of bytes seen so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The digest of the bytes seen so far. */
  get digest(): Digest {
    return `${digestAlgorithm(this.expected)}:${this.#hash.copy().digest('hex')}` as Digest;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.byteLength;
  }

  /** Ends the count. True when the bytes hash to the digest and, if a size in bytes is given, are that many. */
  verify(size?: number): boolean {
    const actual = `${digestAlgorithm(this.expected)}:${this.#hash.digest('hex')}`;
    return actual === this.expected && (size === undefined || size === this.#bytes);
  }
}

/** A byte stream did not hash to the digest, or was not as long, as was promised. */
export class DigestMismatchError extends Error {
  readonly code = 'DIGEST_MISMATCH';

  constructor(readonly expected: Digest) {
    super(`the content does not match ${expected}`);
    this.name = 'DigestMismatchError';
  }
}

/**
 * A pass-through stream which withholds the last byte until the content is verified, so that nobody downstream ever
 * holds complete wrong content. It fails with `DigestMismatchError` (code DIGEST_MISMATCH) when the content is wrong.
 */
export function verifyingStream(digest: Digest, size?: number): Transform {
  const verifier = new DigestVerifier(digest);
  let withheld: Buffer = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      if (chunk.byteLength === 0) return done();
      verifier.update(chunk);
      // Before anything is handed on: else too much wrong content would complete what the size has promised.
      if (size !== undefined && verifier.bytes > size) return done(new DigestMismatchError(digest));
      if (withheld.byteLength > 0) this.push(withheld);
      if (chunk.byteLength > 1) this.push(chunk.subarray(0, -1));
      withheld = chunk.subarray(-1);
      done();
    },
    flush(done: TransformCallback) {
      if (!verifier.verify(size)) return done(new DigestMismatchError(digest));
      if (withheld.byteLength > 0) this.push(withheld);
      done();
    },
  });
}
