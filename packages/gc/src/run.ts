import type { Clock, ContentDisposal, ContentSweep, Logger } from '@breakwater/registry-core';
import { errorClass, errorMessage } from './errors.js';
import { leaseEnd } from './expiry-rule.js';
import { Holds } from './holds.js';
import type { ExpirableTags, UpstreamState } from './ports.js';
import {
  type DisposeNumbers,
  type ExpireNumbers,
  type GcReport,
  type StepReport,
  type SweepNumbers,
  TagTally,
} from './report.js';
import type { RunRecord } from './run-journal.js';
import { disposeContent } from './steps/dispose-content.js';
import { expireTags } from './steps/expire-tags.js';
import type { RunContext } from './steps/run-context.js';
import { sweepLinks } from './steps/sweep-links.js';

/** What a run works on. */
export interface RunParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tags: ExpirableTags;
  readonly upstreams: UpstreamState | undefined;
  readonly sweep: ContentSweep | undefined;
  readonly disposal: ContentDisposal | undefined;
  readonly graceMs: number;
  readonly holdMs: number;
  /** Writes the uses that this process has noted and not yet written. */
  readonly writeUses: () => Promise<void>;
}

/** Which run it is. */
export interface RunIdentity {
  readonly runId: string;
  readonly dryRun: boolean;
  readonly startedAt: number;
  readonly record: RunRecord;
  readonly signal: AbortSignal;
}

/** Failures after which no later step may delete anything either. */
const FINAL_ERRORS: ReadonlySet<string> = new Set(['GC_STOPPED', 'GC_LEASE_LOST']);

/**
 * The steps of one run in order. A step that fails deletes nothing more and is reported; the later ones go on, because
 * each of them relies on what it reads itself and on nothing that an earlier one was to do. Never rejects.
 */
export async function performRun(parts: RunParts, identity: RunIdentity): Promise<GcReport> {
  const { clock, logger, tags, sweep, disposal } = parts;
  const { runId, dryRun, startedAt } = identity;
  const { token } = identity.record;
  const run = { id: runId, ...(token === undefined ? {} : { token }) };
  const context: RunContext = { ...identity, run, plannedAt: startedAt, clock };
  const tally = new TagTally(dryRun);
  const steps: StepReport[] = [];
  let ended: string | undefined;

  async function step<Name extends StepReport['name'], Numbers extends object>(
    name: Name,
    numbers: Numbers,
    work: (numbers: Numbers) => Promise<void>,
  ): Promise<Numbers & { readonly name: Name; readonly ms: number; readonly error?: string }> {
    const beganAt = clock.now();
    let error: string | undefined;
    try {
      await work(numbers);
    } catch (failure) {
      error = errorClass(failure);
      if (FINAL_ERRORS.has(error)) ended = error;
      const fields = { run_id: runId, step: name, code: error, error: errorMessage(failure) };
      if (error === 'GC_STOPPED') logger.info(fields, 'a step of the gc run was stopped');
      else logger.warn(fields, 'a step of the gc run failed and deletes nothing more');
    }
    return { name, ms: Math.max(0, clock.now() - beganAt), ...numbers, ...(error === undefined ? {} : { error }) };
  }

  const holds = new Holds(parts.upstreams, parts.holdMs, clock, logger);
  const freed: DisposeNumbers = { manifests: 0, blobs: 0, bytes: 0, batches: 0 };
  const usedBefore = leaseEnd(startedAt, parts.graceMs);

  steps.push(await step('expire_tags', noTags(), (numbers) => expireTags(context, tags, holds, tally, numbers)));
  if (sweep !== undefined && ended === undefined) {
    steps.push(
      await step('sweep_manifests', noLinks(), async (numbers) => {
        if (!dryRun) await parts.writeUses();
        await sweepLinks(context, sweep, 'manifest', usedBefore, (links) => tags.needs(links), numbers);
      }),
    );
  }
  if (sweep !== undefined && ended === undefined) {
    // Blobs are needed by manifests only, and those the host knows itself.
    steps.push(
      await step('sweep_blobs', noLinks(), (numbers) =>
        sweepLinks(context, sweep, 'blob', usedBefore, async (links) => links.map(() => false), numbers),
      ),
    );
  }
  if (disposal !== undefined && ended === undefined) {
    steps.push(await step('dispose', freed, (numbers) => disposeContent(context, disposal, numbers)));
  }

  return {
    runId,
    dryRun,
    outcome: outcomeOf(steps),
    startedAt,
    finishedAt: clock.now(),
    steps,
    expired: tally.expired,
    expiredTotal: tally.expiredTotal,
    kept: tally.kept,
    keptTags: tally.keptTags,
    held: tally.held,
    freed: { manifests: freed.manifests, blobs: freed.blobs, bytes: freed.bytes },
  };
}

function outcomeOf(steps: readonly StepReport[]): GcReport['outcome'] {
  const errors = steps.flatMap(({ error }) => (error === undefined ? [] : [error]));
  if (errors.some((error) => error !== 'GC_STOPPED')) return 'failed';
  return errors.length > 0 ? 'stopped' : 'done';
}

function noTags(): ExpireNumbers {
  return { examined: 0, expired: 0, kept: 0 };
}

function noLinks(): SweepNumbers {
  return { examined: 0, needed: 0, removed: 0, kept: 0, passes: 0 };
}
