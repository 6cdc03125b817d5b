import type { GcReport, StepReport } from './report.js';

/** What a collector tells, by event name. A listener that throws changes nothing. */
export interface GcEvents {
  /** A run has begun. */
  started: [run: { readonly runId: string; readonly dryRun: boolean }];
  /** A run is on its way; at most once a second. */
  progress: [run: { readonly runId: string; readonly steps: readonly StepReport[] }];
  /** A run has ended, well or not: see the report's `outcome`. */
  finished: [report: GcReport];
  /** A run on the interval could not begin; never GC_RUNNING, which is no failure. */
  rejected: [error: unknown];
}
