import type { OrganizationName, PrefetchMode } from '@breakwater/registry-core';
import type { StoredSettings } from '../settings-store.js';

/** A row of `proxy_cache_config` as the driver returns it: bigint comes as text. */
export interface SettingsRow {
  readonly organization: string;
  readonly upstream_registry: string;
  readonly insecure: boolean;
  readonly upstream_ca_pem: string | null;
  readonly credentials: Uint8Array | null;
  readonly credential_version: string | number;
  readonly staleness_period_s: number;
  readonly check_interval_s: number | null;
  readonly expiration_s: number;
  readonly serve_when_removed: boolean;
  readonly serve_when_denied: boolean;
  readonly anonymous_pull: boolean;
  readonly prefetch: PrefetchMode;
  readonly prefetch_max_bytes: string | number;
  readonly quota_bytes: string | number | null;
  readonly version: string | number;
}

/** The columns of a SettingsRow, of the table alias `c`. */
export const SETTINGS_COLUMNS = `
  c.organization, c.upstream_registry, c.insecure, c.upstream_ca_pem, c.credentials, c.credential_version,
  c.staleness_period_s, c.check_interval_s, c.expiration_s, c.serve_when_removed, c.serve_when_denied, c.anonymous_pull, c.prefetch,
  c.prefetch_max_bytes, c.quota_bytes, c.version`;

/** The settings of a row. */
export function storedSettings(row: SettingsRow): StoredSettings {
  return {
    organization: row.organization as OrganizationName,
    values: {
      upstream: row.upstream_registry,
      insecure: row.insecure,
      upstreamCaPem: row.upstream_ca_pem ?? undefined,
      stalenessPeriodS: row.staleness_period_s,
      checkIntervalS: row.check_interval_s,
      expirationS: row.expiration_s,
      serveWhenRemoved: row.serve_when_removed,
      serveWhenDenied: row.serve_when_denied,
      anonymousPull: row.anonymous_pull,
      prefetch: row.prefetch,
      prefetchMaxBytes: Number(row.prefetch_max_bytes),
      quotaBytes: row.quota_bytes === null ? null : Number(row.quota_bytes),
    },
    sealed: row.credentials ?? undefined,
    credentialVersion: Number(row.credential_version),
    version: Number(row.version),
  };
}
