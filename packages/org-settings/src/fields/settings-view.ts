import { PREFETCH_MODES } from '@breakwater/registry-core';
import { z } from 'zod';
import { certificateFingerprints } from './certificates.js';
import type { SettingsValues } from './settings-values.js';

/** The settings as the API shows them. Credentials are never shown, of certificates their fingerprints. */
export const settingsSchema = z.strictObject({
  upstream_registry: z.string(),
  insecure: z.boolean(),
  expiration_s: z.int(),
  staleness_period_s: z.int(),
  check_interval_s: z.int().nullable(),
  serve_when_removed: z.boolean(),
  serve_when_denied: z.boolean(),
  anonymous_pull: z.boolean(),
  prefetch: z.enum(PREFETCH_MODES),
  prefetch_max_bytes: z.int(),
  quota_bytes: z.int().nullable(),
  has_credentials: z.boolean(),
  upstream_ca_fingerprints: z.array(z.string()).readonly().meta({ description: 'SHA-256 of each certificate' }),
});
export type SettingsView = Readonly<z.infer<typeof settingsSchema>>;

/** What is shown of an organization without settings. */
export const notConfigured = z.strictObject({
  upstream_registry: z.literal(''),
  expiration_s: z.literal(''),
  insecure: z.literal(''),
});

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
