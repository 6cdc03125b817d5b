import { setTimeout as sleep } from 'node:timers/promises';
import { discard, idleGuarded } from '../upstream/read-body.js';
import { isUpstreamError, UpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamBlob } from '../upstream/upstream-registry.js';
import { RateFloor } from './rate-floor.js';
import { ResumeBudget } from './resume-budget.js';

export interface ResumedChunksOptions {
  /** Of the whole, in bytes. */
  readonly size: number;
  /** Longest silence in milliseconds. */
  readonly idleMs: number;
  /** The deadline of the whole. */
  readonly signal: AbortSignal;
  /** Asks the upstream for the blob from a byte on. */
  readonly ask: (from: number) => Promise<UpstreamBlob>;
}

/**
 * The bytes of a blob that is kept nowhere, read no faster than they are asked for. A body that breaks is gone on with by
 * `Range` from the byte reached; that the pieces fit together is for the hash of the whole to tell.
 *
 * @param first the answer from byte 0 on
 * @throws UpstreamError when the blob cannot be had to its end
 */
export async function* resumedChunks(
  first: UpstreamBlob,
  { size, idleMs, signal, ask }: ResumedChunksOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const budget = new ResumeBudget();
  const rate = new RateFloor();
  let answer = first;
  let isHopeless = false;
  for (let reached = 0; ; ) {
    let failure = new UpstreamError('connect', 'the upstream stopped before the end');
    try {
      let askedAt = performance.now();
      for await (const chunk of idleGuarded(answer.body, { idleMs, signal })) {
        // What the client takes is not the upstream's.
        isHopeless = !rate.holds(chunk.byteLength, performance.now() - askedAt);
        if (isHopeless) throw new UpstreamError('timeout', 'the upstream sends too slowly');
        reached += chunk.byteLength;
        yield chunk;
        askedAt = performance.now();
      }
    } catch (error) {
      if (!isUpstreamError(error) || isHopeless || signal.aborted) throw error;
      failure = error;
    }
    if (reached >= size) return;
    const delayMs = budget.next(reached);
    if (delayMs === undefined) throw failure;
    await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw failure;
    answer = await ask(reached);
    if (answer.from !== reached) {
      discard(answer.body);
      throw failure;
    }
  }
}
