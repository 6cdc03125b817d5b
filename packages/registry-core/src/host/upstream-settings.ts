import type { OrganizationName } from '../oci/reference.js';

/** Name and password for an upstream registry. */
export interface UpstreamCredentials {
  readonly username: string;
  readonly password: string;
}

/** What is fetched in the background of a pulled image: what its platforms lack, the whole index, or nothing. */
export const PREFETCH_MODES = ['image', 'all_platforms', 'off'] as const;

export type PrefetchMode = (typeof PREFETCH_MODES)[number];

/** How an organization proxies its upstream. Periods are whole seconds. */
export interface ProxyCacheSettings {
  readonly organization: OrganizationName;
  /** Canonical `host[:port][/namespace]`: also the identity of the cache. */
  readonly upstream: string;
  /** Speak http to the upstream instead of https. */
  readonly insecure: boolean;
  /** PEM certificates of authorities that are trusted for this upstream, beside the usual ones. */
  readonly upstreamCaPem?: string | undefined;
  readonly credentials?: UpstreamCredentials;
  /** Differs whenever the upstream or its credentials were changed. */
  readonly credentialVersion: number;
  /** The age up to which a cached tag is served whatever the upstream does. 0 = never serve unconfirmed. */
  readonly stalenessPeriodS: number;
  /** The age up to which a pull does not wait for the upstream. `null` = the staleness period; 0 = ask on every pull. */
  readonly checkIntervalS: number | null;
  /** How long after its last use a cached tag is kept. 0 = for ever. */
  readonly expirationS: number;
  readonly serveWhenRemoved: boolean;
  readonly serveWhenDenied: boolean;
  readonly anonymousPull: boolean;
  readonly prefetch: PrefetchMode;
  /** Most bytes that are fetched in the background for one image. */
  readonly prefetchMaxBytes: number;
  /** Most bytes of manifests and blobs that are kept for the organization. `null` or absent = as many as there are. */
  readonly quotaBytes?: number | null;
}

/** Where the settings of proxy organizations come from. */
export interface ProxyCacheSettingsReader {
  /** The settings of a proxy organization; `undefined` for a hosted or unknown one. */
  find(organization: OrganizationName): Promise<ProxyCacheSettings | undefined>;
}
