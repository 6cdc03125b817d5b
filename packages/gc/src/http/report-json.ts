import type { GcReport, HeldUpstream, ReportedLink, ReportedTag } from '../report.js';
import { isoTime } from './iso-time.js';

/** A report as it stands in an answer: names in snake case, times in ISO 8601. */
export function reportJson(report: GcReport): Readonly<Record<string, unknown>> {
  return {
    run_id: report.runId,
    dry_run: report.dryRun,
    organization: report.organization,
    outcome: report.outcome,
    brake: report.brake,
    skipped: report.skipped,
    started_at: isoTime(report.startedAt),
    finished_at: isoTime(report.finishedAt),
    steps: report.steps,
    expired_total: report.expiredTotal,
    expired: report.expired.map(tagJson),
    kept: report.kept,
    kept_tags: report.keptTags.map(tagJson),
    held: report.held.map(heldJson),
    links: {
      removed: report.links.removed.map(linkJson),
      kept_total: report.links.keptTotal,
      kept: report.links.kept.map(linkJson),
    },
    freed: report.freed,
  };
}

function linkJson(link: ReportedLink<string>): Readonly<Record<string, unknown>> {
  const { usedAt, keptBy, ...rest } = link;
  return { ...rest, used_at: isoTime(usedAt), kept_by: keptBy };
}

function tagJson(tag: ReportedTag<string>): Readonly<Record<string, unknown>> {
  return {
    organization: tag.organization,
    repository: tag.repository,
    upstream: tag.upstream,
    reference: tag.reference,
    digest: tag.digest,
    reason: tag.reason,
    confirmed_at: isoTime(tag.confirmedAt),
    last_used_at: isoTime(tag.lastUsedAt),
    staleness_period_s: tag.stalenessPeriodS,
    expiration_s: tag.expirationS,
  };
}

function heldJson(held: HeldUpstream): Readonly<Record<string, unknown>> {
  return {
    organization: held.organization,
    upstream: held.upstream,
    down_since: held.downSince === undefined ? undefined : isoTime(held.downSince),
    tags: held.tags,
  };
}
