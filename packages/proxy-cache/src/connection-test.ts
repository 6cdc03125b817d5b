import type { FailureClass, UpstreamFailureClass } from '@breakwater/registry-core';
import type { RateLimit } from './upstream/rate-limit.js';

/** The steps of a connection test, in the order in which they are taken. */
export const CONNECTION_STEPS = [
  'name',
  'address',
  'connection',
  'tls',
  'registry',
  'token',
  'sample',
  'rate_limit',
] as const;

export type ConnectionStepName = (typeof CONNECTION_STEPS)[number];

/** Why a step was not taken: one before it failed; it is not needed here; nobody asked for it; the upstream says nothing. */
export type NotTaken = 'not_reached' | 'not_needed' | 'not_asked' | 'not_told';

/** What came of a step. Of the target it says no more than this: it may be somebody else's (S6). */
export interface ConnectionStep {
  readonly step: ConnectionStepName;
  /** `null` = not taken. */
  readonly ok: boolean | null;
  /** `null` for a step that went well. */
  readonly reason: FailureClass | NotTaken | null;
}

/** What came of a connection test. */
export interface ConnectionReport {
  readonly ok: boolean;
  readonly steps: readonly ConnectionStep[];
  readonly rateLimit: Pick<RateLimit, 'limit' | 'remaining'> | undefined;
}

/** The steps so far. Whoever fails one takes no further. */
export class ConnectionSteps {
  readonly #taken = new Map<ConnectionStepName, ConnectionStep>();

  passed(...steps: readonly ConnectionStepName[]): void {
    for (const step of steps) this.#taken.set(step, { step, ok: true, reason: null });
  }

  skipped(step: ConnectionStepName, reason: NotTaken): void {
    this.#taken.set(step, { step, ok: null, reason });
  }

  failed(step: ConnectionStepName, reason: UpstreamFailureClass): void {
    this.#taken.set(step, { step, ok: false, reason });
  }

  report(rateLimit: RateLimit | undefined): ConnectionReport {
    const steps = CONNECTION_STEPS.map(
      (step): ConnectionStep => this.#taken.get(step) ?? { step, ok: null, reason: 'not_reached' },
    );
    return {
      ok: steps.every(({ ok }) => ok !== false),
      steps,
      rateLimit: rateLimit && { limit: rateLimit.limit, remaining: rateLimit.remaining },
    };
  }
}

/** The step that a failure to reach the registry belongs to. */
export function stepOf(failureClass: UpstreamFailureClass, isOfTokenServer: boolean): ConnectionStepName {
  if (isOfTokenServer) return 'token';
  switch (failureClass) {
    case 'dns':
      return 'name';
    case 'blocked':
      return 'address';
    case 'connect':
    case 'timeout':
      return 'connection';
    case 'tls':
      return 'tls';
    case 'auth':
    case 'denied':
      return 'token';
    default:
      return 'registry';
  }
}
