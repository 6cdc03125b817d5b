import {
  formatUpstreamAddress,
  type OrganizationName,
  type ProxyCacheSettings,
  type RepositoryName,
  type Tag,
  type UpstreamAddress,
} from '@breakwater/registry-core';
import { type ConnectionReport, ConnectionSteps, stepOf } from './connection-test.js';
import type { Deadlines } from './upstream/deadlines.js';
import type { RateLimit } from './upstream/rate-limit.js';
import type { UpstreamClient } from './upstream/upstream-client.js';
import { isUpstreamError } from './upstream/upstream-error.js';
import type { UpstreamRegistry } from './upstream/upstream-registry.js';

/** What settings that are not saved yet have to say about their upstream. */
export type ProbedUpstream = Pick<ProxyCacheSettings, 'upstream' | 'insecure' | 'upstreamCaPem' | 'credentials'>;

/** An image to ask an upstream for. */
export interface SampleImage {
  readonly repository: RepositoryName;
  readonly tag: Tag;
}

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
    const signal = AbortSignal.timeout(this.deadlines.clientBudgetMs);
    try {
      const answer = await this.upstreams.detached(this.#settings(probed)).ping(signal);
      return answer === 'open' || probed.credentials !== undefined ? 'valid' : 'anonymous';
    } catch (error) {
      // A registry that wants credentials for `/v2/` may still give public images to anybody.
      if (isUpstreamError(error) && error.failureClass === 'denied' && probed.credentials === undefined) {
        return 'anonymous';
      }
      throw error;
    }
  }
  /**
   * Goes the way that a pull would go, step by step, and says how far it got. Never throws for what the upstream does.
   * @param sample an image to ask for; without one none is
   */
  async test(probed: ProbedUpstream, sample: SampleImage | undefined): Promise<ConnectionReport> {
    const settings = this.#settings(probed);
    const steps = new ConnectionSteps();
    let rateLimit: RateLimit | undefined;
    const reach = await this.upstreams.reach(settings);
    if (reach === 'dns') steps.failed('name', 'dns');
    else if (reach === 'by-proxy') steps.skipped('name', 'not_needed');
    else steps.passed('name');
    if (reach === 'blocked') steps.failed('address', 'blocked');
    else if (reach === 'by-proxy') steps.skipped('address', 'not_needed');
    else if (reach === 'allowed') steps.passed('address');
    if (reach !== 'allowed' && reach !== 'by-proxy') return steps.report(undefined);

    const signal = AbortSignal.timeout(this.deadlines.clientBudgetMs);
    const registry = this.upstreams.detached(settings, (_settings, told) => {
      rateLimit = told;
    });
    if (!(await this.#testBase(registry, probed, steps, signal))) return steps.report(rateLimit);
    if (sample === undefined) {
      steps.skipped('sample', 'not_asked');
    } else {
      try {
        await askFor(registry, sample, signal);
        steps.passed('sample');
      } catch (error) {
        if (!isUpstreamError(error)) throw error;
        steps.failed('sample', error.failureClass);
      }
    }
    if (rateLimit === undefined) steps.skipped('rate_limit', 'not_told');
    else if (rateLimit.remaining > 0) steps.passed('rate_limit');
    else steps.failed('rate_limit', 'rate_limited');
    return steps.report(rateLimit);
  }

  /** Whether the base route of the registry lets us in, or may let anybody pull. */
  async #testBase(
    registry: UpstreamRegistry,
    { credentials, insecure }: ProbedUpstream,
    steps: ConnectionSteps,
    signal: AbortSignal,
  ): Promise<boolean> {
    const reached = (): void => {
      steps.passed('connection');
      if (insecure) steps.skipped('tls', 'not_needed');
      else steps.passed('tls');
    };
    try {
      const answer = await registry.ping(signal);
      reached();
      steps.passed('registry');
      if (answer === 'open') steps.skipped('token', 'not_needed');
      else steps.passed('token');
      return true;
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      const isOfTokenServer = error.origin !== undefined && error.origin !== registry.endpoint.origin;
      const step = stepOf(error.failureClass, isOfTokenServer);
      if (step === 'tls') steps.passed('connection');
      if (step === 'registry' || step === 'token') reached();
      if (step === 'token') steps.passed('registry');
      // A registry that wants credentials for `/v2/` may still give public images to anybody.
      if (step === 'token' && error.failureClass === 'denied' && credentials === undefined) {
        steps.skipped('token', 'not_needed');
        return true;
      }
      steps.failed(step, error.failureClass);
      return false;
    }
  }

  /** Settings that are in force nowhere. */
  #settings(probed: ProbedUpstream): ProxyCacheSettings {
    this.#probes += 1;
    return {
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
  }
}

/** HEAD costs no pull of a rate limit; where it tells nothing, GET does. */
async function askFor(
  registry: UpstreamRegistry,
  { repository, tag }: SampleImage,
  signal: AbortSignal,
): Promise<void> {
  const { digest } = await registry.headManifest(repository, { kind: 'tag', tag }, signal);
  if (digest === undefined) await registry.getManifest(repository, { kind: 'tag', tag }, signal);
}
