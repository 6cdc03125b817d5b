import { describe, expect, test } from '@jest/globals';
import { applyUpdate } from './apply-update.js';
import { describeChanges } from './describe-changes.js';
import { parseUpdateBody } from './parse-body.js';
import { DEFAULT_VALUES, type SettingsValues } from './settings-values.js';

const CURRENT: SettingsValues = { ...DEFAULT_VALUES, upstream: 'registry.example/team' };

function update(body: Record<string, unknown>, hasCredentials = false, current = CURRENT) {
  const parsed = parseUpdateBody(body);
  if (!parsed.ok) throw new Error('the body is wrong already');
  return applyUpdate(current, hasCredentials, parsed.value);
}

describe('an update', () => {
  test('keeps what it does not name', () => {
    expect(update({ staleness_period_s: 5, anonymous_pull: true })).toEqual({
      ok: true,
      value: { ...CURRENT, stalenessPeriodS: 5, anonymousPull: true },
    });
  });

  test('is checked against what it keeps', () => {
    const current = { ...CURRENT, checkIntervalS: 3_600 };
    expect(update({ staleness_period_s: 3_599 }, false, current)).toMatchObject({
      ok: false,
      problems: [{ field: 'check_interval_s' }],
    });
    expect(update({ staleness_period_s: 3_599, check_interval_s: null }, false, current).ok).toBe(true);
  });

  describe('of the upstream, while a password is stored', () => {
    test.each([
      ['another host', { upstream_registry: 'evil.example/team' }],
      ['a look-alike', { upstream_registry: 'registry.example.evil.example' }],
      ['a sub-domain', { upstream_registry: 'a.registry.example' }],
      ['another port', { upstream_registry: 'registry.example:8443/team' }],
      ['http', { insecure: true }],
      ['another host and name', { upstream_registry: 'evil.example', upstream_registry_username: 'me' }],
    ])('%s needs the password again', (_what, body) => {
      const refused = update(body, true);
      expect(refused).toMatchObject({ ok: false, problems: [{ field: 'upstream_registry_password' }] });
      expect(update({ ...body, upstream_registry_password: 'again' }, true).ok).toBe(true);
      const { upstream_registry_username: _name, ...nameless } = { upstream_registry_username: '', ...body };
      expect(update({ ...nameless, upstream_registry_password: null }, true).ok).toBe(true);
      expect(update(nameless, false).ok).toBe(true);
    });

    test.each([
      ['another namespace', { upstream_registry: 'registry.example/other' }],
      ['the default port, spelt out', { upstream_registry: 'registry.example:443/team' }],
      ['the same', { upstream_registry: 'Registry.Example/team', insecure: false }],
    ])('%s does not', (_what, body) => {
      expect(update(body, true).ok).toBe(true);
    });
  });

  test('of half the credentials needs the other half stored', () => {
    expect(update({ upstream_registry_username: 'bot' })).toMatchObject({
      ok: false,
      problems: [{ field: 'upstream_registry_password' }],
    });
    expect(update({ upstream_registry_password: 'x' })).toMatchObject({
      ok: false,
      problems: [{ field: 'upstream_registry_username' }],
    });
    expect(update({ upstream_registry_username: 'bot' }, true).ok).toBe(true);
    expect(update({ upstream_registry_password: 'x' }, true).ok).toBe(true);
  });
});

test('the audit says what changed, of credentials only that they did', () => {
  const after = { ...CURRENT, stalenessPeriodS: 60, checkIntervalS: 0 };
  expect(describeChanges(CURRENT, after, 'replaced')).toEqual({
    staleness_period_s: { from: 86_400, to: 60 },
    check_interval_s: { from: null, to: 0 },
    credentials: 'replaced',
  });
  expect(describeChanges(CURRENT, { ...CURRENT }, 'kept')).toEqual({});
});
