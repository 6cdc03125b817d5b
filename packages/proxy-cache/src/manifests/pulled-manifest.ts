import type { StoredManifest, UpstreamFailureClass } from '@breakwater/registry-core';
import type { ExtraHeaders } from '@breakwater/registry-http';

/** Why a pull was answered without the upstream's confirmation. */
export interface ShieldedFacts {
  readonly why: 'outage' | 'removed' | 'denied' | 'incomplete';
  readonly failureClass: UpstreamFailureClass;
  readonly upstreamStatus?: number;
}

/** A manifest for a client, and what its answer says about where it came from. */
export interface PulledManifest {
  readonly manifest: StoredManifest;
  readonly headers: ExtraHeaders;
}
