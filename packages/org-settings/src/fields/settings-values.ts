import type { ProxyCacheSettings, UpstreamCredentials } from '@breakwater/registry-core';
import type { FieldProblem } from '../errors.js';

/** What an organization can set, credentials apart. Periods are whole seconds. */
export type SettingsValues = Omit<ProxyCacheSettings, 'organization' | 'credentials' | 'credentialVersion'>;

/** The values of fields that are left out at creation. */
export const DEFAULT_VALUES: Omit<SettingsValues, 'upstream'> = Object.freeze({
  insecure: false,
  stalenessPeriodS: 86_400,
  checkIntervalS: null,
  expirationS: 86_400,
  serveWhenRemoved: true,
  serveWhenDenied: true,
  anonymousPull: false,
  prefetch: 'image',
  prefetchMaxBytes: 10 * 1024 ** 3,
  quotaBytes: null,
});

/** A proxy cache configuration to create: `upstream` is `host[:port][/namespace]`, the rest has defaults. */
export interface NewSettings extends Partial<SettingsValues> {
  readonly upstream: string;
  readonly credentials?: UpstreamCredentials;
}

/** The rule between two fields: a check interval above the staleness period could never be meant. */
export function checkPeriods(values: SettingsValues): readonly FieldProblem[] {
  const { checkIntervalS, stalenessPeriodS } = values;
  if (checkIntervalS === null || checkIntervalS <= stalenessPeriodS) return [];
  return [
    {
      field: 'check_interval_s',
      message:
        `(${checkIntervalS}) must not be greater than staleness_period_s (${stalenessPeriodS}): ` +
        'lower it, raise staleness_period_s, or make it null to check once per staleness period',
    },
  ];
}
