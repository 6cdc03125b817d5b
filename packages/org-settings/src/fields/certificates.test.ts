import { X509Certificate } from 'node:crypto';
import { selfSignedCertificate } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { certificateFingerprints, MAX_CERTIFICATES_BYTES, readCertificates } from './certificates.js';

const one = selfSignedCertificate();
const two = selfSignedCertificate();

describe('PEM certificates', () => {
  test('come out in one spelling, whatever stands around them', () => {
    const written = `# root of the lab\r\n${one.cert.replaceAll('\n', '\r\n')}\r\n\r\nsubject=two\n${two.cert}`;
    expect(readCertificates(written)).toEqual({ pem: one.cert + two.cert });
    expect(readCertificates(one.cert + two.cert)).toEqual({ pem: one.cert + two.cert });
  });

  test('have the fingerprints that openssl shows', () => {
    const expected = [one, two].map(({ cert }) => new X509Certificate(cert).fingerprint256);
    expect(certificateFingerprints(one.cert + two.cert)).toEqual(expected);
    expect(expected[0]).toMatch(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(certificateFingerprints('')).toEqual([]);
  });

  test.each([
    ['nothing', '', /^must be PEM certificates, each from -----BEGIN CERTIFICATE-----/],
    ['text', 'canary', /^must be PEM certificates/],
    ['a key beside one', one.cert + one.key, /there is a private key in it/],
    ['half a key', '-----BEGIN EC PRIVATE KEY-----\ncanary', /there is a private key in it/],
    [
      'a request',
      one.cert + one.cert.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST'),
      /block 2 is a CERTIFICATE REQUEST$/,
    ],
    ['a broken one', one.cert + two.cert.replace('MII', 'canary'), /block 2 cannot be read/],
    ['one without its end', one.cert + two.cert.slice(0, 80), /one of them has no end/],
    ['too much', one.cert.padEnd(MAX_CERTIFICATES_BYTES + 1, '\n'), /^must be at most 65536 bytes long$/],
    ['too many bytes', `${one.cert}${'é'.repeat(MAX_CERTIFICATES_BYTES / 2)}`, /^must be at most 65536 bytes long$/],
  ])('%s is refused without being repeated', (_what, text, said) => {
    const read = readCertificates(text);
    expect(read).toEqual({ problem: expect.stringMatching(said) });
    expect(JSON.stringify(read)).not.toContain('canary');
  });

  test('as large as they may be are taken', () => {
    expect(readCertificates(one.cert.padEnd(MAX_CERTIFICATES_BYTES, '\n'))).toEqual({ pem: one.cert });
  });
});
