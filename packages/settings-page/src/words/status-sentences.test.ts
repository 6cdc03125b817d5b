import { expect, test } from '@jest/globals';
import type { Health } from '../api/shapes.js';
import {
  beforeOutageSentence,
  completenessSentence,
  firstLapseSentence,
  latestFailureSentence,
  nextCheckSentence,
  protectionSentence,
  upstreamSentence,
} from './status-sentences.js';

const NOW = Date.UTC(2024, 0, 2, 14, 14);
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

test.each<[Partial<Health>, string]>([
  [{}, 'docker.io answers.'],
  [{ status: 'unknown' }, 'docker.io has not been asked yet.'],
  [{ status: 'unknown', failure_class: 'blocked' }, 'docker.io has an address that this registry may not dial.'],
  [
    { status: 'down', failure_class: 'connect', known_down_since: '2024-01-02T12:00:00Z' },
    'docker.io has been down for 2 hours 14 minutes.',
  ],
  [
    { status: 'down', failure_class: 'rate_limited', known_down_since: '2024-01-02T14:12:00Z' },
    'docker.io has refused further requests for 2 minutes.',
  ],
  [{ status: 'down', failure_class: 'new_class' }, 'docker.io has been down.'],
])('%j: %s', (part, sentence) => {
  expect(upstreamSentence({ ...HEALTH, ...part }, NOW)).toBe(sentence);
});

test.each<[Partial<Health>, string | undefined]>([
  [{}, undefined],
  [{ status: 'down', failure_class: 'connect' }, 'Latest failure: it cannot be connected to.'],
  [
    { status: 'down', failure_class: 'server_error', upstream_status: 503 },
    'Latest failure: it answers with errors of its own (status 503).',
  ],
  [{ status: 'down', failure_class: 'new_class' }, 'Latest failure: it cannot be used (new_class).'],
])('%j: %s', (part, sentence) => {
  expect(latestFailureSentence({ ...HEALTH, ...part })).toBe(sentence);
});

test('in an outage it is the outage that counts, and what was before is said apart', () => {
  const day = { shielded_pulls: 412, masked_errors: 9, passed_errors: 11, counts: {}, latest: {} };
  const health = { ...HEALTH, outage: { shielded_pulls: 12, masked_errors: 3, passed_errors: 0 }, last_24h: day };
  expect(protectionSentence(health)).toBe('12 pulls saved, none failed in this outage.');
  expect(beforeOutageSentence(health)).toBe(
    'Before it, in the last 24 hours: 400 pulls saved, 11 errors reached a client.',
  );
  expect(beforeOutageSentence({ ...health, outage: day })).toBeUndefined();
  expect(beforeOutageSentence({ ...health, outage: null })).toBeUndefined();
});

test('what was saved, and what was not', () => {
  const said = (shielded_pulls: number, passed_errors: number) =>
    protectionSentence({ ...HEALTH, last_24h: { ...HEALTH.last_24h, shielded_pulls, passed_errors } });
  expect(said(0, 0)).toContain('No pull has needed protection');
  expect(said(412, 0)).toBe('412 pulls saved, none failed in the last 24 hours.');
  expect(said(1, 2)).toBe('1 pull saved, 2 errors reached a client in the last 24 hours.');
});

test('the next check: a ban of the upstream goes before the window', () => {
  const at = (next_check_at: string | null, retry_after_until: string | null = null) =>
    nextCheckSentence({ ...HEALTH, next_check_at, retry_after_until }, NOW);
  expect(at(null)).toBeUndefined();
  expect(at('2024-01-02T14:14:17.5Z')).toBe('in 18 seconds');
  expect(at('2024-01-02T14:13:00Z')).toBe('now');
  expect(at('2024-01-02T14:13:00Z', '2024-01-02T15:14:00Z')).toBe('in 1 hour');
});

test('when the first image lapses', () => {
  const said = (tags: number, lapsed: number) =>
    firstLapseSentence(
      { ...HEALTH, cached: { tags, lapsed, counted_up_to: 1000, oldest_confirmed_at: '2024-01-02T12:14:00Z' } },
      86_400,
      NOW,
    );
  expect(said(0, 0)).toBe('Nothing is cached yet.');
  expect(said(3, 0)).toBe('All 3 images are shielded; the first lapses in 22 hours.');
  expect(said(1, 0)).toBe('The one cached image is shielded; it lapses in 22 hours.');
  expect(said(3, 1)).toBe('1 image of 3 can be served only if the upstream confirms it.');
  expect(said(3, 2)).toBe('2 images of 3 can be served only if the upstream confirms them.');
  expect(said(3, 3)).toBe('None of 3 images is shielded any more.');
  expect(said(1, 1)).toBe('The one cached image is not shielded any more.');
  // Counting ends there: so many means at least so many.
  expect(said(1000, 0)).toBe('1,000 or more images are shielded; the first lapses in 22 hours.');
  expect(said(1000, 12)).toContain('12 images of 1,000 or more');
});

test('what is still to be fetched', () => {
  const said = (tags: number, missing: Partial<Health['missing']>) =>
    completenessSentence({
      ...HEALTH,
      cached: { ...HEALTH.cached, tags },
      missing: { ...HEALTH.missing, ...missing },
    });
  expect(said(0, {})).toBeUndefined();
  expect(said(1, {})).toBe('What was pulled is stored whole.');
  expect(said(1, { contents: 1, bytes: 2_048 })).toBe('1 piece (2 KiB) of cached images is still to be fetched.');
  expect(said(1, { contents: 1000, bytes: 2_048, too_large: 3 })).toContain('1,000 or more pieces');
  expect(said(1, { contents: 3, too_large: 1, given_up: 1 })).toContain('2 only when a client asks');
});
