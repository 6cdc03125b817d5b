import { describe, expect, test } from '@jest/globals';
import { FIELD_NAMES, meantField } from './near-miss.js';

describe('the field that a name was meant for', () => {
  test.each([
    ['staleness_period', 'staleness_period_s'],
    ['stalenessPeriodS', 'staleness_period_s'],
    ['staleness_period_seconds', 'staleness_period_s'],
    ['stalenessPeriodMs', 'staleness_period_s'],
    ['staleness', 'staleness_period_s'],
    ['stalenes_period_s', 'staleness_period_s'],
    ['Staleness-Period-S', 'staleness_period_s'],
    ['check_interval', 'check_interval_s'],
    ['interval_s', 'check_interval_s'],
    ['expiration', 'expiration_s'],
    ['expirationDays', 'expiration_s'],
    ['serveWhenRemoved', 'serve_when_removed'],
    ['serve_denied', 'serve_when_denied'],
    ['anonymous', 'anonymous_pull'],
    ['Insecure', 'insecure'],
    ['upstream', 'upstream_registry'],
    ['registry', 'upstream_registry'],
    ['username', 'upstream_registry_username'],
    ['password', 'upstream_registry_password'],
    ['upstream_password', 'upstream_registry_password'],
    ['upstreamCa', 'upstream_ca_pem'],
    ['ca_pem', 'upstream_ca_pem'],
    ['prefetchMaxBytes', 'prefetch_max_bytes'],
    ['prefetch_max', 'prefetch_max_bytes'],
    ['pre_fetch', 'prefetch'],
    ['quotaBytes', 'quota_bytes'],
    ['quota', 'quota_bytes'],
    ['upstreamRegistryPassword', 'upstream_registry_password'],
  ])('%s is %s', (name, field) => {
    expect(meantField(name)).toBe(field);
  });

  test.each([
    ...FIELD_NAMES,
    'org_name',
    'has_credentials',
    'upstream_ca_fingerprints',
    'name',
    'email',
    'tag_expiration',
    'description',
    '__proto__',
    '',
    's',
  ])('%s is left alone', (name) => {
    expect(meantField(name)).toBeUndefined();
  });
});
