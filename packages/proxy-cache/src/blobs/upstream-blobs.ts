import type { Emit } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import { contentKey } from '../manifests/hot-manifests.js';
import type { RememberedRefusals } from '../remembered-refusals.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamBlob } from '../upstream/upstream-registry.js';
import type { UpstreamFailures } from '../upstream-failures.js';
import type { BlobPull } from './blob-pull.js';
import { Deadline } from './deadline.js';

/** What questions to upstreams lean on. */
export interface UpstreamBlobsParts {
  readonly upstreams: UpstreamClient;
  readonly health: UpstreamHealth;
  readonly deadlines: Deadlines;
  readonly emit: Emit;
  readonly failures: UpstreamFailures;
  readonly refusals: RememberedRefusals;
}

/** The part of the client budget below which an upstream that has not answered is not taken to be down. */
const FAIR_PART = 0.5;

/** Asks upstreams for blobs, and tells whoever has to know what came of it. */
export class UpstreamBlobs {
  /** @param closing what it ends says nothing about an upstream */
  constructor(
    private readonly parts: UpstreamBlobsParts,
    private readonly closing: AbortSignal,
  ) {}

  /** Asks for the blob from a byte on; the answer's headers have to be there within the client budget, or what is left of it. */
  async open(pull: BlobPull, from: number, whole: AbortSignal, leftMs: number): Promise<UpstreamBlob> {
    const { settings, repository, digest } = pull;
    const { deadlines, health, upstreams } = this.parts;
    const deadline = new Deadline(whole, leftMs);
    // That there was hardly any time is not the upstream's doing.
    const isFair = leftMs >= deadlines.clientBudgetMs * FAIR_PART;
    const answer = await this.#asked(
      pull,
      () => upstreams.registry(settings).getBlob(repository.name, digest, deadline.signal, from),
      isFair,
    ).catch((error: unknown) => {
      deadline.clear();
      throw error;
    });
    // The signal stays that of the body: of the two deadlines only that of the whole is left.
    deadline.cancel();
    answer.body.once('close', () => deadline.clear());
    await health.sent(answer.origin);
    return answer;
  }

  /** Asks the upstream, and tells the health of whichever origin failed: a content server's says nothing of the registry's. */
  async #asked<T>(pull: BlobPull, ask: () => Promise<T>, isFair = true): Promise<T> {
    const { emit, health, failures, refusals } = this.parts;
    const { settings, repository, digest, requestId } = pull;
    const content = { repository: repository.name, reference: digest };
    emit('upstream-request', { organization: repository.organization, ...content, purpose: 'blob' });
    try {
      return await ask();
    } catch (error) {
      // What our own end has cut says nothing about the upstream.
      if (!isUpstreamError(error) || this.closing.aborted) throw error;
      if (error.failureClass === 'timeout' && !isFair) throw error;
      refusals.note(refusalKey(pull), error);
      failures.tell(settings, content, error, requestId);
      await health.failed(health.scopeOf(settings), error, false);
      throw error;
    }
  }

  /** @throws UpstreamError that the upstream answered with a moment ago */
  assertNotRefused(pull: BlobPull): void {
    const refused = this.parts.refusals.find(refusalKey(pull));
    if (refused !== undefined) throw refused;
  }

  /** Size of a blob in bytes; `undefined` when the upstream does not say. @throws UpstreamError */
  async size(pull: BlobPull): Promise<number | undefined> {
    const { settings, repository, digest } = pull;
    this.assertNotRefused(pull);
    await this.parts.health.assertMayAsk(settings);
    const signal = AbortSignal.timeout(this.parts.deadlines.clientBudgetMs);
    return this.#asked(pull, () => this.parts.upstreams.registry(settings).headBlob(repository.name, digest, signal));
  }
}

function refusalKey({ settings, repository, digest }: BlobPull): string {
  return `blob\n${contentKey(repository, digest)}\n${settings.credentialVersion}`;
}
