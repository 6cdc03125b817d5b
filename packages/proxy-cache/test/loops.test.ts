import { buildImage, type FaultUpstream, repositoryOf } from '@breakwater/test-kit';
import { beforeEach, expect, test } from '@jest/globals';
import { errorOf, type TestCache } from './support/cluster.js';
import { settingsFor } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

// F66: upstreams that lead back to where the request came from.

const image = buildImage({ seed: 'loops' });
const layer = image.layers[0]?.digest ?? image.manifest.digest;
const hop = (n: number) => `1.1 breakwater-${String(n).padStart(16, '0')}`;
const through = (count: number) => Array.from({ length: count }, (_, n) => hop(n)).join(', ');

const cluster = useCluster();
let upstream: FaultUpstream;
let a: TestCache;
let b: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream(image);
  [a, b] = [await cluster.startCache(), await cluster.startCache()];
});

/** Makes an organization whose upstream is an organization of a cache. */
function leadTo(cache: TestCache, target: string, organization: string): void {
  const host = new URL(cache.base).host;
  cluster.configure(settingsFor(`${host}/${target}`, { organization: repositoryOf(`${organization}/x`).organization }));
}

const asked = (cache: TestCache) => cache.told('upstream-request').length;

test.each(['manifests/v1', `manifests/${image.manifest.digest}`, `blobs/${layer}`])(
  'an organization that is its own upstream is 503 and is asked nothing twice: %s',
  async (what) => {
    leadTo(a, 'self', 'self');
    const answer = await a.get(`/v2/self/app/${what}`);
    expect(answer.status).toBe(503);
    expect(asked(a)).toBe(1);
    const inner = a.told('passed-error').filter(({ failureClass }) => failureClass === 'protocol');
    expect(inner.length).toBeGreaterThan(0);
  },
);

test.each(['manifests/v1', `manifests/${image.manifest.digest}`, `blobs/${layer}`])(
  'two registries that lead to each other notice it: %s',
  async (what) => {
    leadTo(b, 'back', 'there');
    leadTo(a, 'there', 'back');
    const answer = await a.get(`/v2/there/app/${what}`);
    expect(answer.status).toBe(503);
    // The one that began is asked again, and asks nobody.
    expect(asked(a)).toBe(1);
    expect(a.told('passed-error').some(({ failureClass }) => failureClass === 'protocol')).toBe(true);
  },
);

test('a chain of registries is none as long as it is short, and each one says that it is in it', async () => {
  cluster.proxy();
  for (const what of ['manifests/v1', `blobs/${layer}`]) {
    const refused = await a.get(`/v2/acme/app/${what}`, { headers: { via: through(6) } });
    expect([refused.status, errorOf(refused).detail]).toMatchObject([503, { reason: 'protocol' }]);
    expect([upstream.count(), asked(a)]).toEqual([0, 0]);
  }
  for (const what of ['manifests/v1', `blobs/${layer}`]) {
    upstream.reset();
    const answer = await a.get(`/v2/acme/app/${what}`, { headers: { via: `${through(5)}, 1.1 nginx (canary)` } });
    expect(answer.status).toBe(200);
    expect(upstream.count()).toBeGreaterThan(0);
    for (const { headers } of upstream.requests) {
      expect(headers.via?.startsWith(`${through(5)}, 1.1 breakwater-`)).toBe(true);
      expect(headers.via).not.toMatch(/nginx|canary/);
    }
  }
});

test('what is cached is no answer to a request that came round, and one to everybody else', async () => {
  cluster.proxy();
  expect((await a.get('/v2/acme/app/manifests/v1')).status).toBe(200);
  const via = String(upstream.requests[0]?.headers.via);
  expect((await a.get('/v2/acme/app/manifests/v1', { headers: { via } })).status).toBe(503);
  expect((await b.get('/v2/acme/app/manifests/v1', { headers: { via } })).status).toBe(200);
  expect((await a.get('/v2/acme/app/manifests/v1', { headers: { via: '1.1 nginx' } })).status).toBe(200);
});
