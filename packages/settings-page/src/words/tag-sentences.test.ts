import { expect, test } from '@jest/globals';
import type { Purge } from '../api/shapes.js';
import { agoWords, checkWords, freshWords, keptWords, leftPart, purgeWords, shieldedWords } from './tag-sentences.js';

const NOW = Date.UTC(2024, 0, 2, 12);
const at = (hours: number) => new Date(NOW + hours * 3_600_000).toISOString();

test('what is left of the clocks of a tag', () => {
  expect(shieldedWords({ shielded_until: at(51) }, NOW)).toBe('2 days 3 hours');
  expect(shieldedWords({ shielded_until: at(-1) }, NOW)).toBe('over');
  expect(shieldedWords({ shielded_until: null }, NOW)).toBe('not shielded');
  expect(keptWords({ kept_until: at(24), pinned: false }, NOW)).toBe('1 day');
  expect(keptWords({ kept_until: null, pinned: false }, NOW)).toBe('for ever');
  expect(keptWords({ kept_until: null, pinned: true }, NOW)).toBe('for ever, pinned');
  expect(agoWords(at(-0.5), NOW)).toBe('30 minutes ago');
  expect(agoWords(at(-59 / 3_600), NOW)).toBe('just now');
  expect(agoWords(at(1 / 3_600), NOW)).toBe('just now');
  expect(freshWords({ state: 'fresh', fresh_until: at(0.5) }, NOW)).toBe('30 minutes');
  expect(freshWords({ state: 'stale', fresh_until: at(0.5) }, NOW)).toBe('over');
});

test('how much of a period is left', () => {
  expect(leftPart(at(6), 86_400, NOW)).toBe(0.25);
  expect(leftPart(at(-1), 86_400, NOW)).toBe(0);
  expect(leftPart(at(48), 86_400, NOW)).toBe(1);
  expect(leftPart(null, 86_400, NOW)).toBe(0);
  expect(leftPart(at(1), 0, NOW)).toBe(0);
});

test.each([
  ['confirmed', null, 'still has it'],
  ['moved', null, 'has moved'],
  ['not_cached', null, 'not cached any more'],
  ['failed', 'timeout', 'does not answer in time'],
] as const)('%s', (outcome, failure_class, words) => {
  expect(checkWords({ reference: 'team/app:v1', outcome, failure_class })).toContain(words);
});

test('what a purge takes, and what it leaves', () => {
  const purge: Purge = {
    purge_id: '1',
    tags: 2,
    references: [],
    pinned_kept: 1,
    changed_kept: 0,
    bytes_freed: 1_536,
    bytes_shared: 1_024,
    upstream_down: false,
  };
  expect(purgeWords(purge)).toEqual([
    '2 tags go, 1.5 KiB are freed by a later garbage collection.',
    '1 KiB stay, because other images need them too.',
    '1 pinned tag stays.',
  ]);
  expect(purgeWords({ ...purge, tags: 1, bytes_freed: null, bytes_shared: 0, pinned_kept: 0 })).toEqual([
    '1 tag goes.',
  ]);
  expect(purgeWords({ ...purge, tags: 0, bytes_shared: null, pinned_kept: 0 })).toEqual(['Nothing fits: no tag goes.']);
});
