import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage, startFaultUpstream, startTestRegistry } from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { hashedGet } from './support/hashing-client.js';
import { manyColdPulls } from './support/many-cold-pulls.js';

const MIB = 1024 * 1024;
/** The size of the large blob; `npm run test:cold` sets it to 1024. */
const BLOB_MIB = Number(process.env['BREAKWATER_TEST_BLOB_MIB'] ?? 256);

describe('a thousand clients', () => {
  const image = buildImage({ seed: 'a thousand', layers: [4 * MIB, 300_000, 1_000] });

  test.each([
    ['cold pulls of one image are one GET for each object, and a thousand good images', false],
    ['and so they are when the first client leaves half way', true],
  ])('%s', async (_what, leaver) => {
    const { problems, gets } = await manyColdPulls(image, 1_000, leaver);
    expect(problems).toEqual({ count: 0, some: [] });
    expect(Object.keys(gets)).toEqual(expect.arrayContaining([...image.blobs.keys()]));
    expect(Object.values(gets).filter((count) => count !== 1)).toEqual([]);
  });
});

test('a large blob comes whole over an upstream that breaks off every 64 MiB, stalls once and moves its content once', async () => {
  const size = BLOB_MIB * MIB;
  const image = buildImage({ seed: 'large', layers: [size] });
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('the image has a layer');
  await using upstream = await startFaultUpstream();
  await using other = await startFaultUpstream();
  for (const each of [upstream, other]) each.add('app', 'v1', image);
  await using registry = await startTestRegistry({ deadlines: { idleMs: 2_000 } });
  const organization = await registry.proxyOrganization({ upstream_registry: upstream.host });

  const atFirst = upstream.redirectBlobsTo();
  const content = { match: { kind: 'blob', server: 'cdn' } } as const;
  upstream.fault({ kind: 'cut-body', afterBytes: 64 * MIB, by: 'stall' }, { ...content, times: 1 });
  for (const each of [upstream, other]) each.fault({ kind: 'cut-body', afterBytes: 64 * MIB, by: 'reset' }, content);
  const answer = hashedGet(`${registry.url}/v2/${organization}/app/blobs/${layer.digest}`);
  while (upstream.count({ server: 'cdn' }) < 2) await sleep(10);
  atFirst.clear();
  upstream.redirectBlobsTo(other.origins.cdn);

  expect(await answer).toEqual({
    status: 200,
    bytes: layer.size,
    sha256: layer.digest.slice('sha256:'.length),
    cut: false,
  });
  const gets = [...upstream.requests, ...other.requests].filter(
    ({ server, method }) => server === 'cdn' && method === 'GET',
  );
  expect(gets.length).toBeGreaterThanOrEqual(Math.ceil(layer.size / (64 * MIB)));
  expect(other.count({ server: 'cdn' })).toBeGreaterThan(0);
  const sentBytes = upstream.sentBytes + other.sentBytes;
  expect(sentBytes).toBeGreaterThan(layer.size);
  expect(sentBytes).toBeLessThan(1.1 * layer.size);
}, 600_000);
