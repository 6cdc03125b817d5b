import type { OrganizationName, ProxyCacheSettings } from '@breakwater/registry-core';
import { movableClock } from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import type { HealthRecord } from './health/health-record.js';
import { mergeRecords, organizationStatus } from './organization-status.js';

const NOW = 1_000_000;
const nothing: HealthRecord = { failures: 0 };

test('what nobody has asked is unknown', () => {
  expect(mergeRecords(nothing, nothing, NOW)).toEqual({ status: 'unknown', rateLimitLow: false });
});

test('an upstream that answered is up, whenever it failed before', () => {
  const record = { failures: 0, lastSuccessAt: 5, lastFailureAt: 4 };
  expect(mergeRecords(record, nothing, NOW)).toEqual({
    status: 'up',
    lastSuccessAt: 5,
    lastFailureAt: 4,
    rateLimitLow: false,
  });
});

test('an origin that is down says why and since when', () => {
  const record: HealthRecord = {
    failures: 2,
    failureClass: 'server_error',
    upstreamStatus: 502,
    downSince: 7,
    nextCheckAt: 9,
    lastSuccessAt: 5,
    lastFailureAt: 8,
  };
  const { failures: _, ...told } = record;
  expect(mergeRecords(record, nothing, NOW)).toEqual({ status: 'down', ...told, rateLimitLow: false });
});

test('a credential that may not ask is down for the organization whose it is', () => {
  const limited: HealthRecord = {
    failures: 1,
    failureClass: 'rate_limited',
    upstreamStatus: 429,
    downSince: 7,
    retryAfterUntil: NOW + 1,
    lastFailureAt: 7,
    lastFailureClass: 'rate_limited',
  };
  const origin: HealthRecord = { failures: 0, lastSuccessAt: 8, lastFailureAt: 3, lastFailureClass: 'dns' };
  const merged = mergeRecords(origin, limited, NOW);
  expect(merged).toMatchObject({ status: 'down', failureClass: 'rate_limited', retryAfterUntil: NOW + 1 });
  expect(merged).toMatchObject({ lastSuccessAt: 8, lastFailureAt: 7, lastFailureClass: 'rate_limited' });
  const later = mergeRecords({ ...origin, lastFailureAt: 9 }, { failures: 0, lastFailureAt: 7 }, NOW);
  expect(later).toMatchObject({ lastFailureAt: 9, lastFailureClass: 'dns' });
});

test('a Retry-After that is over is not told', () => {
  expect(mergeRecords(nothing, { failures: 0, retryAfterUntil: NOW }, NOW)).toEqual({
    status: 'unknown',
    rateLimitLow: false,
  });
});

const settings: ProxyCacheSettings = {
  organization: 'lab' as OrganizationName,
  upstream: 'docker.io/library',
  insecure: false,
  credentialVersion: 1,
  stalenessPeriodS: 60,
  checkIntervalS: null,
  expirationS: 0,
  serveWhenRemoved: true,
  serveWhenDenied: true,
  anonymousPull: false,
  prefetch: 'off',
  prefetchMaxBytes: 1024 ** 3,
};

function parts() {
  const clock = movableClock();
  const before: number[] = [];
  return {
    clock,
    before,
    health: {
      scopeOf: () => ({ origin: 'https://registry-1.docker.io', credential: 'anonymous' }),
      records: async () => ({ origin: nothing, credential: nothing }),
    },
    summaries: {
      find: async (_organization: OrganizationName, _upstream: string, lapsedBefore: number) => {
        before.push(lapsedBefore);
        return { tags: 3, lapsed: 1, oldestConfirmedAt: 5 };
      },
    },
    missing: { summary: async () => ({ contents: 0, bytes: 0, queued: 0, tooLarge: 0, givenUp: 0 }) },
    timeline: {
      latest: async () => undefined,
      lastDay: async () => ({}),
      latestOfEach: async () => ({}),
      since: async () => ({}),
    },
    quota: { state: async () => undefined },
    holds: undefined,
  };
}

test('of the origin only the name of its host is shown', async () => {
  const all = parts();
  const status = await organizationStatus(all, settings);
  expect(status.upstream).toEqual({ status: 'unknown', originHost: 'registry-1.docker.io', rateLimitLow: false });
  expect(status.cached.lapsed).toBe(1);
  expect(all.before).toEqual([all.clock.now() - 60_000]);
});

test('with a staleness period of 0 everything has lapsed', async () => {
  expect((await organizationStatus(parts(), { ...settings, stalenessPeriodS: 0 })).cached.lapsed).toBe(3);
});

test('an address that cannot be dialled is blocked, and no crash', async () => {
  const { upstream } = await organizationStatus(parts(), { ...settings, upstream: '1.2.3.4.5' });
  expect(upstream).toEqual({ status: 'unknown', failureClass: 'blocked', rateLimitLow: false });
});
