import type { Digest, ProxyCacheSettings, UpstreamFailureClass } from '@breakwater/registry-core';
import type { UpstreamStateView } from '../gc/upstream-state.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { TagChecks } from '../manifests/tag-checks.js';
import type { TagKey } from '../ports.js';
import type { CachedTags } from '../tags/cached-tags.js';
import { isUpstreamError } from '../upstream/upstream-error.js';

/** What came of asking about a tag. */
export interface CheckedTag {
  readonly key: TagKey;
  readonly outcome: 'confirmed' | 'moved' | 'failed' | 'not_cached';
  /** What the tag points to now. */
  readonly digest?: Digest;
  readonly failureClass?: UpstreamFailureClass;
}

export interface CacheChecksParts {
  readonly tags: Pick<CachedTags, 'load'>;
  readonly checks: Pick<TagChecks, 'start' | 'ping'>;
  readonly health: Pick<UpstreamHealth, 'assertMayAsk'>;
  readonly upstreams: Pick<UpstreamStateView, 'check'>;
}

/** Asks upstreams on behalf of an administrator, known to be down or not: all but while a Retry-After is in force. */
export class CacheChecks {
  constructor(private readonly parts: CacheChecksParts) {}

  /** Asks about tags one after the other; without any, for the upstream's health alone. */
  async check(settings: ProxyCacheSettings, keys: readonly TagKey[] | undefined): Promise<readonly CheckedTag[]> {
    if (keys === undefined) {
      if ((await this.#refusal(settings)) !== undefined) return [];
      const condition = await this.parts.upstreams.check(settings.organization, settings.upstream);
      if (condition === undefined) await this.parts.checks.ping(settings);
      return [];
    }
    const checked: CheckedTag[] = [];
    for (const key of keys) checked.push(await this.#checkOne(settings, key));
    return checked;
  }

  async #checkOne(settings: ProxyCacheSettings, key: TagKey): Promise<CheckedTag> {
    const entry = await this.parts.tags.load(key);
    if (entry === undefined) return { key, outcome: 'not_cached' };
    const { digest } = entry;
    const refused = await this.#refusal(settings);
    if (refused !== undefined) return { key, outcome: 'failed', digest, failureClass: refused };
    const result = await this.parts.checks.start(key, settings, entry, { claimed: true }).result;
    if (result.kind === 'failed') return { key, outcome: 'failed', digest, failureClass: result.error.failureClass };
    return { key, outcome: result.kind === 'same' ? 'confirmed' : 'moved', digest: result.entry.digest };
  }

  async #refusal(settings: ProxyCacheSettings): Promise<UpstreamFailureClass | undefined> {
    try {
      await this.parts.health.assertMayAsk(settings);
      return undefined;
    } catch (error) {
      if (isUpstreamError(error)) return error.failureClass;
      throw error;
    }
  }
}
