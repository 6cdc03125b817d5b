import { describe, expect, test } from '@jest/globals';
import { isRegistryError, REGISTRY_ERRORS, RegistryError, type RegistryErrorCode } from './errors.js';

/** The codes of the distribution-spec, "Error codes". */
const SPEC_CODES = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
];

describe('the table of errors', () => {
  test('has every code of the spec', () => {
    expect(Object.keys(REGISTRY_ERRORS)).toEqual(expect.arrayContaining(SPEC_CODES));
  });

  test('has codes, messages and statuses that a client can take', () => {
    for (const [code, { status, message }] of Object.entries(REGISTRY_ERRORS)) {
      expect(code).toMatch(/^[A-Z_]+$/);
      expect(message).not.toBe('');
      expect(status).toBeGreaterThanOrEqual(400);
      // containerd does not try a 502 again.
      expect(status).not.toBe(502);
      expect(new RegistryError(code as RegistryErrorCode)).toMatchObject({ code, status, message, headers: {} });
    }
  });
});

describe('a registry error', () => {
  test('takes what differs from the table', () => {
    const cause = new Error('why');
    const options = {
      status: 504,
      detail: { reason: 'timeout' },
      headers: { 'retry-after': '5' },
      reasonPhrase: 'x',
      cause,
    };
    const error = new RegistryError('UNAVAILABLE', 'the upstream timed out', options);
    expect(error).toMatchObject({ ...options, code: 'UNAVAILABLE', message: 'the upstream timed out' });
    expect(isRegistryError(error)).toBe(true);
  });

  test('is told by name and code, also from another copy of the package', () => {
    expect(isRegistryError(Object.assign(new Error('x'), { name: 'RegistryError', code: 'DENIED' }))).toBe(true);
    for (const other of [
      undefined,
      null,
      'DENIED',
      new Error('x'),
      Object.assign(new Error('x'), { code: 'DENIED' }),
      Object.assign(new Error('x'), { name: 'RegistryError', code: 'ENOENT' }),
      Object.assign(new Error('x'), { name: 'RegistryError', code: 'toString' }),
    ]) {
      expect(isRegistryError(other)).toBe(false);
    }
  });
});
