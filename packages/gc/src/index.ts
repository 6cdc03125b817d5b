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
export type { ExpirableTag, ExpirableTagPage, ExpirableTags, UpstreamCondition, UpstreamState } from './ports.js';
export { gcMigrations } from './postgres/migrations.js';
export type {
  DisposeNumbers,
  ExpireNumbers,
  GcReport,
  HeldUpstream,
  KeepReason,
  ReportedTag,
  StepReport,
  SweepNumbers,
} from './report.js';
export type { GcMiddleware } from './served-middleware.js';
