import { type ProxyCacheSettings, RegistryError } from '@breakwater/registry-core';
import type { Emit } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { ProxiedRepository } from '../ports.js';
import type { Deadlines } from '../upstream/deadlines.js';
import type { UpstreamClient } from '../upstream/upstream-client.js';
import { isUpstreamError } from '../upstream/upstream-error.js';
import type { UpstreamTagPage } from '../upstream/upstream-registry.js';

/** Most tags of one page (S33). */
const MAX_PAGE = 1_000;

/** A page of tags, and how many a page was to have. */
export interface ListedTags extends UpstreamTagPage {
  readonly limit: number | undefined;
}

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
  ) {}

  /** @throws UpstreamError, and RegistryError UNSUPPORTED with status 400 for an `n` that is not a number */
  async list(settings: ProxyCacheSettings, repository: ProxiedRepository, query: string): Promise<ListedTags> {
    const parameters = new URLSearchParams(query);
    const limit = parseLimit(parameters.get('n'));
    if (limit === 0) return { tags: [], next: undefined, limit };
    const signal = AbortSignal.timeout(this.deadlines.clientBudgetMs);
    const content = { organization: repository.organization, repository: repository.name, reference: '' };
    this.emit('upstream-request', { ...content, purpose: 'tags' });
    const scope = this.health.scopeOf(settings);
    try {
      const page = { limit, last: parameters.get('last') ?? undefined };
      const listed = await this.upstreams.registry(settings).listTags(repository.name, page, signal);
      await this.health.succeeded(scope);
      return { ...listed, limit };
    } catch (error) {
      if (isUpstreamError(error)) await this.health.failed(scope, error, false);
      throw error;
    }
  }
}

function parseLimit(n: string | null): number | undefined {
  if (n === null || n === '') return undefined;
  if (!/^[0-9]{1,9}$/.test(n)) {
    throw new RegistryError('UNSUPPORTED', `n must be a whole number of tags, not ${JSON.stringify(n.slice(0, 32))}`, {
      status: 400,
    });
  }
  return Math.min(Number(n), MAX_PAGE);
}
