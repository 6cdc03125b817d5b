import {
  digestOf,
  parseOrganizationName,
  parseRepositoryName,
  parseTag,
  type Repository,
} from '@breakwater/registry-core';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HEARD_RECENTLY_MS, isHeld, judgeTag, leaseEnd, needsFreshCheck, USE_MARGIN_MS } from './expiry-rule.js';
import type { ExpirableTag } from './ports.js';

const NOW = 1_700_000_000_000;

function tagOf(facts: Partial<ExpirableTag>): ExpirableTag {
  const organization = parseOrganizationName('acme');
  const name = parseRepositoryName('app');
  const tag = parseTag('latest');
  if (organization === undefined || name === undefined || tag === undefined) throw new Error('bad names');
  const repository: Repository = { organization, name, upstream: 'registry.example' };
  return {
    repository,
    reference: { kind: 'tag', tag },
    digest: digestOf(new Uint8Array()),
    confirmedAt: NOW,
    lastUsedAt: NOW,
    stalenessPeriodS: 0,
    pinned: false,
    ...facts,
  };
}

describe('the rule', () => {
  const S = 60;
  const E = 30;
  const lapsed = NOW - S * 1000 - 1;
  /** No use of the last moment of the staleness period can be unwritten any more. */
  const settled = lapsed - USE_MARGIN_MS;
  const unused = NOW - E * 1000 - USE_MARGIN_MS - 1;
  test.each<[string, Partial<ExpirableTag>, string]>([
    ['younger than S', { confirmedAt: NOW - 1, lastUsedAt: unused, expirationS: E }, 'within_staleness'],
    ['exactly as old as S', { confirmedAt: lapsed + 1, lastUsedAt: unused, expirationS: E }, 'within_staleness'],
    ['older than S by the margin', { confirmedAt: settled + 1, lastUsedAt: 0, expirationS: E }, 'within_staleness'],
    [
      'older than that by 1 ms, unused',
      { confirmedAt: settled, lastUsedAt: unused, expirationS: E },
      'lapsed_and_unused',
    ],
    [
      'older than S, expiration just now',
      { confirmedAt: settled, lastUsedAt: unused + 1, expirationS: E },
      'used_recently',
    ],
    ['older than S, used now', { confirmedAt: 0, lastUsedAt: NOW, expirationS: E }, 'used_recently'],
    ['older than S, expiration 0', { confirmedAt: 0, lastUsedAt: 0, expirationS: 0 }, 'kept_for_ever'],
    ['older than S, no expiration, used now', { confirmedAt: lapsed, lastUsedAt: NOW }, 'lapsed'],
    ['exactly S, no expiration', { confirmedAt: lapsed + 1, lastUsedAt: 0 }, 'within_staleness'],
    ['pinned, all else passed', { confirmedAt: 0, lastUsedAt: 0, pinned: true }, 'pinned'],
    ['confirmed in the future', { confirmedAt: NOW + 1e9, lastUsedAt: 0, stalenessPeriodS: 0 }, 'within_staleness'],
    ['confirmed at no time', { confirmedAt: Number.NaN, lastUsedAt: 0 }, 'within_staleness'],
    ['used at no time', { confirmedAt: 0, lastUsedAt: Number.NaN, expirationS: 1 }, 'used_recently'],
  ])('%s', (_name, facts, reason) => {
    expect(judgeTag(tagOf({ stalenessPeriodS: S, ...facts }), NOW).reason).toBe(reason);
  });

  const facts = fc.record({
    confirmedAt: fc.integer({ min: NOW - 1_000_000, max: NOW + 10_000 }),
    lastUsedAt: fc.integer({ min: NOW - 1_000_000, max: NOW + 10_000 }),
    stalenessPeriodS: fc.integer({ min: 0, max: 1000 }),
    expiration: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
    pinned: fc.boolean(),
  });
  const build = ({ expiration, ...rest }: { expiration: number | undefined } & Partial<ExpirableTag>): ExpirableTag =>
    tagOf({ ...rest, ...(expiration === undefined ? {} : { expirationS: expiration }) });

  test('I5: nothing goes within its staleness period, its expiration, or while it is pinned', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const tag = build(given);
        if (judgeTag(tag, NOW).action !== 'expire') return;
        expect(tag.pinned).toBe(false);
        expect(NOW - tag.confirmedAt).toBeGreaterThan(tag.stalenessPeriodS * 1000);
        if (tag.expirationS === undefined) return;
        expect(tag.expirationS).not.toBe(0);
        expect(NOW - tag.lastUsedAt).toBeGreaterThan(tag.expirationS * 1000);
      }),
    );
  });

  test('what is not pinned and not kept for ever goes in the end, and then stays gone', () => {
    fc.assert(
      fc.property(facts, fc.nat(10_000_000), (given, later) => {
        const tag = build({ ...given, pinned: false, expiration: given.expiration === 0 ? 1 : given.expiration });
        expect(judgeTag(tag, NOW + 2_000_000).action).toBe('expire');
        if (judgeTag(tag, NOW).action === 'expire') expect(judgeTag(tag, NOW + later).action).toBe('expire');
      }),
    );
  });

  test('a use or a confirmation never makes a tag go', () => {
    fc.assert(
      fc.property(facts, fc.nat(1_000_000), fc.nat(1_000_000), (given, used, confirmed) => {
        const tag = build(given);
        if (judgeTag(tag, NOW).action === 'expire') return;
        const fresher = { ...tag, lastUsedAt: tag.lastUsedAt + used, confirmedAt: tag.confirmedAt + confirmed };
        expect(judgeTag(fresher, NOW).action).toBe('keep');
      }),
    );
  });
});

describe('the hold', () => {
  const HOLD = 1000;
  test.each([
    ['up', { down: false }, HOLD, false],
    ['down since within the hold', { down: true, downSince: NOW - HOLD }, HOLD, true],
    ['down for longer than the hold', { down: true, downSince: NOW - HOLD - 1 }, HOLD, false],
    ['down since nobody knows when', { down: true }, HOLD, true],
    ['down, hold off', { down: true, downSince: NOW }, 0, false],
    ['down, hold off, since unknown', { down: true }, 0, false],
  ])('%s', (_name, condition, holdMs, held) => {
    expect(isHeld(condition, NOW, holdMs)).toBe(held);
  });

  test('a fresh check is needed when the last word is older than an hour, or there is none', () => {
    expect(needsFreshCheck({ down: false }, NOW)).toBe(true);
    expect(needsFreshCheck({ down: false, lastHeardAt: NOW - HEARD_RECENTLY_MS }, NOW)).toBe(false);
    expect(needsFreshCheck({ down: true, lastHeardAt: NOW - HEARD_RECENTLY_MS - 1 }, NOW)).toBe(true);
  });
});

describe('the lease', () => {
  test('ends a margin after the grace', () => {
    expect(leaseEnd(NOW, 60_000)).toBe(NOW - 60_000 - USE_MARGIN_MS);
  });

  test('with a grace of 0 there is none: what was used in this very millisecond may go', () => {
    expect(leaseEnd(NOW, 0)).toBeGreaterThan(NOW);
  });
});
