import type { ProxyCacheSettings, UpstreamAddress } from '@breakwater/registry-core';

/** The host's organizations, hosted and proxied alike. */
export interface OrganizationDirectory {
  exists(name: string): Promise<boolean>;
}

/** What is tried before it is saved. */
export type UpstreamCandidate = Pick<ProxyCacheSettings, 'upstream' | 'insecure' | 'upstreamCaPem' | 'credentials'>;

/** What the settings need to know of an upstream before they accept it. */
export interface UpstreamProbe {
  /**
   * Asks the upstream whether it can be used: `valid` when it lets us in, `anonymous` when it wants credentials for its
   * base route and none were given.
   *
   * @throws an error whose `class` or `failureClass` is one of FAILURE_CLASSES
   */
  validate(candidate: UpstreamCandidate): Promise<'valid' | 'anonymous'>;
  /**
   * Whether this address may be saved: false when it resolves now, even partly, to an address that is not global and
   * that the operator has not allowed. Sends nothing to the upstream; a name that does not resolve is allowed.
   */
  isAllowed(address: UpstreamAddress, insecure: boolean): Promise<boolean>;
}
