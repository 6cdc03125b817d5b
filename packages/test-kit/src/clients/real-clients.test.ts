import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildImage, buildIndex } from '../images/image-builder.js';
import { describeWith } from '../needs.js';
import { startFaultProxy } from '../upstream/fault-proxy.js';
import { startFaultUpstream } from '../upstream/fault-upstream.js';
import { type DockerRegistry, startDockerRegistry } from './docker-registry.js';
import { rawGet } from './raw-client.js';
import { pullImage } from './raw-pull.js';
import { skopeoCopy, skopeoPush } from './skopeo.js';
import { dockerRegistryTool, skopeoTool } from './tools.js';

describeWith(skopeoTool())('skopeo and the fault upstream', () => {
  test.each(['oci', 'docker'] as const)(
    'skopeo takes our %s images for real, and they are the same',
    async (mediaTypes) => {
      await using upstream = await startFaultUpstream({ auth: { kind: 'bearer' } });
      const image = buildImage({ seed: 'skopeo', layers: 3, mediaTypes });
      const index = buildIndex(
        [image, buildImage({ seed: 'arm', mediaTypes, platform: { os: 'linux', architecture: 'arm64' } })],
        { mediaTypes },
      );
      upstream.add('org/app', 'one', image);
      upstream.add('org/app', 'all', index);
      await using one = await skopeoCopy({ from: `docker://${upstream.host}/org/app:one` });
      expect(one).toMatchObject({ exitCode: 0 });
      expect(one.differencesFrom(image)).toEqual([]);
      await using chosen = await skopeoCopy({ from: `docker://${upstream.host}/org/app:all` });
      expect(chosen.differencesFrom(image)).toEqual([]);
      await using all = await skopeoCopy({ from: `docker://${upstream.host}/org/app:all`, all: true });
      expect(all.differencesFrom(index)).toEqual([]);
    },
  );

  test('a pull that fails says so, and its directory goes', async () => {
    await using upstream = await startFaultUpstream();
    const image = buildImage({ seed: 'corrupt' });
    upstream.add('org/app', 'v1', image);
    upstream.fault({ kind: 'bit-flip' }, { match: { kind: 'blob' } });
    let directory: string;
    {
      await using copy = await skopeoCopy({ from: `docker://${upstream.host}/org/app:v1` });
      directory = copy.directory;
      expect(copy.exitCode).toBe(1);
      expect(copy.stderr).toMatch(/digest|match/i);
      expect(copy.differencesFrom(image)).not.toEqual([]);
    }
    expect(existsSync(directory)).toBe(false);
  });

  test('credentials', async () => {
    await using upstream = await startFaultUpstream({ auth: { kind: 'bearer', username: 'me', password: 'secret' } });
    upstream.add('org/app', 'v1', buildImage({ seed: 'private' }));
    const from = `docker://${upstream.host}/org/app:v1`;
    await using refused = await skopeoCopy({ from });
    await using wrong = await skopeoCopy({ from, creds: 'me:wrong' });
    await using right = await skopeoCopy({ from, creds: 'me:secret' });
    expect([refused.exitCode, wrong.exitCode, right.exitCode]).toEqual([1, 1, 0]);
  });
});

describeWith(skopeoTool(), dockerRegistryTool())('a real registry', () => {
  const image = buildImage({ seed: 'real', layers: [1000, 50_000] });
  let registry: DockerRegistry;

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const pushed = await skopeoPush({ image, to: `docker://${registry.host}/org/app:v1` });
    expect(pushed).toMatchObject({ exitCode: 0 });
  });

  afterAll(() => registry.stop());

  test('holds what was pushed, byte for byte', async () => {
    expect((await pullImage(registry.origin, 'org/app', 'v1')).problems).toEqual([]);
    await using copy = await skopeoCopy({ from: `docker://${registry.host}/org/app:v1` });
    expect(copy.differencesFrom(image)).toEqual([]);
  });

  test('takes an index', async () => {
    const index = buildIndex([image, buildImage({ seed: 'arm', platform: { os: 'linux', architecture: 'arm64' } })]);
    expect(await skopeoPush({ image: index, to: `docker://${registry.host}/org/app:all` })).toMatchObject({
      exitCode: 0,
    });
    const pull = await pullImage(registry.origin, 'org/app', 'all');
    expect([pull.problems, pull.manifests.size]).toEqual([[], 3]);
  });

  test('dies, and comes back on the same port with its data', async () => {
    await registry.kill();
    expect(registry.pid).toBeUndefined();
    await expect(rawGet(registry.origin)).rejects.toHaveProperty('code', 'ECONNREFUSED');
    await registry.start();
    expect((await pullImage(registry.origin, 'org/app', 'v1')).problems).toEqual([]);
  });

  test('freezes: accepts and does not answer', async () => {
    registry.freeze();
    await expect(rawGet(`${registry.origin}/v2/`, { timeoutMs: 300 })).rejects.toHaveProperty('code', 'RAW_TIMEOUT');
    registry.thaw();
    expect((await rawGet(`${registry.origin}/v2/`)).status).toBe(200);
  });

  test('can be made to fail from outside', async () => {
    await using proxy = await startFaultProxy({ target: registry.origin });
    expect((await pullImage(proxy.origin, 'org/app', 'v1')).problems).toEqual([]);
    proxy.fault({ kind: 'status', status: 503 }, { match: { kind: 'manifest' } });
    await using copy = await skopeoCopy({ from: `docker://${proxy.host}/org/app:v1` });
    expect(copy.exitCode).toBe(1);
    expect(copy.stderr).toContain('503');
  });

  test('is a pull-through cache of another', async () => {
    await using cache = await startDockerRegistry({ proxyOf: registry.origin });
    expect((await pullImage(cache.origin, 'org/app', 'v1')).problems).toEqual([]);
  });
});

describeWith(dockerRegistryTool())('startDockerRegistry', () => {
  test('says why it did not start', async () => {
    await using upstream = await startFaultUpstream();
    upstream.fault({ kind: 'status', status: 500 });
    await expect(startDockerRegistry({ port: upstream.port })).rejects.toThrow('address already in use');
  });
});
