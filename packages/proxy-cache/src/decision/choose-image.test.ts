import type { OutageClass } from '@breakwater/registry-core';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chooseImage } from './choose-image.js';
import { decideAnswer } from './decide-answer.js';
import { decidePull, type HealthFacts } from './decide-pull.js';
import { ageMs, type FreshnessSettings } from './freshness.js';

const NOW = Date.UTC(2024, 0, 1);
const PREVIOUS = ['none', 'young', 'old'] as const;

const settings: fc.Arbitrary<FreshnessSettings> = fc
  .tuple(fc.oneof(fc.constantFrom(0, 1, 3_600), fc.nat(1_000_000)), fc.nat(1_000_000))
  .map(([stalenessPeriodS, interval]) => ({ stalenessPeriodS, checkIntervalS: Math.min(interval, stalenessPeriodS) }));
/** A tag whose current image was confirmed last, and the one before it: its age never is the smaller one. */
const moved = settings.chain((periods) =>
  fc.record({
    periods: fc.constant(periods),
    age: fc.oneof(fc.constantFrom(0, periods.stalenessPeriodS * 1000), fc.nat(2_000_000_000)),
    older: fc.oneof(fc.constantFrom(0, 1, periods.stalenessPeriodS * 1000), fc.nat(2_000_000_000)),
    hasPrevious: fc.boolean(),
    isComplete: fc.boolean(),
    isOutOfReach: fc.boolean(),
  }),
);

describe('which image of a tag is answered: the table of design 5.4', () => {
  const reached = new Set<string>();

  test('every row', () => {
    fc.assert(
      fc.property(moved, ({ periods, age, older, hasPrevious, isComplete, isOutOfReach }) => {
        const previous = hasPrevious ? { confirmedAt: NOW - age - older } : undefined;
        const withinS =
          previous !== undefined &&
          periods.stalenessPeriodS > 0 &&
          ageMs(previous, NOW) <= periods.stalenessPeriodS * 1000;
        const name = previous === undefined ? 'none' : withinS ? 'young' : 'old';
        reached.add(`${isComplete}/${isOutOfReach}/${name}`);
        const choice = chooseImage({ isComplete, isOutOfReach }, previous, periods, NOW);
        expect(choice.answer).toBe(!isComplete && isOutOfReach && name === 'young' ? 'previous' : 'current');
        // It goes when the current one completes, or when its own age exceeds S; not before.
        expect(choice.dropPrevious).toBe(previous !== undefined && (isComplete || name === 'old'));
      }),
      { numRuns: 3_000 },
    );
  });

  afterAll(() => {
    const rows = [true, false].flatMap((complete) =>
      [true, false].flatMap((reach) => PREVIOUS.map((name) => `${complete}/${reach}/${name}`)),
    );
    expect(rows).toHaveLength(12);
    expect(rows.filter((row) => !reached.has(row))).toEqual([]);
  });

  test.each([
    [3_600_000, 'previous'],
    [3_600_001, 'current'],
  ])('an age of exactly the staleness period is within it: %d ms', (age, answer) => {
    const choice = chooseImage(
      { isComplete: false, isOutOfReach: true },
      { confirmedAt: NOW - age },
      { stalenessPeriodS: 3_600 },
      NOW,
    );
    expect(choice).toEqual({ answer, dropPrevious: answer === 'current' });
  });
});

describe('both decisions together', () => {
  const down: HealthFacts = { down: { since: NOW - 1, failureClass: 'connect' } };
  const failed = fc.constantFrom<OutageClass>('connect', 'timeout', 'server_error');

  /** What a pull is answered with while the upstream is down: the first decision, the check that fails, the second one. */
  function answered(
    periods: FreshnessSettings,
    entry: { readonly confirmedAt: number },
    previous: { readonly confirmedAt: number } | undefined,
    isComplete: boolean,
    failureClass: OutageClass,
    isKnown: boolean,
  ): { readonly kind: 'error' } | { readonly kind: 'image'; readonly image: 'current' | 'previous' } {
    const decision = decidePull(entry, periods, isKnown ? down : {}, NOW);
    if (decision.kind === 'refuse') return { kind: 'error' };
    if (decision.kind === 'ask') {
      const refusals = { serveWhenRemoved: true, serveWhenDenied: true };
      const answer = decideAnswer(decision.state, { kind: 'failed', failureClass }, refusals);
      if (answer.kind === 'pass') return { kind: 'error' };
    }
    // After the failed check it is known.
    return { kind: 'image', image: chooseImage({ isComplete, isOutOfReach: true }, previous, periods, NOW).answer };
  }

  test('I2: in an outage a fresh or stale tag is answered with a whole image if one of its two is whole and young enough', () => {
    fc.assert(
      fc.property(moved, failed, fc.boolean(), ({ periods, age, older, hasPrevious, isComplete }, failure, isKnown) => {
        const limit = periods.stalenessPeriodS * 1000;
        fc.pre(limit > 0 && age <= limit);
        const previous = hasPrevious ? { confirmedAt: NOW - age - older } : undefined;
        const got = answered(periods, { confirmedAt: NOW - age }, previous, isComplete, failure, isKnown);
        expect(got.kind).toBe('image');
        if (got.kind !== 'image') return;
        if (isComplete) expect(got.image).toBe('current');
        else if (previous !== undefined && age + older <= limit) expect(got.image).toBe('previous');
        else expect(got.image).toBe('current');
      }),
      { numRuns: 2_000 },
    );
  });

  test('what has lapsed is never answered in an outage, whatever was there before it', () => {
    fc.assert(
      fc.property(moved, failed, fc.boolean(), ({ periods, age, older, isComplete }, failure, isKnown) => {
        fc.pre(periods.stalenessPeriodS === 0 || age > periods.stalenessPeriodS * 1000);
        const previous = { confirmedAt: NOW - age - older };
        const entry = { confirmedAt: NOW - age };
        expect(answered(periods, entry, previous, isComplete, failure, isKnown)).toEqual({ kind: 'error' });
      }),
    );
  });

  test('no image is answered whose own age exceeds the staleness period', () => {
    fc.assert(
      fc.property(moved, failed, fc.boolean(), ({ periods, age, older, isComplete }, failure, isKnown) => {
        const previous = { confirmedAt: NOW - age - older };
        const got = answered(periods, { confirmedAt: NOW - age }, previous, isComplete, failure, isKnown);
        if (got.kind === 'error') return;
        const shown = got.image === 'previous' ? age + older : age;
        expect(shown).toBeLessThanOrEqual(periods.stalenessPeriodS * 1000);
      }),
    );
  });
});
