import { digestOf, MAX_MANIFEST_BYTES, OCI_MANIFEST } from '@breakwater/registry-core';
import {
  breakImage,
  buildImage,
  type Fault,
  type FaultUpstream,
  manifestFrom,
  movableClock,
  repositoryOf,
  startFaultUpstream,
  tagOf,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fetchManifest } from '../../src/manifests/fetch-manifest.js';
import { AddressGuard } from '../../src/upstream/address-guard.js';
import { DEFAULT_DEADLINES } from '../../src/upstream/deadlines.js';
import { GuardedAgents } from '../../src/upstream/guarded-agent.js';
import { Resolver, systemLookup } from '../../src/upstream/resolver.js';
import { RetryBudget } from '../../src/upstream/retry-budget.js';
import { AxiosTransport } from '../../src/upstream/transport.js';
import type { UpstreamClient } from '../../src/upstream/upstream-client.js';
import { closeQuietly, failureOf, nameOf, settingsFor, soon, testClient } from '../support/upstream-client.js';

const image = buildImage({ seed: 'registry', layers: [50_000] });
const layer = image.layers[0]?.digest ?? image.manifest.digest;
const app = nameOf('app');
const v1 = { kind: 'tag', tag: tagOf('v1') } as const;
const byDigest = { kind: 'digest', digest: image.manifest.digest } as const;

let upstream: FaultUpstream;
let client: UpstreamClient;

beforeEach(async () => {
  upstream = await startFaultUpstream();
  upstream.add('app', 'v1', image);
  client = testClient({ deadlines: { idleMs: 300 } });
});

afterEach(async () => {
  client.close();
  await closeQuietly(upstream);
});

const registry = () => client.registry(settingsFor(upstream.host));

describe('manifests', () => {
  test('by tag and by digest, with every type accepted and the rest of the headers by the list (S9)', async () => {
    expect(await registry().headManifest(app, v1, soon())).toEqual({ digest: image.manifest.digest, isMissing: false });
    expect(await registry().getManifest(app, byDigest, soon())).toEqual({
      bytes: image.manifest.bytes,
      contentType: OCI_MANIFEST,
      claimedDigest: image.manifest.digest,
    });
    for (const { headers } of upstream.requests) {
      expect(Object.keys(headers).sort()).toEqual([
        'accept',
        'accept-encoding',
        'connection',
        'host',
        'user-agent',
        'via',
      ]);
      expect(headers['accept-encoding']).toBe('identity');
      expect(headers.via).toMatch(/^1\.1 breakwater-[0-9a-f]{16}$/);
      expect(headers.accept).toContain('application/vnd.oci.image.index.v1+json');
      expect(headers.accept).toContain('application/vnd.docker.distribution.manifest.v2+json');
    }
  });

  test.each([400, 405, 501])('F50: HEAD that is refused with %d tells nothing', async (status) => {
    upstream.fault({ kind: 'head-refused', status });
    expect(await registry().headManifest(app, v1, soon())).toEqual({ digest: undefined, isMissing: false });
  });

  describe('F50: a host that does not answer HEAD', () => {
    const heads = () => upstream.count({ method: 'HEAD' });
    const other = buildImage({ seed: 'other organization' });

    test('is not asked so again for an hour, by no organization, and then once more', async () => {
      const clock = movableClock();
      client.close();
      client = testClient({ clock });
      upstream.fault({ kind: 'head-refused', status: 405 });
      upstream.add('other', 'v1', other);
      await registry().headManifest(app, v1, soon());
      await registry().getManifest(app, v1, soon());
      clock.advance({ minutes: 59 });
      const others = client.registry(
        settingsFor(upstream.host, { organization: repositoryOf('others/x').organization }),
      );
      expect(await others.headManifest(nameOf('other'), v1, soon())).toEqual({ digest: undefined, isMissing: false });
      expect(await registry().headBlob(app, layer, soon())).toBeUndefined();
      expect(heads()).toBe(1);
      clock.advance({ minutes: 1 });
      upstream.clearFaults();
      expect(await registry().headManifest(app, v1, soon())).toEqual({
        digest: image.manifest.digest,
        isMissing: false,
      });
      expect(heads()).toBe(2);
    });

    test('is another one than a host that does not answer this request at all', async () => {
      upstream.fault({ kind: 'status', status: 400 });
      for (let n = 0; n < 2; n += 1) {
        expect(await registry().headManifest(app, v1, soon())).toEqual({ digest: undefined, isMissing: false });
        expect(await failureOf(registry().getManifest(app, v1, soon()))).toMatchObject({ failureClass: 'protocol' });
      }
      expect(heads()).toBe(2);
    });

    test('has blobs whose size it does not tell', async () => {
      upstream.fault({ kind: 'head-refused', status: 405 });
      expect(await registry().headBlob(app, layer, soon())).toBeUndefined();
    });
  });

  test('F47: no digest header', async () => {
    upstream.fault({ kind: 'no-digest' });
    expect(await registry().headManifest(app, v1, soon())).toEqual({ digest: undefined, isMissing: false });
    expect((await fetchManifest(registry(), app, v1, soon())).digest).toBe(image.manifest.digest);
  });

  test('a digest header that is none is not there', async () => {
    upstream.fault({ kind: 'headers', headers: { 'Docker-Content-Digest': 'sha256:../../etc' } });
    expect(await registry().headManifest(app, v1, soon())).toEqual({ digest: undefined, isMissing: false });
  });

  test('of sha512', async () => {
    const digest = digestOf(image.manifest.bytes, 'sha512');
    upstream.fault({ kind: 'headers', headers: { 'Docker-Content-Digest': digest } });
    expect(await fetchManifest(registry(), app, v1, soon())).toMatchObject({ digest, mediaType: OCI_MANIFEST });
  });

  const kinds: readonly (readonly [string, Fault, string])[] = [
    ['F44: a captive portal', { kind: 'captive-portal' }, 'protocol'],
    ['F51: an encoding', { kind: 'content-encoding' }, 'protocol'],
    ['F54: 204', { kind: 'status', status: 204, body: '' }, 'protocol'],
    ['F54: 999', { kind: 'status', status: 999 }, 'server_error'],
    ['F55: 5 MiB', { kind: 'oversized', bytes: 5 * 1024 * 1024 }, 'protocol'],
    ['F55: an endless body', { kind: 'endless' }, 'protocol'],
    ['F64: a header bomb', { kind: 'header-bomb', count: 1_000, bytes: 64 * 1024 }, 'protocol'],
    ['no HTTP', { kind: 'raw', bytes: 'SSH-2.0-OpenSSH_9.2\r\n' }, 'protocol'],
    ['F46: an image', { kind: 'content-type', value: 'image/png' }, 'protocol'],
    ['F5: reset inside the headers', { kind: 'cut-headers', by: 'reset' }, 'connect'],
    ['F7: reset inside the body', { kind: 'cut-body', afterBytes: 10, by: 'reset' }, 'connect'],
    ['F10: too short', { kind: 'cut-body', afterBytes: 10, by: 'fin' }, 'connect'],
    ['a stall inside the body', { kind: 'cut-body', afterBytes: 10, by: 'stall' }, 'timeout'],
    [
      'F9: cut short, and nobody said how long',
      { kind: 'cut-body', afterBytes: 10, by: 'fin', framing: 'close' },
      'integrity',
    ],
    ['F49: other bytes', { kind: 'body', body: '{"schemaVersion":2}' }, 'integrity'],
    ['one bit', { kind: 'bit-flip' }, 'integrity'],
  ];

  test.each(kinds)('%s, by digest', async (_what, fault, failureClass) => {
    upstream.fault(fault);
    expect(await failureOf(fetchManifest(registry(), app, byDigest, soon()))).toMatchObject({ failureClass });
  });

  test.each(kinds)('%s, by tag', async (_what, fault, failureClass) => {
    upstream.fault(fault);
    expect(await failureOf(fetchManifest(registry(), app, v1, soon()))).toMatchObject({ failureClass });
  });

  test.each([
    'duplicate-keys',
    'case-variant-keys',
    'byte-order-mark',
    'utf-16',
    'truncated',
    'contradicting-media-type',
    'too-deep',
    'too-many-entries',
  ] as const)('F56, F58: %s is no manifest', async (how) => {
    upstream.move('app', 'v1', breakImage(image, how));
    expect(await failureOf(fetchManifest(registry(), app, v1, soon()))).toMatchObject({ failureClass: 'protocol' });
  });

  test('F46: a type that says nothing leaves it to the body', async () => {
    upstream.fault({ kind: 'content-type', value: 'text/plain; charset=utf-8' });
    expect((await fetchManifest(registry(), app, v1, soon())).mediaType).toBe(OCI_MANIFEST);
  });

  test('the largest one', async () => {
    const text = image.manifest.bytes.toString('utf8').padEnd(MAX_MANIFEST_BYTES, ' ');
    const large = manifestFrom(OCI_MANIFEST, Buffer.from(text));
    upstream.add('app', 'large', { ...image, manifest: large, manifests: [large] });
    const fetched = await fetchManifest(registry(), app, { kind: 'tag', tag: tagOf('large') }, soon());
    expect(fetched.bytes.byteLength).toBe(MAX_MANIFEST_BYTES);
  });

  test('S33: an operator may allow more, and then a byte above that is too much', async () => {
    const most = MAX_MANIFEST_BYTES + 1_000;
    for (const [tag, bytes] of [
      ['within', most],
      ['above', most + 1],
    ] as const) {
      const manifest = manifestFrom(
        OCI_MANIFEST,
        Buffer.from(image.manifest.bytes.toString('utf8').padEnd(bytes, ' ')),
      );
      upstream.add('app', tag, { ...image, manifest, manifests: [manifest] });
    }
    const allowing = testClient({ maxManifestBytes: most }).registry(settingsFor(upstream.host));
    const fetched = await fetchManifest(allowing, app, { kind: 'tag', tag: tagOf('within') }, soon());
    expect(fetched.bytes.byteLength).toBe(most);
    for (const [from, tag] of [
      [allowing, 'above'],
      [registry(), 'within'],
    ] as const) {
      const error = await failureOf(fetchManifest(from, app, { kind: 'tag', tag: tagOf(tag) }, soon()));
      expect(error).toMatchObject({ failureClass: 'protocol' });
    }
  });

  test('the deadline of the whole counts, also while bytes come', async () => {
    upstream.fault({ kind: 'drip', bytesPerSecond: 20 });
    const error = await failureOf(registry().getManifest(app, v1, soon(400)));
    expect(error).toMatchObject({ failureClass: 'timeout' });
  });
});

describe('what is not there', () => {
  test.each([
    ['a tag', () => upstream.remove('app', 'v1'), 'content'],
    ['a repository', () => upstream.remove('app'), 'repository'],
  ])('%s', async (_what, remove, unknown) => {
    remove();
    const error = await failureOf(registry().getManifest(app, v1, soon()));
    expect(error).toMatchObject({ failureClass: 'removed', upstreamStatus: 404, unknown });
    // A 404 to HEAD does not say what is not there, so it is left to GET.
    expect(await registry().headManifest(app, v1, soon())).toEqual({ digest: undefined, isMissing: true });
  });

  test('410', async () => {
    upstream.fault({ kind: 'status', status: 410 });
    expect(await failureOf(registry().getManifest(app, v1, soon()))).toMatchObject({
      failureClass: 'removed',
      upstreamStatus: 410,
    });
  });

  test('an endless page for it', async () => {
    upstream.fault({ kind: 'status', status: 404, body: 'x'.repeat(5_000_000) });
    expect(await failureOf(registry().getManifest(app, v1, soon()))).toMatchObject({ failureClass: 'removed' });
  });

  test('403', async () => {
    upstream.fault({ kind: 'status', status: 403 });
    expect(await failureOf(registry().getManifest(app, v1, soon()))).toMatchObject({
      failureClass: 'denied',
      upstreamStatus: 403,
    });
  });
});

describe('retries', () => {
  test.each([500, 502, 503, 504, 408])('%d that passes is not seen', async (status) => {
    upstream.fault({ kind: 'status', status }, { times: 2 });
    expect((await registry().getManifest(app, v1, soon())).bytes.equals(image.manifest.bytes)).toBe(true);
    expect(upstream.count()).toBe(3);
  });

  test('three attempts in all, and what Retry-After says is kept', async () => {
    upstream.fault({ kind: 'status', status: 503, headers: { 'Retry-After': '120' } });
    expect(await failureOf(registry().getManifest(app, v1, soon()))).toMatchObject({
      failureClass: 'server_error',
      upstreamStatus: 503,
      retryAfterMs: 120_000,
    });
    expect(upstream.count()).toBe(3);
  });

  test('a broken connection is tried again', async () => {
    upstream.fault({ kind: 'no-answer', by: 'reset' }, { times: 2 });
    await registry().getManifest(app, v1, soon());
    expect(upstream.count()).toBe(3);
  });

  test.each([400, 401, 403, 404, 416, 418, 451])('%d is not', async (status) => {
    upstream.fault({ kind: 'status', status });
    await failureOf(registry().getManifest(app, v1, soon()));
    expect(upstream.count()).toBe(1);
  });

  test('429 is not', async () => {
    upstream.fault({ kind: 'status', status: 429, headers: { 'Retry-After': '30' } });
    expect(await failureOf(registry().headManifest(app, v1, soon()))).toMatchObject({
      failureClass: 'rate_limited',
      upstreamStatus: 429,
      retryAfterMs: 30_000,
    });
    expect(upstream.count()).toBe(1);
  });

  test('no answer at all is given up with its deadline, and not tried again', async () => {
    upstream.fault({ kind: 'no-answer', by: 'stall' });
    expect(await failureOf(registry().getManifest(app, v1, soon(200)))).toMatchObject({ failureClass: 'timeout' });
    const hasty = testClient({ deadlines: { headersMs: 150 } });
    const getting = hasty.registry(settingsFor(upstream.host)).getManifest(app, v1, soon());
    expect(await failureOf(getting)).toMatchObject({ failureClass: 'timeout' });
    expect(upstream.count()).toBe(2);
    hasty.close();
  });

  test('P6: not more than the budget of the origin, however many requests fail', async () => {
    upstream.fault({ kind: 'status', status: 500 });
    const guard = new AddressGuard(['127.0.0.0/8']);
    const agents = new GuardedAgents({ guard, resolver: new Resolver(systemLookup), deadlines: DEFAULT_DEADLINES });
    const budget = new RetryBudget(() => 0);
    const transport = new AxiosTransport(agents, DEFAULT_DEADLINES, { now: () => 0 }, budget);
    const url = new URL('/v2/', upstream.origins.registry);
    const send = () => failureOf(transport.send({ url, method: 'GET', headers: {}, signal: soon(20_000) }));
    await Promise.all(Array.from({ length: 200 }, send));
    // Instead of four hundred retries a hundred, and one for each ten requests.
    expect(upstream.count()).toBe(200 + 100 + 20);
    agents.destroy();
  }, 30_000);

  test('bodies of errors do not fill the pool of sockets', async () => {
    upstream.fault({ kind: 'status', status: 500, body: 'x'.repeat(200_000) });
    const all = Array.from({ length: 100 }, () => failureOf(registry().getManifest(app, v1, soon(20_000))));
    expect(new Set((await Promise.all(all)).map((error) => error['failureClass']))).toEqual(new Set(['server_error']));
    upstream.clearFaults();
    await registry().getManifest(app, v1, soon());
  });
});

describe('blobs', () => {
  test('size and bytes', async () => {
    const bytes = image.blobs.get(layer) ?? Buffer.alloc(0);
    expect(await registry().headBlob(app, layer, soon())).toBe(bytes.byteLength);
    const blob = await registry().getBlob(app, layer, soon());
    expect(blob.size).toBe(bytes.byteLength);
    expect(Buffer.concat(await blob.body.toArray()).equals(bytes)).toBe(true);
  });

  test('an encoding is refused', async () => {
    upstream.fault({ kind: 'content-encoding' });
    expect(await failureOf(registry().getBlob(app, layer, soon()))).toMatchObject({ failureClass: 'protocol' });
    expect(await failureOf(registry().headBlob(app, layer, soon()))).toMatchObject({ failureClass: 'protocol' });
  });

  test('F43: one that is not there', async () => {
    upstream.remove('app', layer);
    expect(await failureOf(registry().getBlob(app, layer, soon()))).toMatchObject({ failureClass: 'removed' });
    expect(await failureOf(registry().headBlob(app, layer, soon()))).toMatchObject({ failureClass: 'removed' });
  });

  test('F74: a signature of the CDN that has expired is asked for anew, once', async () => {
    upstream.redirectBlobsTo();
    upstream.fault({ kind: 'status', status: 403 }, { match: { server: 'cdn' }, times: 1 });
    const blob = await registry().getBlob(app, layer, soon());
    expect(Buffer.concat(await blob.body.toArray()).byteLength).toBe(blob.size);
    expect([upstream.count({ server: 'registry' }), upstream.count({ server: 'cdn' })]).toEqual([2, 2]);
  });

  test('a CDN that denies for ever is an outage: the registry itself has let us in', async () => {
    upstream.redirectBlobsTo();
    upstream.fault({ kind: 'status', status: 403 }, { match: { server: 'cdn' } });
    const error = await failureOf(registry().getBlob(app, layer, soon()));
    expect(error).toMatchObject({ failureClass: 'server_error', upstreamStatus: 403 });
    expect(upstream.count({ server: 'cdn' })).toBe(2);
  });
});

describe('tags', () => {
  beforeEach(() => {
    for (const tag of ['a', 'b', 'c']) upstream.add('app', tag, image);
  });

  test('page by page', async () => {
    const pages: unknown[] = [];
    for (let last: string | undefined, more = true; more; more = last !== undefined) {
      const page = await registry().listTags(app, { limit: 3, last }, soon());
      pages.push(page.tags);
      last = page.next;
    }
    expect(pages).toEqual([['a', 'b', 'c'], ['v1']]);
  });

  test.each<readonly [string, Fault, string]>([
    ['HTML', { kind: 'captive-portal' }, 'protocol'],
    ['no list', { kind: 'body', body: '{"tags":"a"}' }, 'protocol'],
    ['numbers', { kind: 'body', body: '{"tags":[1]}' }, 'protocol'],
    ['nothing', { kind: 'body', body: 'null' }, 'protocol'],
    ['too much', { kind: 'oversized', bytes: 5_000_000 }, 'protocol'],
    ['cut', { kind: 'cut-body', afterBytes: 5, by: 'reset' }, 'connect'],
    ['404', { kind: 'status', status: 404 }, 'removed'],
  ])('%s is no list', async (_what, fault, failureClass) => {
    upstream.fault(fault);
    const listing = registry().listTags(app, { limit: undefined, last: undefined }, soon());
    expect(await failureOf(listing)).toMatchObject({ failureClass });
  });

  test('a repository without tags', async () => {
    upstream.fault({ kind: 'body', body: '{"name":"app","tags":null}' });
    expect(await registry().listTags(app, { limit: undefined, last: undefined }, soon())).toEqual({
      tags: [],
      next: undefined,
    });
  });
});
