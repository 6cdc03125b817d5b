import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AddressGuard } from './address-guard.js';
import { DEFAULT_DEADLINES } from './deadlines.js';
import { GuardedAgents } from './guarded-agent.js';
import { Resolver, systemLookup } from './resolver.js';
import { AxiosTransport } from './transport.js';

/** Addresses that no upstream may have, as a resolver could answer them. */
const FORBIDDEN_ADDRESSES = [
  // This host, this network, loopback, link-local and its metadata services
  ...['0.0.0.0', '0.0.0.1', '0.255.255.255', '127.0.0.1', '127.0.0.2', '127.1.2.3', '127.255.255.255'],
  ...['169.254.0.1', '169.254.169.254', '169.254.170.2', '169.254.255.255'],
  // Private, shared, benchmarking, documentation, multicast, reserved, broadcast
  ...['10.0.0.0', '10.0.0.1', '10.255.255.255', '172.16.0.1', '172.20.10.1', '172.31.255.255', '192.168.0.1'],
  ...['192.168.255.255', '100.64.0.1', '100.100.100.200', '100.127.255.255', '198.18.0.1', '198.19.255.255'],
  ...['192.0.0.1', '192.0.0.170', '192.0.0.192', '192.0.2.1', '198.51.100.1', '203.0.113.1', '192.88.99.1'],
  ...['224.0.0.1', '239.255.255.250', '233.252.0.1', '240.0.0.1', '250.1.2.3', '255.255.255.254', '255.255.255.255'],
  // IPv6: unspecified, loopback, link-local, unique local, site-local, multicast, discard, documentation
  ...['::', '::1', '0:0:0:0:0:0:0:1', '0000:0000:0000:0000:0000:0000:0000:0001', '[::1]', 'fe80::1', 'fe80::1%eth0'],
  ...['fe80::1%25eth0', '::1%lo', 'febf::1', 'fc00::1', 'fd00::1', 'fd00:ec2::254', 'fdff:ffff::1', 'fec0::1'],
  ...['feff::1', 'ff00::1', 'ff02::1', 'ff0e::1', '100::1', '2001:db8::1', '2001:DB8::1', '3fff::1', '5f00::1'],
  // IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo
  ...['::ffff:127.0.0.1', '::FFFF:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:127.0.0.1', '::ffff:10.0.0.1'],
  ...['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::ffff:192.168.1.1', '::ffff:0.0.0.0', '::ffff:100.64.0.1'],
  ...['::127.0.0.1', '::7f00:1', '::10.0.0.1', '::169.254.169.254', '::ffff:0:127.0.0.1', '::ffff:0:7f00:1'],
  ...['64:ff9b::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b::8.8.8.8', '64:ff9b:1::127.0.0.1'],
  ...['64:ff9b:1::a00:1', '2002:7f00:1::', '2002:7f00:1::1', '2002:a00:1::', '2002:a9fe:a9fe::', '2002:c0a8:1::1'],
  ...['2001::1', '2001:0:7f00:1::', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:2::1', '2001:10::1', '2001:20::1'],
  ...['2001:1::1', '4000::1', '8000::1', '::2', '::ffff:ffff:ffff'],
  // No addresses at all
  ...['', 'localhost', '0x7f.1', '0177.0.0.1', '2130706433', '127.1', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.02.03.04'],
  ...['1.1.1.1 ', ' 1.1.1.1', '1.1.1.1/8', '2606:4700::1111/64', '2606:4700::1111%eth0', 'example.com', ':', ':::'],
];

/** Spellings of 127.0.0.1 and of names for it, in a URL or for the resolver of the system. */
const FORBIDDEN_HOSTS = [
  ...['127.0.0.1', '127.0.0.1.', '127.1', '127.0.1', '127.00.00.01', '127.000.000.001', '0300.0250.0.1', '0177.0.0.1'],
  ...[
    '0177.0.0.01',
    '0177.1',
    '00000177.0.0.1',
    '0x7f.0.0.1',
    '0X7F.0.0.1',
    '0x7f.0x0.0x0.0x1',
    '0x7f.1',
    '0x7f000001',
  ],
  ...['0x7F000001', '0x00000000007f000001', '2130706433', '017700000001', '00017700000001', '0x7f.0.1', '127.0x1'],
  ...['127.0x0.0.1', '127.0.0.0x1', '127.0.0.01', '127.65535', '127.0.65535', '0', '0.0', '0.0.0.0', '00', '0x0', '0x'],
  ...[
    '１２７.0.0.1',
    '127。0。0。1',
    '127．0．0．1',
    '127｡0｡0｡1',
    '①②⑦.⓪.⓪.①',
    '𝟭𝟮𝟳.𝟬.𝟬.𝟭',
    '127.0.0.1%20',
    '%31%32%37.0.0.1',
  ],
  ...[
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[::ffff:0:127.0.0.1]',
  ],
  ...['[64:ff9b::127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fe80::1%25lo]', '[::1%25lo]', '[0000::0001]'],
  ...[
    'localhost',
    'LOCALHOST',
    'localhost.',
    'LocalHost',
    'ｌｏｃａｌｈｏｓｔ',
    'loc%61lhost',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    'a.localhost',
  ],
];

const PUBLIC_ADDRESSES = [
  ...['1.1.1.1', '8.8.8.8', '9.9.9.9', '3.5.140.1', '11.0.0.1', '9.255.255.255', '126.255.255.255', '128.0.0.1'],
  ...['100.63.255.255', '100.128.0.1', '169.253.255.255', '169.255.0.1', '172.15.255.255', '172.32.0.1'],
  ...['192.167.255.255', '192.169.0.1', '191.255.255.255', '192.0.1.1', '198.17.255.255', '198.20.0.1', '198.51.99.1'],
  ...['198.51.101.1', '203.0.112.1', '203.0.114.1', '223.255.255.255', '44.1.2.3', '52.216.1.1', '104.16.99.1'],
  ...['140.82.121.34', '151.101.1.1', '185.199.108.153', '34.194.164.123', '54.236.113.205', '13.107.246.40'],
  ...['::ffff:8.8.8.8', '::ffff:808:808', '2606:4700::6810:6301', '2606:4700:4700::1111', '2001:4860:4860::8888'],
  ...['2600:1f18:2148:bc00::1', '2a04:4e42::347', '2a01:4f8::1', '2400:cb00::1', '2001:470::1', '2620:fe::fe'],
  ...['2a00:1450:4001:80b::200e', '2603:1030::1', '2c0f:fb50::1', '2800:3f0::1', '[2606:4700::1111]', '2003::1'],
  ...['2606:4700:0:0:0:0:0:1'],
];

describe('addresses', () => {
  const guard = new AddressGuard();

  test.each(FORBIDDEN_ADDRESSES)('%j is refused', (address) => {
    expect(guard.allows({ host: 'registry.example', port: 443, address })).toBe(false);
  });

  test.each(PUBLIC_ADDRESSES)('%j is let through', (address) => {
    expect(guard.allows({ host: 'registry.example', port: 443, address })).toBe(true);
  });

  test('the corpus is as large as it has to be', () => {
    expect(new Set([...FORBIDDEN_ADDRESSES, ...FORBIDDEN_HOSTS]).size).toBeGreaterThanOrEqual(150);
    expect(new Set(PUBLIC_ADDRESSES).size).toBeGreaterThanOrEqual(50);
  });
});

describe('hosts on their way to a socket', () => {
  let canary: Server;
  let port: number;
  let connections = 0;
  let agents: GuardedAgents;
  let transport: AxiosTransport;

  beforeAll(async () => {
    canary = createServer((_request, response) => response.end('inside'));
    canary.on('connection', () => {
      connections += 1;
    });
    // Unspecified, so that the spellings of 0.0.0.0 and ::1 would be connections too.
    await new Promise<void>((listening) => canary.listen(0, listening));
    port = (canary.address() as AddressInfo).port;
    agents = new GuardedAgents({
      guard: new AddressGuard(),
      resolver: new Resolver(systemLookup),
      deadlines: DEFAULT_DEADLINES,
    });
    transport = new AxiosTransport(agents, DEFAULT_DEADLINES, { now: () => 0 });
  });

  afterAll(async () => {
    agents.destroy();
    canary.closeAllConnections();
    await new Promise((closed) => canary.close(closed));
  });

  test.each(FORBIDDEN_HOSTS)('%j is never connected to', async (host) => {
    const text = `http://${host}:${port}/`;
    if (URL.canParse(text)) {
      const sending = transport.send({
        url: new URL(text),
        method: 'HEAD',
        headers: {},
        signal: AbortSignal.timeout(5_000),
      });
      await expect(sending).rejects.toMatchObject({ failureClass: expect.stringMatching(/^(blocked|dns)$/) });
    }
    // And past the URL parser, as the resolver of the system reads it.
    const raw = new Promise((resolve, reject) => {
      agents.http.createConnection({ host, port }, (error, socket) => (error ? reject(error) : resolve(socket)));
    });
    await expect(raw).rejects.toMatchObject({ failureClass: expect.stringMatching(/^(blocked|dns)$/) });
    expect(connections).toBe(0);
  });
});

describe('what the operator lets through', () => {
  const local = { host: 'registry.local', port: 5000, address: '10.1.2.3' };

  test.each([
    ['registry.local', local, true],
    ['registry.local', { ...local, port: 443 }, true],
    ['REGISTRY.local.', local, true],
    ['registry.local:5000', { ...local, host: 'Registry.Local.' }, true],
    ['registry.local:5000', { ...local, port: 5001 }, false],
    ['registry.local', { ...local, host: 'other.local' }, false],
    ['registry.local', { ...local, host: 'registry.local.evil.tld' }, false],
    ['10.0.0.0/8', local, true],
    ['10.0.0.0/8', { ...local, address: '::ffff:10.1.2.3' }, true],
    ['10.0.0.0/8', { ...local, address: '11.1.2.3' }, true],
    ['10.0.0.0/8', { ...local, address: '172.16.0.1' }, false],
    ['10.1.2.3', { ...local, host: '10.1.2.3' }, true],
    ['fd00::/8', { ...local, address: 'fd12::1' }, true],
    ['[fd12::1]:5000', { host: 'fd12::1', port: 5000, address: 'fd12::1' }, true],
    ['fd12::1', { host: '[fd12::1]', port: 443, address: 'fd12::1' }, true],
    ['[fd12::1]:5000', { host: 'fd12::1', port: 443, address: 'fd12::1' }, false],
  ])('%s and %j: %s', (entry, target, allowed) => {
    expect(new AddressGuard([entry]).allows(target)).toBe(allowed);
  });

  test.each(['', '10.0.0.0/99', 'http://registry.local', 'a b', 'host:port', 'host:123456', '*.local', 'a/b'])(
    '%j is no entry, and the message says so',
    (entry) => {
      expect(() => new AddressGuard([entry])).toThrow(RangeError);
    },
  );
});
