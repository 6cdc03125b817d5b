import { expect, test } from '@jest/globals';
import { settingWords } from './setting-words.js';

test.each([
  ['check_interval_s', null, 'once per staleness period'],
  ['check_interval_s', 0, 'on every pull'],
  ['check_interval_s', 5_400, '1 hour 30 minutes'],
  ['staleness_period_s', 0, 'none'],
  ['expiration_s', 0, 'never'],
  ['expiration_s', 86_400, '1 day'],
  ['quota_bytes', null, 'none'],
  ['quota_bytes', 2 ** 41, '2 TiB'],
  ['prefetch_max_bytes', 10 * 2 ** 30, '10 GiB'],
  ['prefetch', 'all_platforms', 'Every platform of the image'],
  ['upstream_ca_fingerprints', [], 'none'],
  ['upstream_ca_fingerprints', ['AB:CD:EF:01:23:45:67:89'], 'AB:CD:EF:01:23:4'],
  ['anonymous_pull', false, 'no'],
  ['upstream_registry', 'quay.io', 'quay.io'],
])('%s: %j is %s', (field, value, words) => {
  expect(settingWords(field, value)).toBe(words);
});
