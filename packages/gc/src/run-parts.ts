import type {
  Clock,
  ContentDisposal,
  ContentUsage,
  Logger,
  OrganizationName,
  Reconciliation,
  StaleFiles,
} from '@breakwater/registry-core';
import type { Brake } from './brake.js';
import type { Holds } from './holds.js';
import type { ExpirableTags, LinkSweep, QuotaTags, ReleasedManifests, StoreReadiness, UpstreamState } from './ports.js';
import type { SkipReason, StepReport } from './report.js';
import type { RunRecord } from './run-journal.js';
import type { StepClock } from './step-clock.js';
import type { RunContext } from './steps/run-context.js';

/** What a run works on. */
export interface RunParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tags: ExpirableTags;
  readonly released: ReleasedManifests | undefined;
  readonly upstreams: UpstreamState | undefined;
  readonly sweep: LinkSweep | undefined;
  readonly store: StoreReadiness | undefined;
  readonly disposal: ContentDisposal | undefined;
  readonly usage: ContentUsage | undefined;
  readonly quotas: QuotaTags | undefined;
  readonly staleFiles: readonly StaleFiles[];
  readonly reconciliation: Reconciliation | undefined;
  readonly graceMs: number;
  readonly holdMs: number;
  /** The most links that are planned at once. */
  readonly maxPlannedLinks: number;
  /** Asked before a run that deletes: a reason leaves it out. */
  readonly reasonToSkip: () => SkipReason | undefined;
  /** Writes the uses that this process has noted and not yet written. */
  readonly writeUses: () => Promise<void>;
}

/** Which run it is. */
export interface RunIdentity {
  readonly runId: string;
  readonly dryRun: boolean;
  /** Does what the brake would stop. */
  readonly force: boolean;
  readonly organization: OrganizationName | undefined;
  readonly startedAt: number;
  readonly record: RunRecord;
  readonly signal: AbortSignal;
  readonly progress: (steps: readonly StepReport[]) => void;
}

/** What the parts of one run share. */
export interface RunTools {
  readonly parts: RunParts;
  readonly context: RunContext;
  readonly steps: StepClock;
  readonly holds: Holds;
  readonly brake: Brake;
  /** What was used at this time or later is under lease, ms since the epoch. */
  readonly usedBefore: number;
}
