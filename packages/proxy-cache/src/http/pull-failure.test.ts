import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UpstreamError } from '../upstream/upstream-error.js';
import { type FailedPull, pullFailure } from './pull-failure.js';

const pull: FailedPull = { kind: 'manifest', hasCredentials: false, upstreamName: 'docker.io' };
const refused = new UpstreamError('connect', 'no connection');

function retryAfterS(error: UpstreamError, changes: Partial<FailedPull>, random: number): number {
  return Number(pullFailure(error, { ...pull, ...changes }, random).headers?.['retry-after']);
}

test('an outage is worth another try when its next check is due, and not all at once', () => {
  expect([0, 0.5, 1].map((random) => retryAfterS(refused, { nextCheckMs: 20_000 }, random))).toEqual([20, 25, 30]);
  expect([0, 1].map((random) => retryAfterS(refused, {}, random))).toEqual([5, 15]);
  const told = new UpstreamError('server_error', '503', { upstreamStatus: 503, retryAfterMs: 30_000 });
  expect(retryAfterS(told, {}, 0)).toBe(30);
  expect(retryAfterS(told, { nextCheckMs: 40_000 }, 0)).toBe(40);
});

test('P14: whatever is known, a client is told 5 to 60 seconds', () => {
  const ms = fc.option(fc.integer({ min: -1e6, max: 1e9 }), { nil: undefined });
  fc.assert(
    fc.property(ms, ms, fc.double({ min: 0, max: 1, noNaN: true }), (nextCheckMs, retryAfterMs, random) => {
      const error = new UpstreamError('timeout', 'late', retryAfterMs === undefined ? {} : { retryAfterMs });
      const seconds = retryAfterS(error, nextCheckMs === undefined ? {} : { nextCheckMs }, random);
      expect(Number.isInteger(seconds)).toBe(true);
      expect(seconds).toBeGreaterThanOrEqual(5);
      expect(seconds).toBeLessThanOrEqual(60);
    }),
  );
});
