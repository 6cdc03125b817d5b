import { setTimeout as sleep } from 'node:timers/promises';
import { type Digest, DigestVerifier } from '@breakwater/registry-core';
import { discard, idleGuarded } from '../upstream/read-body.js';
import { isUpstreamError, UpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamBlob } from '../upstream/upstream-registry.js';
import type { GrowingBlob } from './growing-blob.js';
import { RateFloor } from './rate-floor.js';
import { ResumeBudget } from './resume-budget.js';
import type { SpoolFile } from './spool-file.js';
import { SpoolWriter } from './spool-writer.js';

/** How much of a file is hashed at a time, in bytes. */
const READ_BYTES = 1024 * 1024;

export interface TransferOptions {
  readonly digest: Digest;
  readonly file: SpoolFile;
  readonly blob: GrowingBlob;
  /** Longest silence in milliseconds. */
  readonly idleMs: number;
  /** The deadline of the whole. */
  readonly signal: AbortSignal;
  /** Asks the upstream for the blob from a byte on. What this fails with ends the transfer: it was repeated already. */
  readonly ask: (from: number) => Promise<UpstreamBlob>;
  /** Told once the upstream has said the size in bytes. */
  readonly onSize: (size: number) => void;
  /** Milliseconds that only go up, default the process's own. */
  readonly now?: () => number;
}

/**
 * Fills a file with a blob. What the file holds already is hashed and kept; a body that breaks, stalls or ends early is
 * gone on with from the byte reached, by `Range` and the hash carried on. Nothing is joined on trust: a server that
 * answers from another byte, or with another entity, is asked for the whole, whose beginning must hash to what we have.
 */
export class Transfer {
  readonly #verifier: DigestVerifier;
  readonly #budget = new ResumeBudget();
  #size: number | undefined;
  #etag: { readonly origin: string; readonly tag: string } | undefined;
  #ranges = true;
  #hasEnded = false;
  #isHopeless = false;

  constructor(private readonly options: TransferOptions) {
    this.#verifier = new DigestVerifier(options.digest);
  }

  /** Bytes in the file. */
  get reached(): number {
    return this.#verifier.bytes;
  }

  /**
   * Resolves when the file is whole and right; its bytes may not be on the disk yet.
   * @throws UpstreamError class `integrity` when what is in the file is of no use, another class when it can be gone on with
   * @throws the file system's error
   */
  async run(): Promise<void> {
    await this.#takeUp();
    while (!this.#isWhole()) {
      const failure = await this.#attempt();
      if (failure === undefined || this.#isWhole()) continue;
      const delayMs = this.#budget.next(this.reached);
      if (delayMs === undefined) throw failure;
      await this.#pause(delayMs, failure);
    }
    const { blob, file } = this.options;
    await file.markVerified();
    blob.complete(this.reached);
  }

  /** Hashes what the file holds. */
  async #takeUp(): Promise<void> {
    const { file, blob, signal } = this.options;
    const { bytes } = await file.facts();
    blob.grow(bytes);
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, bytes)));
    while (this.reached < bytes) {
      if (signal.aborted) throw ended();
      const read = await file.read(buffer, Math.min(buffer.byteLength, bytes - this.reached), this.reached);
      if (read === 0) return;
      this.#verifier.update(buffer.subarray(0, read));
    }
  }

  /**
   * Whether the content is there. That it has the size which was promised is not enough.
   * @throws UpstreamError class `integrity` when there is as much as was promised, and it is something else
   */
  #isWhole(): boolean {
    if (this.#size === undefined || this.reached < this.#size) {
      const mayBe = this.#size === undefined && (this.#hasEnded || this.reached > 0);
      return mayBe && this.#verifier.digest === this.options.digest;
    }
    if (this.#verifier.digest === this.options.digest) return true;
    throw new UpstreamError('integrity', 'the upstream sent a blob that does not match its digest');
  }

  /** Gets as far as one body does. Resolves to why it got no further, or to `undefined` at the blob's end. */
  async #attempt(): Promise<UpstreamError | undefined> {
    const reached = this.reached;
    const answer = await this.#ask(this.#ranges ? reached : 0);
    if (answer === undefined) return new UpstreamError('protocol', 'the upstream does not go on where it was asked to');
    try {
      await this.#fill(answer);
    } catch (error) {
      if (!isUpstreamError(error) || this.#isHopeless || this.options.signal.aborted) throw error;
      if (error.failureClass === 'connect' || error.failureClass === 'timeout') return error;
      throw error;
    }
    this.#hasEnded = true;
    if (this.#size === undefined) return this.#endedUntold(reached);
    return this.reached < this.#size ? new UpstreamError('connect', 'the upstream stopped before the end') : undefined;
  }

  /**
   * A body without a told length ended, which is how it breaks as well; the next answer by range tells the size. Where there is
   * no such answer, or nothing new came, what is here is all, and wrong.
   */
  #endedUntold(reachedBefore: number): UpstreamError {
    const wrong = new UpstreamError('integrity', 'the upstream sent a blob that does not match its digest');
    const mayGoOn = this.#ranges && this.reached > reachedBefore;
    if (!mayGoOn) throw wrong;
    return wrong;
  }

  /** Asks; `undefined` when the answer is of no use, and ranges are not to be asked for any more. */
  async #ask(from: number): Promise<UpstreamBlob | undefined> {
    let answer: UpstreamBlob;
    try {
      answer = await this.options.ask(from);
    } catch (error) {
      if (!(from > 0 && isUpstreamError(error) && [206, 416].includes(error.upstreamStatus ?? 0))) throw error;
      this.#ranges = false;
      return undefined;
    }
    const { origin, etag } = answer;
    const isOther = this.#etag !== undefined && this.#etag.origin === origin && this.#etag.tag !== etag;
    if (answer.from !== 0 && (answer.from !== from || isOther)) {
      discard(answer.body);
      this.#ranges = false;
      return undefined;
    }
    if (etag !== undefined && this.#etag?.origin !== origin) this.#etag = { origin, tag: etag };
    this.#promise(answer);
    return answer;
  }

  /** @throws UpstreamError class `integrity` when the upstream contradicts itself */
  #promise({ size, body }: UpstreamBlob): void {
    if (size === undefined || size === this.#size) return;
    if (this.#size !== undefined || size < this.reached) {
      body.destroy();
      throw new UpstreamError('integrity', 'the upstream says different sizes of the same blob');
    }
    this.#size = size;
    this.options.blob.announce(size);
    this.options.onSize(size);
  }

  async #fill({ body, from }: UpstreamBlob): Promise<void> {
    const { file, blob, idleMs, signal } = this.options;
    const writer = new SpoolWriter(file, blob, this.reached);
    const now = this.options.now ?? (() => performance.now());
    const rate = new RateFloor();
    const known = from < this.reached ? new KnownPrefix(this.reached, this.#verifier.digest) : undefined;
    let askedAt = now();
    try {
      for await (const chunk of idleGuarded(body, { idleMs, signal })) {
        if (!rate.holds(chunk.byteLength, now() - askedAt)) {
          this.#isHopeless = true;
          throw new UpstreamError('timeout', 'the upstream sends too slowly');
        }
        const news = known === undefined ? chunk : known.skip(chunk);
        if (news.byteLength > 0) {
          this.#verifier.update(news);
          if (this.#size !== undefined && this.reached > this.#size) {
            throw new UpstreamError('integrity', 'the upstream sent more bytes than it announced');
          }
          await writer.add(news);
        }
        // What it took us, and our disk, is not the upstream's.
        askedAt = now();
      }
    } finally {
      body.destroy();
      // Also after a failure: the hash is carried on over what has arrived, so that must be in the file.
      await writer.flush();
    }
  }

  async #pause(delayMs: number, failure: UpstreamError): Promise<void> {
    await sleep(delayMs, undefined, { signal: this.options.signal }).catch(() => undefined);
    if (this.options.signal.aborted) throw failure;
  }
}

/** The beginning of a body that we have already. It is hashed once more, and must be the same. */
class KnownPrefix {
  readonly #verifier: DigestVerifier;

  constructor(
    private readonly bytes: number,
    digest: Digest,
  ) {
    this.#verifier = new DigestVerifier(digest);
  }

  /** What of the chunk is new. @throws UpstreamError class `integrity` when the body began otherwise */
  skip(chunk: Buffer): Buffer {
    const left = this.bytes - this.#verifier.bytes;
    if (left === 0) return chunk;
    this.#verifier.update(chunk.subarray(0, left));
    if (this.#verifier.bytes === this.bytes && this.#verifier.digest !== this.#verifier.expected) {
      throw new UpstreamError('integrity', 'the upstream sends another blob than before under the same digest');
    }
    return chunk.subarray(left);
  }
}

function ended(): UpstreamError {
  return new UpstreamError('timeout', 'the download was ended');
}
