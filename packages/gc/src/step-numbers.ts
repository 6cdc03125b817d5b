import type {
  DisposeNumbers,
  ExpireNumbers,
  PlanNumbers,
  QuotaNumbers,
  ReconcileNumbers,
  SweepNumbers,
} from './report.js';

/** Numbers of steps that have done nothing yet. */
export const noTags = (): ExpireNumbers => ({ examined: 0, expired: 0, kept: 0 });
export const noPlan = (): PlanNumbers => ({ examined: 0, leased: 0, needed: 0, manifests: 0, blobs: 0 });
export const noLinks = (): SweepNumbers => ({ removed: 0, kept: 0 });
export const noQuotas = (): QuotaNumbers => ({ organizations: 0, expired: 0, over: 0 });
export const nothingFreed = (): DisposeNumbers => ({ manifests: 0, blobs: 0, bytes: 0, batches: 0 });
export const nothingReconciled = (): ReconcileNumbers => ({
  due: false,
  finished: 0,
  strays: 0,
  braked: false,
  missing: 0,
  cleared: 0,
  dropped: 0,
});
