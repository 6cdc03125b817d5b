import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatUpstreamAddress, parseUpstreamAddress } from './upstream-address.js';

describe('an upstream address', () => {
  test.each([
    ['docker.io', { host: 'docker.io' }],
    ['quay.io/prometheus', { host: 'quay.io', namespace: 'prometheus' }],
    ['registry.example:5000/a/b-c', { host: 'registry.example', port: 5000, namespace: 'a/b-c' }],
    ['localhost:5000', { host: 'localhost', port: 5000 }],
    ['192.0.2.1:80', { host: '192.0.2.1', port: 80 }],
    ['[2001:db8::1]', { host: '2001:db8::1' }],
    ['[::1]:5000/x', { host: '::1', port: 5000, namespace: 'x' }],
    ['registry', { host: 'registry' }],
  ])('%s is read and written as it is', (text, address) => {
    expect(parseUpstreamAddress(text)).toEqual(address);
    expect(formatUpstreamAddress(address)).toBe(text);
  });

  test.each([
    ['Docker.IO', 'docker.io'],
    ['docker.io.', 'docker.io'],
    ['  quay.io/x ', 'quay.io/x'],
    ['quay.io:0443', 'quay.io:443'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
    ['[2001:db8:0:0:0:0:0:1]:5000', '[2001:db8::1]:5000'],
    ['[::ffff:192.0.2.1]', '[::ffff:c000:201]'],
  ])('%s is the same as %s', (text, canonical) => {
    const address = parseUpstreamAddress(text);
    expect('problem' in address ? address.problem : formatUpstreamAddress(address)).toBe(canonical);
  });

  test.each([
    ['nothing', '', 'host[:port][/namespace]'],
    ['only a namespace', '/library', 'host[:port][/namespace]'],
    ['a scheme', 'https://quay.io', 'without a scheme'],
    ['a user', 'user@quay.io', 'host name'],
    ['a password', 'user:secret@quay.io', 'host[:port][/namespace]'],
    ['port 0', 'quay.io:0', 'port from 1 to 65535'],
    ['a port above 65535', 'quay.io:65536', 'port from 1 to 65535'],
    ['a port that is none', 'quay.io:http', 'host[:port][/namespace]'],
    ['no port behind the colon', 'quay.io:', 'host[:port][/namespace]'],
    ['an empty namespace', 'quay.io/', 'namespace'],
    ['a namespace in upper case', 'quay.io/Prometheus', 'namespace'],
    ['a namespace that climbs', 'quay.io/../x', 'namespace'],
    ['a query', 'quay.io/x?y', 'namespace'],
    ['an underscore at the start of the host', '_x.io', 'host name'],
    ['two dots', 'quay..io', 'host name'],
    ['a label of 64 characters', `${'x'.repeat(64)}.io`, 'host name'],
    ['IPv6 without brackets', '2001:db8::1', 'host[:port][/namespace]'],
    ['brackets around no address', '[dead]', 'address'],
    ['brackets around a name', '[quay.io]', 'host[:port][/namespace]'],
    ['brackets around IPv4', '[192.0.2.1]', 'address'],
    ['brackets around too many groups', '[1:2:3:4:5:6:7:8:9]', 'address'],
    ['brackets around colons', '[:::]', 'address'],
    ['a zone', '[fe80::1%eth0]', 'host[:port][/namespace]'],
    ['a line feed in the middle', 'quay.io\nx', 'host name'],
    ['271 characters', `quay.io/${'x'.repeat(263)}`, 'at most 270'],
  ])('with %s is refused with a sentence that says what would be right', (_what, text, problem) => {
    expect(parseUpstreamAddress(text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  test('that is written reads as the same again', () => {
    const label = fc.string({ unit: fc.constantFrom(...'abz09'), minLength: 1, maxLength: 5 });
    const host = fc.oneof(
      fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
      fc.ipV6().map((address) => `[${address}]`),
    );
    fc.assert(
      fc.property(host, fc.option(fc.integer({ min: 1, max: 65_535 })), fc.option(label), (name, port, namespace) => {
        const text = `${name}${port === null ? '' : `:${port}`}${namespace === null ? '' : `/${namespace}`}`;
        const address = parseUpstreamAddress(text);
        if ('problem' in address) throw new Error(`${text}: ${address.problem}`);
        expect(parseUpstreamAddress(formatUpstreamAddress(address))).toEqual(address);
      }),
    );
  });
});
