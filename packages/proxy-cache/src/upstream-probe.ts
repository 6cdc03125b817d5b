import {
  formatUpstreamAddress,
  type OrganizationName,
  type ProxyCacheSettings,
  type UpstreamAddress,
} from '@breakwater/registry-core';
import type { Deadlines } from './upstream/deadlines.js';
import type { UpstreamClient } from './upstream/upstream-client.js';
import { isUpstreamError } from './upstream/upstream-error.js';

/** What settings that are not saved yet have to say about their upstream. */
export type ProbedUpstream = Pick<ProxyCacheSettings, 'upstream' | 'insecure' | 'upstreamCaPem' | 'credentials'>;

/** Stands for the organization that does not have the settings yet. */
const NOBODY = 'probe' as OrganizationName;

/** Looks at upstreams on behalf of whoever configures them. */
export class UpstreamProbe {
  #probes = 0;

  constructor(
    private readonly upstreams: UpstreamClient,
    private readonly deadlines: Pick<Deadlines, 'clientBudgetMs'>,
  ) {}

  /** Whether the upstream may be saved; nothing is sent to it. */
  async isAllowed(address: UpstreamAddress, insecure: boolean): Promise<boolean> {
    return this.upstreams.isAllowed({ upstream: formatUpstreamAddress(address), insecure });
  }

  /**
   * Asks the upstream who it is: `valid` when it let us in with the credentials, or wants none; `anonymous` when it let us
   * in, or may let us in, without any.
   * @throws UpstreamError with a `failureClass`
   */
  async validate(probed: ProbedUpstream): Promise<'valid' | 'anonymous'> {
    this.#probes += 1;
    const settings: ProxyCacheSettings = {
      ...probed,
      organization: NOBODY,
      // Below every version in force and never the same twice, so that no probe meets the token of another.
      credentialVersion: -this.#probes,
      stalenessPeriodS: 0,
      checkIntervalS: 0,
      expirationS: 0,
      serveWhenRemoved: false,
      serveWhenDenied: false,
      anonymousPull: false,
      prefetch: 'off',
      prefetchMaxBytes: 1024 ** 3,
    };
    const signal = AbortSignal.timeout(this.deadlines.clientBudgetMs);
    try {
      const answer = await this.upstreams.detached(settings).ping(signal);
      return answer === 'open' || probed.credentials !== undefined ? 'valid' : 'anonymous';
    } catch (error) {
      // A registry that wants credentials for `/v2/` may still give public images to anybody.
      if (isUpstreamError(error) && error.failureClass === 'denied' && probed.credentials === undefined) {
        return 'anonymous';
      }
      throw error;
    }
  }
}
