import type { ProxyCacheSettings } from '@breakwater/registry-core';
import { type AnsweredTagPage, parseTagPage } from '@breakwater/registry-http';
import type { Emit, RequestIdSource } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { ProxiedRepository } from '../ports.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamFailures } from '../upstream-failures.js';

/**
 * Tag lists of proxied repositories, passed through page by page. In an outage there is no list rather than a shortened
 * one: what happens to be cached is not what the repository has.
 */
export class UpstreamTags {
  constructor(
    private readonly upstreams: UpstreamClient,
    private readonly health: UpstreamHealth,
    private readonly deadlines: Deadlines,
    private readonly emit: Emit,
    private readonly failures: UpstreamFailures,
  ) {}

  /** @throws UpstreamError, and RegistryError UNSUPPORTED with status 400 for an `n` that is not a number */
  async list(
    settings: ProxyCacheSettings,
    repository: ProxiedRepository,
    query: string,
    requestId?: RequestIdSource,
  ): Promise<AnsweredTagPage> {
    const page = parseTagPage(query);
    const { limit } = page;
    if (limit === 0) return { tags: [], next: undefined, limit };
    await this.health.assertMayAsk(settings);
    const signal = AbortSignal.timeout(this.deadlines.clientBudgetMs);
    const content = { repository: repository.name, reference: '' };
    this.emit('upstream-request', { organization: repository.organization, ...content, purpose: 'tags' });
    const scope = this.health.scopeOf(settings);
    try {
      const listed = await this.upstreams.registry(settings).listTags(repository.name, page, signal);
      await this.health.succeeded(scope);
      return { ...listed, limit };
    } catch (error) {
      if (isUpstreamError(error)) {
        this.failures.tell(settings, content, error, requestId);
        await this.health.failed(scope, error, false);
      }
      throw error;
    }
  }
}
