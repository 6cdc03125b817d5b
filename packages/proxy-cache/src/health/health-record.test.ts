import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  afterFailure,
  afterSuccess,
  type FailedCheck,
  type HealthRecord,
  isRateLimitLow,
  UNKNOWN_HEALTH,
  windowMs,
} from './health-record.js';

const MAX_WINDOW_MS = 5 * 60_000 * 1.2;
const MAX_RETRY_AFTER_MS = 15 * 60_000;

const retryAfterMs = fc.option(fc.integer({ min: 0, max: MAX_RETRY_AFTER_MS }), { nil: undefined });
const failed: fc.Arbitrary<FailedCheck> = fc
  .record({
    failureClass: fc.constantFrom('connect', 'timeout', 'server_error', 'rate_limited'),
    retryAfterMs,
    claimed: fc.boolean(),
  } as const)
  .map(({ retryAfterMs: told, ...rest }) => (told === undefined ? rest : { ...rest, retryAfterMs: told }));
const step = fc.record({
  waitMs: fc.integer({ min: 0, max: 600_000 }),
  random: fc.double({ min: 0, max: 1, noNaN: true }),
  failed: fc.option(failed, { nil: undefined }),
});

/** Every step of a life, with the record before and after it. */
function* lives(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) {
  let before: HealthRecord = UNKNOWN_HEALTH;
  let now = 1_000_000;
  for (const { waitMs, random, failed: failure } of steps) {
    now += waitMs;
    const after = failure === undefined ? afterSuccess(before, now) : afterFailure(before, failure, now, random);
    yield { before, after, failure, now };
    before = after;
  }
}

test('whatever happens: what is in force stays in force, what is known is kept, and every window ends', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      for (const { before, after, failure, now } of lives(steps)) {
        if (failure === undefined) {
          expect(after).toMatchObject({ failures: 0, lastSuccessAt: now });
          expect([after.downSince, after.nextCheckAt, after.retryAfterUntil]).toEqual([
            undefined,
            undefined,
            undefined,
          ]);
          expect([after.lastFailureAt, after.lastFailureClass]).toEqual([
            before.lastFailureAt,
            before.lastFailureClass,
          ]);
          continue;
        }
        const { failureClass, retryAfterMs: told = 0 } = failure;
        expect(after).toMatchObject({ failureClass, lastFailureAt: now, lastFailureClass: failureClass });
        expect(after.lastSuccessAt).toBe(before.lastSuccessAt);
        expect(after.downSince).toBe(before.downSince ?? now);
        expect(after.failures - before.failures).toBeLessThanOrEqual(1);
        expect(after.failures).toBeGreaterThanOrEqual(Math.max(1, before.failures));
        const nextCheckAt = after.nextCheckAt ?? 0;
        expect(nextCheckAt).toBeGreaterThanOrEqual(now + told);
        expect(nextCheckAt - now).toBeLessThanOrEqual(Math.max(MAX_WINDOW_MS, MAX_RETRY_AFTER_MS));
        const inForce = before.retryAfterUntil ?? 0;
        if (inForce > now) expect(after.retryAfterUntil).toBeGreaterThanOrEqual(inForce);
        if (failureClass === 'rate_limited' && told > 0)
          expect(after.retryAfterUntil).toBeGreaterThanOrEqual(now + told);
        // Nothing is asked of its own accord before a Retry-After is over.
        expect(nextCheckAt).toBeGreaterThanOrEqual(after.retryAfterUntil ?? 0);
        expect((after.retryAfterUntil ?? 0) - now).toBeLessThanOrEqual(MAX_RETRY_AFTER_MS);
      }
    }),
  );
});

test('a shorter Retry-After, or none, leaves the longer one in force', () => {
  const first = afterFailure(UNKNOWN_HEALTH, { failureClass: 'rate_limited', retryAfterMs: 60_000 }, 0, 0.5);
  const second = afterFailure(first, { failureClass: 'rate_limited', retryAfterMs: 5_000 }, 1_000, 0.5);
  expect(second.retryAfterUntil).toBe(60_000);
  expect(afterFailure(second, { failureClass: 'rate_limited' }, 2_000, 0.5).retryAfterUntil).toBe(60_000);
  expect(afterFailure(second, { failureClass: 'rate_limited' }, 60_000, 0.5).retryAfterUntil).toBeUndefined();
});

test('windows double from five seconds to five minutes, by a fifth more or less', () => {
  expect([1, 2, 3, 7, 50].map((failures) => windowMs(failures, undefined, 0.5))).toEqual([
    5_000, 10_000, 20_000, 300_000, 300_000,
  ]);
  expect([windowMs(1, undefined, 0), windowMs(1, undefined, 1), windowMs(1, 90_000, 0)]).toEqual([
    4_000, 6_000, 90_000,
  ]);
});

test('a rate limit is low when a tenth is left of it, until its window is over', () => {
  const told = (remaining: number) => ({ failures: 0, rateLimit: { limit: 100, remaining, windowS: 60, at: 0 } });
  expect([10, 11].map((remaining) => isRateLimitLow(told(remaining), 59_999))).toEqual([true, false]);
  expect(isRateLimitLow(told(0), 60_000)).toBe(false);
});
