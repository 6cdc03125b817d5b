import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { invalid } from '../errors.js';
import { FIELD_NAMES } from './near-miss.js';
import { type CreateRequest, parseCreateBody, parseUpdateBody } from './parse-body.js';
import { settingsView } from './settings-view.js';

/** The refusals of a body, as one text. */
function refusal(body: unknown, parse: (body: unknown) => ReturnType<typeof parseUpdateBody | typeof parseCreateBody>) {
  const parsed = parse(body);
  return parsed.ok ? undefined : invalid(parsed.problems).detail;
}

const BAD_SECONDS: readonly [unknown, RegExp][] = [
  [-1, /it is -1/],
  [1.5, /it is 1\.5/],
  [1e20, /it is 100000000000000000000/],
  [315_360_001, /it is 315360001/],
  [Number.NaN, /it is NaN/],
  ['3600', /a JSON number: 3600 without quotes; it is the text "3600"/],
  ['1h', /3600 for an hour say; it is the text "1h"/],
  ['', /it is the text ""/],
  [true, /it is true/],
  [[1], /it is a list/],
  [{}, /it is an object/],
];
const PERIODS = ['staleness_period_s', 'check_interval_s', 'expiration_s'] as const;
const FLAGS = ['insecure', 'serve_when_removed', 'serve_when_denied', 'anonymous_pull'] as const;

describe('the body of a POST', () => {
  test('has defaults for all but the upstream', () => {
    expect(parseCreateBody({ upstream_registry: 'Docker.IO.' })).toEqual({
      ok: true,
      value: {
        values: {
          upstream: 'docker.io',
          insecure: false,
          stalenessPeriodS: 86_400,
          checkIntervalS: null,
          expirationS: 86_400,
          serveWhenRemoved: true,
          serveWhenDenied: true,
          anonymousPull: false,
          prefetch: 'image',
          prefetchMaxBytes: 10_737_418_240,
          quotaBytes: null,
        },
      },
    });
  });

  test.each(PERIODS.flatMap((field) => BAD_SECONDS.map(([value, said]) => [field, value, said] as const)))(
    'refuses %s %p',
    (field, value, said) => {
      const detail = refusal({ upstream_registry: 'docker.io', [field]: value }, parseCreateBody);
      expect(detail).toMatch(new RegExp(`^${field} must be a whole number of seconds from 0 to 315360000`));
      expect(detail).toMatch(said);
    },
  );

  test.each(['staleness_period_s', 'expiration_s'])('refuses null for %s, which is no period', (field) => {
    expect(refusal({ upstream_registry: 'docker.io', [field]: null }, parseCreateBody)).toMatch(/it is null/);
  });

  test.each(FLAGS.flatMap((field) => ['true', 1, 0, null, '', []].map((value) => [field, value] as const)))(
    'refuses %s %p',
    (field, value) => {
      const detail = refusal({ upstream_registry: 'docker.io', [field]: value }, parseCreateBody);
      expect(detail).toMatch(new RegExp(`^${field} must be true or false, a JSON boolean`));
    },
  );

  test.each([
    ['prefetch', 'all', /^prefetch must be one of "image", "all_platforms", "off"; it is the text "all"\.$/],
    ['prefetch', false, /it is false; "off" fetches nothing/],
    ['prefetch', null, /it is null; "off" fetches nothing/],
    ['prefetch', 1, /it is a number/],
    [
      'prefetch_max_bytes',
      0,
      /^prefetch_max_bytes must be .* from 1 to 1099511627776; it is 0: .* set prefetch to "off"/,
    ],
    ['prefetch_max_bytes', -1, /it is -1/],
    ['prefetch_max_bytes', 1.5, /it is 1\.5/],
    ['prefetch_max_bytes', 1_099_511_627_777, /it is 1099511627777/],
    ['prefetch_max_bytes', null, /it is null/],
    ['prefetch_max_bytes', '1024', /a JSON number: 1024 without quotes; it is the text "1024"/],
    ['quota_bytes', 0, /^quota_bytes must be .* or null for no quota; it is 0/],
    ['quota_bytes', -1, /it is -1/],
    ['quota_bytes', 1.5, /it is 1\.5/],
    ['quota_bytes', true, /it is true/],
    ['quota_bytes', '1024', /a JSON number: 1024 without quotes; it is the text "1024"/],
    ['quota_bytes', '10GiB', /10737418240 for 10 GiB; it is the text "10GiB"/],
    ['prefetch_max_bytes', '10GiB', /10737418240 for 10 GiB; it is the text "10GiB"/],
  ])('refuses %s %p', (field, value, said) => {
    expect(refusal({ upstream_registry: 'docker.io', [field]: value }, parseCreateBody)).toMatch(said);
  });

  test.each([
    ['https://docker.io', /without a scheme/],
    ['user:secret@docker.io', /must be host/],
    ['docker.io:99999', /port from 1 to 65535/],
    ['docker.io/Library', /lower-case/],
    ['docker.io/', /namespace/],
    ['', /must be host/],
    ['exa mple.com', /host name/],
    ['a'.repeat(271), /at most 270/],
    [42, /it is a number/],
    [null, /it is null/],
  ])('refuses upstream_registry %p without repeating it', (value, said) => {
    const detail = refusal({ upstream_registry: value }, parseCreateBody);
    expect(detail).toMatch(/^upstream_registry must/);
    expect(detail).toMatch(said);
    expect(detail).not.toContain('secret');
  });

  test.each([
    ['upstream_registry_username', 7, /must be a text, or null; it is a number/],
    ['upstream_registry_username', 'a:b', /colon/],
    ['upstream_registry_username', 'a\n', /control characters/],
    ['upstream_registry_username', 'a'.repeat(4097), /at most 4096/],
    ['upstream_registry_password', 7, /must be a text, or null; it is a number/],
    ['upstream_registry_password', 'hunter2\n', /control characters/],
    ['upstream_registry_password', 'a'.repeat(4097), /at most 4096/],
  ])('refuses %s %p', (field, value, said) => {
    const body = {
      upstream_registry: 'docker.io',
      upstream_registry_username: 'bot',
      upstream_registry_password: 'x',
      [field]: value,
    };
    const detail = refusal(body, parseCreateBody);
    expect(detail).toMatch(new RegExp(`^${field} must`));
    expect(detail).toMatch(said);
    expect(detail).not.toContain('hunter2');
  });

  test.each([null, '', undefined])("takes %p for no credentials, as Quay's clients mean it", (nothing) => {
    const parsed = parseCreateBody({
      upstream_registry: 'docker.io',
      upstream_registry_username: nothing,
      upstream_registry_password: nothing,
      org_name: 'acme',
    });
    expect(parsed).toMatchObject({ ok: true });
    expect(parsed.ok && parsed.value.credentials).toBeUndefined();
  });

  test('wants name and password together', () => {
    const half = { upstream_registry: 'docker.io', upstream_registry_username: 'bot' };
    expect(refusal(half, parseCreateBody)).toMatch(/^upstream_registry_password must be given together/);
    const other = { upstream_registry: 'docker.io', upstream_registry_password: 'x', upstream_registry_username: null };
    expect(refusal(other, parseCreateBody)).toMatch(/^upstream_registry_username must be given together/);
  });

  test('refuses a check interval above the staleness period, given or default', () => {
    const above = { upstream_registry: 'docker.io', check_interval_s: 86_401 };
    expect(refusal(above, parseCreateBody)).toMatch(
      /^check_interval_s \(86401\) must not be greater than staleness_period_s \(86400\)/,
    );
    expect(parseCreateBody({ ...above, check_interval_s: 86_400 }).ok).toBe(true);
    expect(parseCreateBody({ upstream_registry: 'docker.io', staleness_period_s: 0, check_interval_s: 0 }).ok).toBe(
      true,
    );
    expect(parseCreateBody({ upstream_registry: 'docker.io', staleness_period_s: 0 }).ok).toBe(true);
  });

  test('lists every mistake', () => {
    const detail = refusal({ staleness_period_s: '1h', insecure: 'no', stalenessPeriodS: 3600 }, parseCreateBody);
    expect(detail).toMatch(/upstream_registry is required/);
    expect(detail).toMatch(/insecure must be true or false/);
    expect(detail).toMatch(/staleness_period_s must be/);
    expect(detail).toMatch(/"stalenessPeriodS" is not a field; staleness_period_s is/);
  });

  test.each([undefined, null, [], 'text', 4, true])('refuses %p as a whole', (body) => {
    expect(refusal(body, parseCreateBody)).toMatch(/^the body must be a JSON object/);
    expect(refusal(body, parseUpdateBody)).toMatch(/^the body must be a JSON object/);
  });
});

describe('the body of a PUT', () => {
  test('names what it changes and nothing else', () => {
    expect(parseUpdateBody({ staleness_period_s: 0, check_interval_s: null })).toEqual({
      ok: true,
      value: { values: { stalenessPeriodS: 0, checkIntervalS: null }, credentials: { kind: 'keep' } },
    });
    expect(parseUpdateBody({})).toEqual({ ok: true, value: { values: {}, credentials: { kind: 'keep' } } });
  });

  test.each([
    [{ upstream_registry_password: null }, { kind: 'remove' }],
    [{ upstream_registry_username: null }, { kind: 'remove' }],
    [{ upstream_registry_username: null, upstream_registry_password: null }, { kind: 'remove' }],
    [{ upstream_registry_username: 'bot' }, { kind: 'rename', username: 'bot' }],
    [{ upstream_registry_password: 'x' }, { kind: 'replace', password: 'x' }],
    [
      { upstream_registry_username: 'bot', upstream_registry_password: 'x' },
      { kind: 'replace', username: 'bot', password: 'x' },
    ],
  ])('%p: credentials %p', (body, credentials) => {
    expect(parseUpdateBody(body)).toMatchObject({ ok: true, value: { credentials } });
  });

  test.each([
    [{ upstream_registry_password: '' }, /^upstream_registry_password must not be empty: leave it out to keep it/],
    [{ upstream_registry_username: '' }, /^upstream_registry_username must not be empty/],
    [
      { upstream_registry_username: null, upstream_registry_password: 'x' },
      /^upstream_registry_username must be given/,
    ],
    [
      { upstream_registry_username: 'b', upstream_registry_password: null },
      /^upstream_registry_password must be given/,
    ],
    [{ upstream_registry: null }, /^upstream_registry must be a text/],
    [{ staleness_period: 5 }, /^"staleness_period" is not a field; staleness_period_s is/],
  ])('refuses %p', (body, said) => {
    expect(refusal(body, parseUpdateBody)).toMatch(said);
  });
});

describe('any body', () => {
  const name = fc.oneof(fc.constantFrom(...FIELD_NAMES), fc.string(), fc.constantFrom('__proto__', 'constructor'));
  const anything = fc.oneof(fc.jsonValue(), fc.dictionary(name, fc.jsonValue()));

  test('is understood or refused with problems that have a message', () => {
    fc.assert(
      fc.property(anything, (value) => {
        // What a body parser returns: JSON, so that __proto__ is a key like any other.
        const body: unknown = JSON.parse(JSON.stringify(value));
        for (const parsed of [parseCreateBody(body), parseUpdateBody(body)]) {
          if (parsed.ok) continue;
          expect(parsed.problems.length).toBeGreaterThan(0);
          for (const problem of parsed.problems) expect(problem.message).not.toBe('');
        }
      }),
      { numRuns: 500 },
    );
  });

  const period = fc.integer({ min: 0, max: 315_360_000 });
  const text = fc.string({ minLength: 1, maxLength: 40 }).filter((value) => !/[\p{Cc}\p{Cs}:]/u.test(value));
  const good = fc
    .record({
      upstream_registry: fc.constantFrom('docker.io', 'quay.io/prometheus', 'localhost:5000', '[2001:db8::1]:443/a/b'),
      insecure: fc.boolean(),
      expiration_s: period,
      staleness_period_s: period,
      check_interval_s: fc.option(period),
      serve_when_removed: fc.boolean(),
      serve_when_denied: fc.boolean(),
      anonymous_pull: fc.boolean(),
      prefetch: fc.constantFrom('image', 'all_platforms', 'off'),
      prefetch_max_bytes: fc.integer({ min: 1, max: 2 ** 40 }),
      quota_bytes: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    })
    .filter((body) => body.check_interval_s === null || body.check_interval_s <= body.staleness_period_s);

  test('that is accepted comes back the same, and is accepted again', () => {
    fc.assert(
      fc.property(good, fc.option(fc.tuple(text, text)), (body, pair) => {
        const sent = {
          ...body,
          ...(pair === null ? {} : { upstream_registry_username: pair[0], upstream_registry_password: pair[1] }),
        };
        const parsed = parseCreateBody(sent);
        if (!parsed.ok) throw invalid(parsed.problems);
        const view = settingsView(parsed.value.values, pair !== null);
        expect(view).toEqual({ ...body, has_credentials: pair !== null, upstream_ca_fingerprints: [] });
        expect(parsed.value.credentials).toEqual(pair === null ? undefined : { username: pair[0], password: pair[1] });
        // A GET that is sent back as a PUT changes nothing.
        const again = parseUpdateBody(view);
        const expected: CreateRequest['values'] = parsed.value.values;
        expect(again).toEqual({ ok: true, value: { values: expected, credentials: { kind: 'keep' } } });
      }),
    );
  });
});
