export type { RunOptions } from './collector.js';
export { createGc, type Gc, type GcOptions } from './create-gc.js';
export { GcError, type GcErrorCode } from './errors.js';
export type { GcEvents } from './events.js';
export {
  type ExpireReason,
  isHeld,
  judgeTag,
  type OwnKeepReason,
  type TagVerdict,
  USE_MARGIN_MS,
} from './expiry-rule.js';
export type { ExplainedLink, ExplainedTag, Explanation } from './explain/explanation.js';
export { parseSubject, type Subject } from './explain/subject.js';
export type { Hold } from './holds.js';
export { explanationJson } from './http/explanation-json.js';
export { reportJson } from './http/report-json.js';
export type {
  ExpirableTag,
  ExpirableTagPage,
  ExpirableTagQuery,
  ExpirableTags,
  LinkSweep,
  ManifestKey,
  NamedTags,
  Quota,
  QuotaTags,
  ReleasedManifest,
  ReleasedManifests,
  StoredContent,
  StoredItem,
  StoreReadiness,
  UpstreamCondition,
  UpstreamOf,
  UpstreamState,
} from './ports.js';
export { gcMigrations } from './postgres/migrations.js';
export type { RunTimes } from './postgres/run-times.js';
export type { QuotaRoom, QuotaState } from './quota-room.js';
export type {
  Braked,
  DisposeNumbers,
  ExpireNumbers,
  GcReport,
  HeldUpstream,
  KeepReason,
  LinkKeepReason,
  PlanNumbers,
  QuotaNumbers,
  ReconcileNumbers,
  ReportedLink,
  ReportedTag,
  SkipReason,
  StaleNumbers,
  StepReport,
  SweepNumbers,
} from './report.js';
export type { ContentDeletion, Deletion, DeletionAudit, FileDeletion, IntendedDeletions } from './run-journal.js';
export type { GcMiddleware } from './served-middleware.js';
