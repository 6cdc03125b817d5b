import { describe, expect, test } from '@jest/globals';
import type { SettingsView } from '../api/shapes.js';
import { changesOf, creationBody, differences, formFrom, isChanged, problemsOf, rebase } from './settings-form.js';

const STORED: SettingsView = {
  upstream_registry: 'docker.io',
  insecure: false,
  expiration_s: 604_800,
  staleness_period_s: 259_200,
  check_interval_s: 3_600,
  serve_when_removed: true,
  serve_when_denied: false,
  anonymous_pull: false,
  prefetch: 'image',
  prefetch_max_bytes: 10 * 2 ** 30,
  quota_bytes: null,
  has_credentials: true,
  upstream_ca_fingerprints: [],
};

describe('what a save sends', () => {
  test('a form that nobody has touched changes nothing, whatever is stored', () => {
    for (const check_interval_s of [null, 0, 3_600, 76_401]) {
      const view = { ...STORED, check_interval_s };
      expect(changesOf(formFrom(view), view)).toEqual({});
      expect(isChanged(formFrom(view), view)).toBe(false);
    }
  });

  test('only what was changed', () => {
    const form = { ...formFrom(STORED), staleness: { amount: '72', unit: 'hours' as const } };
    expect(changesOf(form, STORED)).toEqual({});
    expect(changesOf({ ...form, staleness: { amount: '4', unit: 'days' }, check: 'always' }, STORED)).toEqual({
      staleness_period_s: 345_600,
      check_interval_s: 0,
    });
  });

  test('a stored password stays unless it is replaced or removed', () => {
    const form = formFrom(STORED);
    expect(changesOf({ ...form, password: 'new' }, STORED)).toEqual({ upstream_registry_password: 'new' });
    expect(changesOf({ ...form, username: ' bot ' }, STORED)).toEqual({ upstream_registry_username: 'bot' });
    expect(changesOf({ ...form, removeCredentials: true }, STORED)).toEqual({ upstream_registry_password: null });
  });

  test('a quota is a size or none', () => {
    const limited = { ...formFrom(STORED), hasQuota: true, quota: { amount: '2', unit: 'TiB' as const } };
    expect(changesOf(limited, STORED)).toEqual({ quota_bytes: 2 ** 41 });
    expect(changesOf({ ...limited, hasQuota: false }, { ...STORED, quota_bytes: 5 })).toEqual({ quota_bytes: null });
    expect(formFrom({ ...STORED, quota_bytes: 2 ** 41 })).toMatchObject({ hasQuota: true, quota: { amount: '2' } });
    expect(problemsOf({ ...limited, quota: { amount: '', unit: 'TiB' } }, STORED)).toHaveProperty('quota_bytes');
  });

  test('a new configuration says everything', () => {
    const form = { ...formFrom(undefined), upstream: ' quay.io ', username: 'bot', password: ' secret ' };
    expect(creationBody(form)).toEqual({
      upstream_registry: 'quay.io',
      upstream_registry_username: 'bot',
      upstream_registry_password: ' secret ',
      insecure: false,
      expiration_s: 86_400,
      staleness_period_s: 86_400,
      check_interval_s: null,
      serve_when_removed: true,
      serve_when_denied: true,
      anonymous_pull: false,
      prefetch: 'image',
      prefetch_max_bytes: 10 * 2 ** 30,
      quota_bytes: null,
    });
  });
});

describe('what is wrong before the API is asked', () => {
  const form = formFrom(STORED);

  test('nothing', () => {
    expect(problemsOf(form, STORED)).toEqual({});
    expect(problemsOf({ ...form, password: 'new' }, STORED)).toEqual({});
  });

  test('each mistake stands at its field', () => {
    const wrong = {
      ...form,
      upstream: ' ',
      username: 'bot',
      staleness: { amount: '', unit: 'days' as const },
      expiration: { amount: '1.5', unit: 'days' as const },
    };
    const problems = problemsOf(wrong, undefined);
    expect(Object.keys(problems).sort()).toEqual([
      'expiration_s',
      'staleness_period_s',
      'upstream_registry',
      'upstream_registry_password',
    ]);
    expect(isChanged(wrong, STORED)).toBe(true);
  });

  test('a check interval above the staleness period', () => {
    const longer = { ...form, check: 'interval' as const, checkInterval: { amount: '4', unit: 'days' as const } };
    expect(problemsOf(longer, STORED)).toEqual({ check_interval_s: expect.stringContaining('longer') });
  });
});

describe('two administrators', () => {
  const theirs = { ...STORED, staleness_period_s: 604_800, anonymous_pull: true, has_credentials: false };

  test('what I changed stays, the rest becomes theirs', () => {
    const mine = { ...formFrom(STORED), expiration: { amount: '30', unit: 'days' as const }, anonymousPull: false };
    const merged = rebase(mine, STORED, theirs);
    expect(changesOf(merged, theirs)).toEqual({ expiration_s: 2_592_000 });
    expect(merged.anonymousPull).toBe(true);
  });

  test('what they changed is named', () => {
    const certificates = { ...theirs, upstream_ca_fingerprints: ['AB'] };
    expect(differences(STORED, certificates).map(({ label, before, now }) => [label, before, now])).toEqual([
      ['Staleness period', 259_200, 604_800],
      ['Pull without signing in', false, true],
      ['Credentials', true, false],
      ['Certificates', [], ['AB']],
    ]);
    expect(differences(STORED, { ...STORED, upstream_ca_fingerprints: [] })).toEqual([]);
  });
});
