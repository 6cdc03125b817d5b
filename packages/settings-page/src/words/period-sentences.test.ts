import { expect, test } from '@jest/globals';
import { checkSentence, expirationSentence, leastShieldedS, stalenessSentence } from './period-sentences.js';

const HOUR = 3_600;
const DAY = 24 * HOUR;

test('the sentence of the staleness period has its numbers', () => {
  expect(stalenessSentence('docker.io', { stalenessS: 3 * DAY, checkS: 80 * 60 })).toBe(
    'If docker.io fails, images confirmed within the last 3 days are still served; older ones fail with 503. ' +
      'An image in regular use survives an outage of at least 2 days 23 hours.',
  );
  expect(stalenessSentence(' ', { stalenessS: DAY, checkS: null })).toBe(
    'If the upstream fails, images confirmed within the last day are still served; older ones fail with 503. ' +
      'An image in regular use survives an outage of at least 6 hours.',
  );
});

test('a period of nothing promises nothing', () => {
  expect(stalenessSentence('quay.io', { stalenessS: 0, checkS: null })).toBe(
    'Nothing is served unless quay.io has just confirmed it: while quay.io fails, pulls by tag fail with 503.',
  );
});

test.each([
  // Checked ahead: three quarters of the interval at most.
  [DAY, null, DAY / 4],
  [3 * DAY, 4 * HOUR, 3 * DAY - 3 * HOUR],
  // Every pull asks.
  [DAY, 0, DAY],
  // Too short to be checked ahead: the whole interval.
  [DAY, 599, DAY - 599],
  [DAY, 600, DAY - 450],
  [300, null, 0],
])('with a period of %i s and checks every %p s, %i s are certain', (stalenessS, checkS, least) => {
  expect(leastShieldedS({ stalenessS, checkS })).toBe(least);
});

test('a period that may end as the outage begins says so', () => {
  expect(stalenessSentence('quay.io', { stalenessS: 300, checkS: null })).toContain('check more often');
});

test('when pulls ask, and how long images stay', () => {
  expect(checkSentence('docker.io', { stalenessS: DAY, checkS: 0 })).toContain('Every pull by tag asks docker.io');
  expect(checkSentence('docker.io', { stalenessS: DAY, checkS: null })).toContain('after 1 day at the latest');
  expect(expirationSentence({ stalenessS: DAY, expirationS: 0 })).toBe('Cached images are kept for ever.');
  expect(expirationSentence({ stalenessS: DAY, expirationS: 2 * DAY })).toBe(
    'An image that nobody has pulled for 2 days is removed.',
  );
  expect(expirationSentence({ stalenessS: 3 * DAY, expirationS: DAY })).toContain('never before its staleness period');
});
