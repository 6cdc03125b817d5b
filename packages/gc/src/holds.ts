import type { Clock, Logger, OrganizationName } from '@breakwater/registry-core';
import { bounded } from './bounded.js';
import { errorClass, errorMessage } from './errors.js';
import { isHeld, needsFreshCheck } from './expiry-rule.js';
import type { UpstreamCondition, UpstreamState } from './ports.js';

/** Whether an upstream's outage keeps its tags. */
export type HoldState =
  | { readonly kind: 'free' }
  | { readonly kind: 'held'; readonly downSince: number | undefined }
  /** It could not be found out. Nothing is deleted on a guess. */
  | { readonly kind: 'unknown' };

/** How long the answer to one question about an upstream may take, ms. A health port has shorter deadlines of its own. */
const ANSWER_LIMIT_MS = 30_000;

/**
 * Finds out for one run which upstreams hold their tags back. Each is checked afresh at most once; its condition is
 * read anew on every call, so that an outage which begins during a long run is seen.
 */
export class Holds {
  readonly #checks = new Map<string, Promise<UpstreamCondition | undefined>>();
  readonly #warned = new Set<string>();

  constructor(
    private readonly upstreams: UpstreamState | undefined,
    private readonly holdMs: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async of(organization: OrganizationName, upstream: string): Promise<HoldState> {
    if (this.upstreams === undefined || this.holdMs === 0) return { kind: 'free' };
    try {
      const condition = await this.#condition(this.upstreams, organization, upstream);
      if (condition === undefined) return { kind: 'unknown' };
      return isHeld(condition, this.clock.now(), this.holdMs)
        ? { kind: 'held', downSince: condition.downSince }
        : { kind: 'free' };
    } catch (error) {
      this.#warnOnce(organization, upstream, error);
      return { kind: 'unknown' };
    }
  }

  async #condition(
    upstreams: UpstreamState,
    organization: OrganizationName,
    upstream: string,
  ): Promise<UpstreamCondition | undefined> {
    const known = await bounded(upstreams.condition(organization, upstream), ANSWER_LIMIT_MS, 'the upstream condition');
    if (!needsFreshCheck(known, this.clock.now())) return known;
    // The outcome is kept, failure included: what could not be found out once must not look known on the next page.
    const key = upstreamKey(organization, upstream);
    let check = this.#checks.get(key);
    if (check === undefined) {
      check = bounded(upstreams.check(organization, upstream), ANSWER_LIMIT_MS, 'the check of the upstream');
      this.#checks.set(key, check);
    }
    return check;
  }

  #warnOnce(organization: OrganizationName, upstream: string, error: unknown): void {
    const key = upstreamKey(organization, upstream);
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.logger.warn(
      { organization, upstream, code: errorClass(error), error: errorMessage(error) },
      'gc keeps the tags of an upstream of which nobody can say how it is',
    );
  }
}

/** That garbage collection holds back what came from an upstream. Times are ms since the epoch. */
export interface Hold {
  readonly reason: 'upstream_down';
  /** Since when the upstream is down; absent when nobody knows. */
  readonly since?: number;
  /** When the hold ends if the outage does not; absent when nobody knows. */
  readonly until?: number;
}

/** The hold as it stands, without asking the upstream. @throws what the port throws */
export async function currentHold(
  { upstreams, holdMs, clock }: { upstreams: UpstreamState | undefined; holdMs: number; clock: Clock },
  organization: OrganizationName,
  upstream: string,
): Promise<Hold | undefined> {
  const condition = await upstreams?.condition(organization, upstream);
  if (condition === undefined || !isHeld(condition, clock.now(), holdMs)) return undefined;
  const { downSince: since } = condition;
  return { reason: 'upstream_down', ...(since === undefined ? {} : { since, until: since + holdMs }) };
}

/** One to one: neither part can hold a line feed. */
function upstreamKey(organization: OrganizationName, upstream: string): string {
  return `${organization}\n${upstream}`;
}
