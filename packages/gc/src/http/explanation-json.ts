import { formatReference, type Repository } from '@breakwater/registry-core';
import type { ExplainedLink, ExplainedTag, Explanation } from '../explain/explanation.js';
import { isoTime } from './iso-time.js';

/** An explanation as it stands in an answer: names in snake case, times in ISO 8601, lengths of time in seconds. */
export function explanationJson(explanation: Explanation): Readonly<Record<string, unknown>> {
  return {
    explained_at: isoTime(explanation.explainedAt),
    tags: explanation.tags.map(tagJson),
    stored: explanation.stored,
    links_total: explanation.linksTotal,
    links: explanation.links.map(linkJson),
  };
}

function tagJson({ tag, ageMs, hold, verdict }: ExplainedTag): Readonly<Record<string, unknown>> {
  return {
    ...repositoryJson(tag.repository),
    reference: formatReference(tag.reference),
    digest: tag.digest,
    state: ageMs > tag.stalenessPeriodS * 1000 ? 'past_staleness' : 'within_staleness',
    age_s: seconds(ageMs),
    confirmed_at: isoTime(tag.confirmedAt),
    last_used_at: isoTime(tag.lastUsedAt),
    staleness_period_s: tag.stalenessPeriodS,
    expiration_s: tag.expirationS,
    pinned: tag.pinned,
    hold: hold.kind,
    down_since: hold.kind === 'held' && hold.downSince !== undefined ? isoTime(hold.downSince) : undefined,
    verdict: { action: verdict.action, reason: verdict.reason },
  };
}

function linkJson(link: ExplainedLink): Readonly<Record<string, unknown>> {
  const { total, more, cachedTags, hostedTags, manifests } = link.referencedBy;
  return {
    ...repositoryJson(link.repository),
    kind: link.kind,
    used_at: isoTime(link.usedAt),
    lease_left_s: seconds(link.leaseLeftMs),
    referenced_by: { total, more, cached_tags: cachedTags.map(tagJson), hosted_tags: hostedTags, manifests },
    verdict: link.verdict,
  };
}

function repositoryJson({ organization, name, upstream }: Repository) {
  return { organization, repository: name, upstream };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
