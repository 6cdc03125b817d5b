import type { Clock, ProxyCacheSettings, RepositoryName } from '@breakwater/registry-core';
import { LRUCache } from 'lru-cache';
import { type Emit, type RequestIdSource, requestFacts } from './events.js';
import type { UpstreamError } from './upstream/upstream-error.js';

/** How long a rejection of the same credentials is no news, in milliseconds: as long as it is remembered (P13). */
const NO_NEWS_MS = 30_000;
const MAX_ORGANIZATIONS = 10_000;

/** What was asked for when an upstream failed. */
export interface AskedContent {
  readonly repository: RepositoryName;
  /** A tag or a digest; empty for a list of tags. */
  readonly reference: string;
}

/** Tells of those failures of upstreams that somebody has to do something about, whoever's request met them. */
export class UpstreamFailures {
  readonly #rejected = new LRUCache<string, { readonly credentialVersion: number; readonly at: number }>({
    max: MAX_ORGANIZATIONS,
  });

  constructor(
    private readonly emit: Emit,
    private readonly clock: Clock,
  ) {}

  tell(
    settings: Pick<ProxyCacheSettings, 'organization' | 'credentials' | 'credentialVersion'>,
    content: AskedContent,
    error: UpstreamError,
    requestId: RequestIdSource | undefined,
  ): void {
    const { organization } = settings;
    const { failureClass } = error;
    if (failureClass === 'integrity') {
      this.emit('integrity-failure', { organization, ...content, failureClass, ...requestFacts(requestId) });
    } else if (failureClass === 'denied' && settings.credentials !== undefined && this.#isNews(settings)) {
      this.emit('credentials-rejected', {
        organization,
        ...content,
        failureClass,
        ...statusFacts(error),
        ...requestFacts(requestId),
      });
    }
  }

  #isNews({
    organization,
    credentialVersion,
  }: Pick<ProxyCacheSettings, 'organization' | 'credentialVersion'>): boolean {
    const now = this.clock.now();
    const last = this.#rejected.get(organization);
    if (last?.credentialVersion === credentialVersion && now - last.at < NO_NEWS_MS) return false;
    this.#rejected.set(organization, { credentialVersion, at: now });
    return true;
  }
}

/** The upstream's own status, if it answered. */
export function statusFacts({ upstreamStatus }: { readonly upstreamStatus?: number | undefined }): {
  readonly upstreamStatus?: number;
} {
  return upstreamStatus === undefined ? {} : { upstreamStatus };
}
