import { expect, test } from '@jest/globals';
import { connectionWords } from './connection-steps.js';

test('every step is said in words, and each failure with what to try', () => {
  const words = connectionWords({
    ok: false,
    steps: [
      { step: 'name', ok: true, reason: null },
      { step: 'address', ok: true, reason: null },
      { step: 'connection', ok: true, reason: null },
      { step: 'tls', ok: false, reason: 'tls' },
      { step: 'registry', ok: null, reason: 'not_reached' },
      { step: 'sample', ok: null, reason: 'not_asked' },
      { step: 'a_new_step', ok: true, reason: null },
    ],
    rate_limit: null,
  });
  expect(words.map(({ outcome }) => outcome)).toEqual([
    'success',
    'success',
    'success',
    'danger',
    'skipped',
    'skipped',
    'success',
  ]);
  expect(words[3]?.description).toContain('certificate');
  expect(words[6]?.title).toBe('a_new_step');
});

test('what is left of the rate limit is told, and an image that is not there', () => {
  const words = connectionWords({
    ok: false,
    steps: [
      { step: 'rate_limit', ok: true, reason: null },
      { step: 'sample', ok: false, reason: 'removed' },
    ],
    rate_limit: { limit: 100, remaining: 1 },
  });
  expect(words[0]?.description).toBe('1 pull left of 100.');
  expect(words[1]?.description).toContain('no such image');
});
