import { expect, test } from '@jest/globals';
import type { Health } from '../api/shapes.js';
import { healthWarnings } from './health-warnings.js';

const NOW = Date.UTC(2024, 0, 2, 14, 14);
const AT = '2024-01-02T13:54:00.000Z';
const HEALTH: Health = {
  status: 'up',
  at: new Date(NOW).toISOString(),
  upstream: 'docker.io',
  origin: 'registry-1.docker.io',
  known_down_since: null,
  failure_class: null,
  upstream_status: null,
  next_check_at: null,
  retry_after_until: null,
  last_success_at: null,
  last_failure_at: null,
  rate_limit: { limit: null, remaining: null, at: null, low: false },
  cached: { tags: 0, lapsed: 0, counted_up_to: 1000, oldest_confirmed_at: null },
  missing: { contents: 0, bytes: 0, queued: 0, too_large: 0, given_up: 0, counted_up_to: 1000 },
  storage: { status: 'ok', last_failure_at: null },
  quota: { status: 'none', limit_bytes: null, used_bytes: null, last_not_stored_at: null },
  hold: { held: false, reason: null, since: null, until: null },
  outage: null,
  last_24h: { shielded_pulls: 0, masked_errors: 0, passed_errors: 0, counts: {}, latest: {} },
};

const SETTINGS = { has_credentials: true, serve_when_denied: true };

/** What is warned of, as `variant id: title advice`. */
function said(part: Partial<Health>, settings = SETTINGS): readonly string[] {
  return healthWarnings({ ...HEALTH, ...part }, settings, NOW).map(
    ({ variant, id, title, advice }) => `${variant} ${id}: ${title}. ${advice}`,
  );
}
const day = (kind: string, counts: Readonly<Record<string, number>>): Pick<Health, 'last_24h'> => ({
  last_24h: { ...HEALTH.last_24h, counts: { [kind]: counts }, latest: { [kind]: AT } },
});

test('nothing, of a cache that is well', () => {
  expect(said({})).toEqual([]);
});

test('credentials that were refused: how often, when, what that does', () => {
  const refused = day('credentials_rejected', { denied: 3 });
  expect(said(refused)).toEqual([
    expect.stringMatching(
      /^danger credentials-rejected: docker.io has refused .* 3 times .* last 20 minutes ago.*served within/,
    ),
  ]);
  expect(said(refused, { ...SETTINGS, serve_when_denied: false })[0]).toContain('Pulls that ask the upstream fail');
  // They have been removed since.
  expect(said(refused, { ...SETTINGS, has_credentials: false })).toEqual([]);
});

test('a store that takes nothing, now or before', () => {
  const failed = day('not_stored', { storage: 1, database: 1, quota: 7 });
  expect(said({ ...failed, storage: { status: 'failing', last_failure_at: AT } })[0]).toMatch(
    /^danger storage-failing: .*cannot be stored. 2 times/,
  );
  expect(said({ ...failed, storage: { status: 'ok', last_failure_at: AT } })[0]).toMatch(/^warning storage-failed: /);
});

test('a quota that is full, or was', () => {
  const quota = { limit_bytes: 2 ** 30, used_bytes: 2 ** 30, last_not_stored_at: AT };
  expect(said({ quota: { ...quota, status: 'full' } })).toEqual([
    expect.stringMatching(/^danger quota-full: .*1 GiB of 1 GiB are used/),
  ]);
  expect(said({ ...day('not_stored', { quota: 7 }), quota: { ...quota, status: 'ok' } })).toEqual([
    expect.stringMatching(/^info quota-was-full: .*7 times/),
  ]);
});

test('wrong bytes, a rate limit, incomplete images, a collection that waits', () => {
  expect(said(day('integrity_failure', { integrity: 1 }))[0]).toMatch(/^danger integrity-failure: .*1 time in/);
  expect(said({ rate_limit: { limit: 100, remaining: 4, at: AT, low: true } })[0]).toMatch(
    /^warning rate-limit-low: .*4 pulls left of 100/,
  );
  const missing = { ...HEALTH.missing, given_up: 2 };
  expect(said({ ...day('prefetch_failed', { timeout: 5 }), missing })[0]).toMatch(
    /^warning prefetch-failed: .*2 pieces/,
  );
  expect(said(day('prefetch_failed', { timeout: 5 }))).toEqual([]);
  const hold = { held: true, reason: 'upstream_down', since: AT, until: null };
  expect(said({ hold })[0]).toMatch(/^info hold: /);
  expect(said({ hold, status: 'down' })).toEqual([]);
});

test('the worst comes first', () => {
  const all = said({
    ...day('credentials_rejected', { denied: 1 }),
    rate_limit: { limit: 100, remaining: 4, at: AT, low: true },
    hold: { held: true, reason: null, since: null, until: null },
    quota: { status: 'full', limit_bytes: null, used_bytes: null, last_not_stored_at: null },
  });
  expect(all.map((each) => each.split(' ')[0])).toEqual(['danger', 'danger', 'warning', 'info']);
});
