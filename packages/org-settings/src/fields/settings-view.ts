import type { PrefetchMode } from '@breakwater/registry-core';
import { certificateFingerprints } from './certificates.js';
import type { SettingsValues } from './settings-values.js';

/** The settings as the API shows them. Credentials are never shown, of certificates their fingerprints. */
export interface SettingsView {
  readonly upstream_registry: string;
  readonly insecure: boolean;
  readonly expiration_s: number;
  readonly staleness_period_s: number;
  readonly check_interval_s: number | null;
  readonly serve_when_removed: boolean;
  readonly serve_when_denied: boolean;
  readonly anonymous_pull: boolean;
  readonly prefetch: PrefetchMode;
  readonly prefetch_max_bytes: number;
  readonly quota_bytes: number | null;
  readonly has_credentials: boolean;
  /** SHA-256 of each certificate of `upstream_ca_pem`. */
  readonly upstream_ca_fingerprints: readonly string[];
}

/** What Quay answers when an organization has no proxy cache configuration, and what its clients look for. */
export const NOT_CONFIGURED = Object.freeze({ upstream_registry: '', expiration_s: '', insecure: '' });

/** The settings under the names of the API. */
export function settingsView(values: SettingsValues, hasCredentials: boolean): SettingsView {
  return {
    upstream_registry: values.upstream,
    insecure: values.insecure,
    expiration_s: values.expirationS,
    staleness_period_s: values.stalenessPeriodS,
    check_interval_s: values.checkIntervalS,
    serve_when_removed: values.serveWhenRemoved,
    serve_when_denied: values.serveWhenDenied,
    anonymous_pull: values.anonymousPull,
    prefetch: values.prefetch,
    prefetch_max_bytes: values.prefetchMaxBytes,
    quota_bytes: values.quotaBytes ?? null,
    has_credentials: hasCredentials,
    upstream_ca_fingerprints: certificateFingerprints(values.upstreamCaPem ?? ''),
  };
}
