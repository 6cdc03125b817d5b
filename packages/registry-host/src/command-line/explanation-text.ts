import type { ExplainedLink, ExplainedTag, Explanation } from '@breakwater/gc';
import { formatReference, type Repository } from '@breakwater/registry-core';
import { bytesText, timeText } from './units.js';

/** Why each tag goes or stays. */
const TAG_REASONS: Readonly<Record<ExplainedTag['verdict']['reason'], string>> = {
  lapsed: 'its age exceeds the staleness period, and there is no expiration',
  lapsed_and_unused: 'its age exceeds the staleness period, and its expiration since the last pull has passed',
  quota: 'the quota of its organization is exceeded',
  pinned: 'it is pinned',
  within_staleness: 'it is within its staleness period',
  kept_for_ever: 'an expiration of 0 keeps it for ever',
  used_recently: 'it was pulled within its expiration',
  held: 'its upstream is down, so it could not be had again',
  upstream_unknown: 'nobody can say whether its upstream is down',
};

const LINK_REASONS: Readonly<Record<ExplainedLink['verdict']['reason'], string>> = {
  unreachable: 'nothing that stays needs it',
  leased: 'it was pulled within the grace',
  tagged: 'a tag points to it',
  needed: 'a manifest of the repository needs it',
  changed: 'it changed while it was looked at; ask again',
};

/** An explanation for people. Pure. */
export function explanationText({ explainedAt, tags, stored, links, linksTotal }: Explanation): string {
  const lines = [
    `If a run began now (${timeText(explainedAt)}), quotas aside:`,
    ...tags.flatMap((tag) => ['', ...tagLines(tag)]),
    ...(stored.length === 0 ? [] : ['']),
    ...stored.map(
      ({ kind, size, links: count }) =>
        `stored as a ${kind}, ${bytesText(size)}, ${count === 0 ? 'without a link: its space is FREED by the next run' : `linked to by ${count}`}`,
    ),
    ...links.flatMap((link) => ['', ...linkLines(link)]),
    ...(linksTotal > links.length ? ['', `… and ${linksTotal - links.length} more links`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function tagLines({ tag, ageMs, hold, verdict }: ExplainedTag): readonly string[] {
  const { expirationS } = tag;
  const since = hold.kind === 'held' && hold.downSince !== undefined ? ` since ${timeText(hold.downSince)}` : '';
  return [
    `${nameText(tag.repository, formatReference(tag.reference))} ${goesOrStays(verdict.action)}: ${TAG_REASONS[verdict.reason]} (${verdict.reason})`,
    `  points to  ${tag.digest}`,
    `  confirmed  ${timeText(tag.confirmedAt)}: ${seconds(ageMs)} s ago, of a staleness period of ${tag.stalenessPeriodS} s`,
    `  last pull  ${timeText(tag.lastUsedAt)}; expiration ${expirationS === undefined ? 'none' : `${expirationS} s`}`,
    `  pinned     ${tag.pinned ? 'yes' : 'no'}`,
    `  hold       ${hold.kind}${since}`,
  ];
}

function linkLines({ repository, kind, usedAt, leaseLeftMs, referencedBy, verdict }: ExplainedLink): readonly string[] {
  const { total, more, cachedTags, hostedTags, manifests } = referencedBy;
  const named = cachedTags.length + hostedTags.length + manifests.length;
  return [
    `${kind} in ${nameText(repository)} ${goesOrStays(verdict.action)}: ${LINK_REASONS[verdict.reason]} (${verdict.reason})`,
    `  last used  ${timeText(usedAt)}; lease left ${seconds(leaseLeftMs)} s`,
    `  kept by    ${more ? 'at least ' : ''}${total}`,
    ...cachedTags.map(
      ({ tag, verdict: of }) =>
        `    ${formatReference(tag.reference)}, which itself ${goesOrStays(of.action)} (${of.reason})`,
    ),
    ...hostedTags.map((tag) => `    hosted tag ${tag}`),
    ...manifests.map((digest) => `    manifest ${digest}`),
    ...(total > named ? [`    … and ${total - named} more`] : []),
  ];
}

function goesOrStays(action: 'expire' | 'remove' | 'keep'): string {
  return action === 'keep' ? 'STAYS' : 'GOES';
}

function nameText({ organization, name, upstream }: Repository, reference?: string): string {
  const mark = reference?.includes(':') ? '@' : ':';
  const from = upstream === undefined ? '' : ` (from ${upstream})`;
  return `${organization}/${name}${reference === undefined ? '' : `${mark}${reference}`}${from}`;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
