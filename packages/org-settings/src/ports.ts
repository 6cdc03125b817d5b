import type { ProxyCacheSettings, RepositoryName, Tag, UpstreamAddress } from '@breakwater/registry-core';

/** The host's organizations, hosted and proxied alike. */
export interface OrganizationDirectory {
  exists(name: string): Promise<boolean>;
}

/** What is tried before it is saved. */
export type UpstreamCandidate = Pick<ProxyCacheSettings, 'upstream' | 'insecure' | 'upstreamCaPem' | 'credentials'>;

/** An image to ask an upstream for. */
export interface SampleImage {
  readonly repository: RepositoryName;
  readonly tag: Tag;
}

/** How far a connection test got. `ok` is `null` for a step that was not taken; the reason is a word, never a text of the target. */
export interface ConnectionReport {
  readonly ok: boolean;
  readonly steps: readonly { readonly step: string; readonly ok: boolean | null; readonly reason: string | null }[];
  readonly rateLimit: { readonly limit: number; readonly remaining: number } | undefined;
}

/** What the settings need to know of an upstream before they accept it. */
export interface UpstreamProbe {
  /**
   * Asks the upstream whether it can be used: `valid` when it lets us in, `anonymous` when it wants credentials for its
   * base route and none were given.
   *
   * @throws an error whose `class` or `failureClass` is one of FAILURE_CLASSES
   */
  validate(candidate: UpstreamCandidate): Promise<'valid' | 'anonymous'>;
  /** Tries an upstream step by step. Never throws for what the upstream does. */
  test(candidate: UpstreamCandidate, sample: SampleImage | undefined): Promise<ConnectionReport>;
  /**
   * Whether this address may be saved: false when it resolves now, even partly, to an address that is not global and
   * that the operator has not allowed. Sends nothing to the upstream; a name that does not resolve is allowed.
   */
  isAllowed(address: UpstreamAddress, insecure: boolean): Promise<boolean>;
}
