import { appendFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf, OCI_INDEX, OCI_MANIFEST } from '@breakwater/registry-core';
import {
  buildImage,
  buildIndex,
  manifestOf,
  movableClock,
  type PushTarget,
  pullImage,
  pushBlob,
  pushImage,
  pushManifest,
  registryState,
  startFaultUpstream,
  startTestRegistry,
  type TestRegistry,
  writeRequest,
} from '@breakwater/test-kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// Hosted organizations: everything that writes. The conformance pack goes through the spec's clauses; here is what the
// spec does not say, and what happens beside the straight way.

let breakwater: TestRegistry;
let organization: string;
let repositories = 0;

beforeAll(async () => {
  breakwater = await startTestRegistry();
  organization = await breakwater.hostedOrganization();
});
afterAll(() => breakwater.close());

function repository(of = organization): PushTarget {
  repositories += 1;
  return { url: breakwater.url, name: `${of}/team/app${repositories}`, authorization: breakwater.authorization };
}

async function begin(target: PushTarget): Promise<string> {
  const begun = await writeRequest(target, 'POST', `/v2/${target.name}/blobs/uploads/`);
  expect(begun.status).toBe(202);
  return begun.headers.get('location') ?? '';
}

const patch = (target: PushTarget, location: string, body: string, range?: string) =>
  writeRequest(target, 'PATCH', location, {
    headers: range === undefined ? {} : { 'content-range': range },
    body: Buffer.from(body),
  });

const uploadFiles = (directory: string) => readdir(join(directory, 'storage', 'uploads')).catch(() => []);

/** Tries for as long as something that goes on in the background may take. */
async function eventually(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    if (await what()) return;
    await sleep(20);
  }
  throw new Error('it never came to be');
}

describe('images', () => {
  test('an index with its images can be pulled as it was pushed', async () => {
    const target = repository();
    const index = buildIndex([
      buildImage({ seed: 1 }),
      buildImage({ seed: 2, platform: { os: 'linux', architecture: 'arm64' } }),
    ]);
    await pushImage(target, 'v1', index);
    const pulled = await pullImage(target.url, target.name, 'v1', {
      headers: { authorization: breakwater.authorization },
    });
    expect(pulled.problems).toEqual([]);
    expect(pulled.manifests.size).toBe(3);
  });

  test('an image whose layers are not there is refused, and says which', async () => {
    const target = repository();
    const image = buildImage({ seed: 'missing' });
    const answer = await pushManifest(target, 'v1', image.manifest);
    expect([answer.status, answer.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
    expect(answer.text).toContain(image.config.digest);
  });

  test('layers that nobody may push are not asked for', async () => {
    const target = repository();
    const image = buildImage({ seed: 'foreign', foreignLayerUrls: ['https://example.com/layer'] });
    await pushImage(target, 'v1', image);
  });

  test('an index whose images are elsewhere is taken, with a warning', async () => {
    const target = repository();
    const index = buildIndex([buildImage({ seed: 'elsewhere' })]);
    const answer = await pushManifest(target, 'v1', index.manifest);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('warning')).toMatch(/^299 - "1 of the manifests/);
  });

  test('one push can set many tags', async () => {
    const target = repository();
    const manifest = manifestOf(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
    const tags = Array.from({ length: 10 }, (_, number) => `v${number}`);
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const answer = await pushManifest(target, `${manifest.digest}?${query}`, manifest);
    expect(answer.headers.get('oci-tag')?.split(', ')).toEqual(tags);
    const list = await writeRequest(target, 'GET', `/v2/${target.name}/tags/list`);
    expect(JSON.parse(list.text).tags).toEqual(tags);
  });

  test('a digest that is not the one of the bytes, two types at once, and a manifest above the limit are refused', async () => {
    const target = repository();
    const manifest = manifestOf(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
    expect((await pushManifest(target, digestOf(Buffer.from('other')), manifest)).code).toBe('DIGEST_INVALID');
    expect((await pushManifest(target, 'v1', { ...manifest, mediaType: OCI_MANIFEST })).code).toBe('MANIFEST_INVALID');
    const large = { ...manifest, bytes: Buffer.alloc(4 * 1024 * 1024 + 1, 32) };
    expect((await pushManifest(target, 'v1', large)).status).toBe(413);
  });

  test('an organization that nobody made cannot be pushed to', async () => {
    const answer = await pushBlob({ ...repository(), name: 'nobody/app' }, Buffer.from('x'));
    expect([answer.status, answer.code]).toEqual([404, 'NAME_UNKNOWN']);
  });

  test('a proxy organization cannot be pushed to', async () => {
    await using upstream = await startFaultUpstream();
    const proxied = await breakwater.proxyOrganization({ upstream_registry: upstream.host });
    const target = { ...repository(), name: `${proxied}/team/app` };
    const digest = digestOf(Buffer.from('x'));
    for (const [method, path] of [
      ['POST', 'blobs/uploads/'],
      ['PATCH', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
      ['PUT', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
      ['PUT', 'manifests/v1'],
      ['DELETE', 'manifests/v1'],
      ['DELETE', `manifests/${digest}`],
      ['DELETE', `blobs/${digest}`],
    ] as const) {
      const answer = await writeRequest(target, method, `/v2/${target.name}/${path}`);
      expect([method, path, answer.status, answer.code]).toEqual([method, path, 405, 'UNSUPPORTED']);
    }
    expect(upstream.count()).toBe(0);
  });
});

describe('uploads', () => {
  test('go on after a restart where they were', async () => {
    await using state = await registryState();
    const before = await startTestRegistry({ on: state });
    const name = `${await before.hostedOrganization()}/app`;
    const target = (registry: TestRegistry) => ({ url: registry.url, name, authorization: registry.authorization });
    const location = await begin(target(before));
    expect((await patch(target(before), location, 'hello ')).headers.get('range')).toBe('0-5');
    await before.close();

    await using after = await startTestRegistry({ on: state });
    const there = await writeRequest(target(after), 'GET', location);
    expect([there.status, there.headers.get('range')]).toEqual([204, '0-5']);
    expect((await patch(target(after), location, 'world', '6-10')).status).toBe(202);
    const digest = digestOf(Buffer.from('hello world'));
    expect((await writeRequest(target(after), 'PUT', `${location}?digest=${digest}`)).status).toBe(201);
    expect((await writeRequest(target(after), 'GET', `/v2/${name}/blobs/${digest}`)).text).toBe('hello world');
    expect(await uploadFiles(state.directory)).toEqual([]);
  });

  test('what arrived before the connection broke counts', async () => {
    const target = repository();
    const location = await begin(target);
    const aborted = new AbortController();
    const sending = fetch(new URL(location, target.url), {
      method: 'PATCH',
      headers: { authorization: breakwater.authorization },
      signal: aborted.signal,
      duplex: 'half',
      body: new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('half of it')),
      }),
    } as RequestInit).catch(() => 'aborted');
    const file = join(breakwater.state.directory, 'storage', 'uploads', location.split('/').at(-1) ?? '');
    await eventually(async () => (await stat(file).catch(() => undefined))?.size === 10);
    const other = await patch(target, location, 'x', '10-10');
    expect([other.status, other.text]).toEqual([416, expect.stringContaining('another request is writing')]);
    aborted.abort();
    expect(await sending).toBe('aborted');
    await eventually(async () => (await writeRequest(target, 'GET', location)).headers.get('range') === '0-9');
    expect((await patch(target, location, 's', '10-10')).status).toBe(202);
  });

  test('bytes that a killed process wrote beyond those that count are not taken', async () => {
    const target = repository();
    const location = await begin(target);
    await patch(target, location, 'abc');
    const id = location.split('/').at(-1) ?? '';
    await appendFile(join(breakwater.state.directory, 'storage', 'uploads', id), 'debris');
    await patch(target, location, 'def');
    const digest = digestOf(Buffer.from('abcdef'));
    expect((await writeRequest(target, 'PUT', `${location}?digest=${digest}`)).status).toBe(201);
  });

  test('one that ends with other bytes than were promised is gone, and nothing is stored', async () => {
    const target = repository();
    const digest = digestOf(Buffer.from('promised'));
    const location = await begin(target);
    const answer = await writeRequest(target, 'PUT', `${location}?digest=${digest}`, { body: 'others' });
    expect([answer.status, answer.code]).toEqual([400, 'DIGEST_INVALID']);
    expect((await writeRequest(target, 'GET', location)).code).toBe('BLOB_UPLOAD_UNKNOWN');
    expect((await writeRequest(target, 'GET', `/v2/${target.name}/blobs/${digest}`)).status).toBe(404);
  });

  test('an upload is known in its own repository only', async () => {
    const target = repository();
    const id = (await begin(target)).split('/').at(-1);
    const other = repository();
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await writeRequest(other, method, `/v2/${other.name}/blobs/uploads/${id}`);
      expect([answer.status, answer.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    }
  });

  test('stale ones are dropped, with their files', async () => {
    const clock = movableClock(Date.now());
    await using state = await registryState();
    const before = await startTestRegistry({ on: state, clock });
    const name = `${await before.hostedOrganization()}/app`;
    const target = { url: before.url, name, authorization: before.authorization };
    await patch(target, await begin(target), 'never finished');
    expect((await uploadFiles(state.directory)).length).toBe(1);
    await before.close();
    clock.advance({ hours: 25 });
    await using after = await startTestRegistry({ on: state, clock });
    await after.registry.gc.runOnce();
    expect(await uploadFiles(state.directory)).toEqual([]);
  });
});

describe('mounts', () => {
  test('a blob of another repository is mounted, named or not; another organization is not asked unless it is named', async () => {
    const source = repository();
    const bytes = Buffer.from('shared');
    const digest = digestOf(bytes);
    await pushBlob(source, bytes);
    const mount = (target: PushTarget, query: string) =>
      writeRequest(target, 'POST', `/v2/${target.name}/blobs/uploads/?mount=${digest}${query}`);

    expect((await mount(repository(), `&from=${source.name}`)).status).toBe(201);
    const target = repository();
    expect((await mount(target, '')).status).toBe(201);
    expect((await writeRequest(target, 'GET', `/v2/${target.name}/blobs/${digest}`)).text).toBe('shared');
    expect((await mount(repository(), '&from=nobody/nothing')).status).toBe(202);
    const elsewhere = await breakwater.hostedOrganization();
    expect((await mount(repository(elsewhere), '')).status).toBe(202);
    expect((await mount(repository(elsewhere), `&from=${source.name}`)).status).toBe(201);
  });
});

describe('removal', () => {
  test('a tag goes alone, a manifest with its tags, a blob at once', async () => {
    const target = repository();
    const image = buildImage({ seed: 'removed' });
    await pushImage(target, 'v1', image);
    await pushManifest(target, 'v2', image.manifest);
    const gone = async (path: string) =>
      (await writeRequest(target, 'HEAD', `/v2/${target.name}/${path}`)).status === 404;

    expect((await writeRequest(target, 'DELETE', `/v2/${target.name}/manifests/v1`)).status).toBe(202);
    expect(await gone('manifests/v1')).toBe(true);
    expect(await gone('manifests/v2')).toBe(false);
    const blob = [...image.blobs.keys()][0] ?? '';
    expect(await gone(`blobs/${blob}`)).toBe(false);
    expect((await writeRequest(target, 'DELETE', `/v2/${target.name}/blobs/${blob}`)).status).toBe(202);
    expect(await gone(`blobs/${blob}`)).toBe(true);
    const { digest } = image.manifest;
    expect((await writeRequest(target, 'DELETE', `/v2/${target.name}/manifests/${digest}`)).status).toBe(202);
    expect([await gone('manifests/v2'), await gone(`manifests/${digest}`)]).toEqual([true, true]);
    expect((await writeRequest(target, 'DELETE', `/v2/${target.name}/manifests/${digest}`)).code).toBe(
      'MANIFEST_UNKNOWN',
    );
  });
});

describe('conditions (RFC 9110, 13.1)', () => {
  const index = (seed: string) =>
    manifestOf(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: { seed } });
  const put = (target: PushTarget, reference: string, seed: string, headers: Readonly<Record<string, string>>) => {
    const { mediaType, bytes } = index(seed);
    const path = `/v2/${target.name}/manifests/${reference}`;
    return writeRequest(target, 'PUT', path, { headers: { 'content-type': mediaType, ...headers }, body: bytes });
  };
  const remove = (target: PushTarget, reference: string, headers: Readonly<Record<string, string>>) =>
    writeRequest(target, 'DELETE', `/v2/${target.name}/manifests/${reference}`, { headers });
  const etag = (seed: string) => `"${index(seed).digest}"`;

  test('a tag is pushed only while it is what the pusher takes it for', async () => {
    const target = repository();
    const statuses = async (...given: readonly (readonly [string, Readonly<Record<string, string>>])[]) => {
      const found = [];
      for (const [seed, headers] of given) found.push((await put(target, 'v1', seed, headers)).status);
      return found;
    };
    expect(await statuses(['a', { 'if-match': '*' }], ['a', { 'if-match': etag('a') }])).toEqual([412, 412]);
    expect(await statuses(['a', { 'if-none-match': '*' }], ['b', { 'if-none-match': '*' }])).toEqual([201, 412]);
    expect(await statuses(['b', { 'if-match': etag('b') }], ['b', { 'if-match': `W/${etag('a')}` }])).toEqual([
      412, 412,
    ]);
    expect(await statuses(['b', { 'if-match': `"x", ${etag('a')}` }], ['c', { 'if-match': '*' }])).toEqual([201, 201]);
    expect(await statuses(['d', { 'if-none-match': etag('c') }])).toEqual([400]);
    const refused = await put(target, 'v1', 'd', { 'if-match': etag('a') });
    expect([refused.code, JSON.parse(refused.text).errors[0].detail]).toEqual(['DENIED', { reason: 'precondition' }]);
    const now = await writeRequest(target, 'HEAD', `/v2/${target.name}/manifests/v1`);
    expect(now.headers.get('etag')).toBe(etag('c'));
    expect((await remove(target, 'v1', { 'if-match': etag('a') })).status).toBe(412);
    expect((await remove(target, 'v1', { 'if-match': etag('c') })).status).toBe(202);
    expect((await remove(target, 'v1', { 'if-match': etag('c') })).status).toBe(404);
  });

  test('of many pushers that take it for the same, one is right', async () => {
    const target = repository();
    await put(target, 'v1', 'first', {});
    const seeds = Array.from({ length: 8 }, (_, at) => `pusher ${at}`);
    const race = async (headers: Readonly<Record<string, string>>, reference: string) =>
      (await Promise.all(seeds.map((seed) => put(target, reference, seed, headers))))
        .map(({ status }) => status)
        .sort();
    expect(await race({ 'if-match': etag('first') }, 'v1')).toEqual([201, ...Array(7).fill(412)]);
    expect(await race({ 'if-none-match': '*' }, 'new')).toEqual([201, ...Array(7).fill(412)]);
  });

  test('a manifest by its digest is there or not', async () => {
    const target = repository();
    const { digest } = index('a');
    expect((await put(target, digest, 'a', { 'if-match': '*' })).status).toBe(412);
    expect((await put(target, digest, 'a', { 'if-none-match': '*' })).status).toBe(201);
    expect((await put(target, digest, 'a', { 'if-none-match': '*' })).status).toBe(412);
    expect((await put(target, digest, 'a', { 'if-match': etag('a') })).status).toBe(201);
    expect((await remove(target, digest, { 'if-match': etag('b') })).status).toBe(412);
    expect((await remove(target, digest, { 'if-match': etag('a') })).status).toBe(202);
  });
});

describe('referrers', () => {
  test('are listed page by page, by type, and stay as long as their subject', async () => {
    const clock = movableClock(Date.now());
    await using registry = await startTestRegistry({ clock });
    const name = `${await registry.hostedOrganization()}/app`;
    const target = { url: registry.url, name, authorization: registry.authorization };
    const image = buildImage({ seed: 'subject' });
    await pushImage(target, 'v1', image);
    const subject = { mediaType: OCI_MANIFEST, digest: image.manifest.digest, size: image.manifest.bytes.byteLength };
    const pushed = new Set<string>();
    for (let number = 0; number < 105; number += 1) {
      const artifactType = `application/x.${number < 5 ? 'few' : 'many'}`;
      const body = { schemaVersion: 2, mediaType: OCI_INDEX, artifactType, manifests: [], subject };
      const manifest = manifestOf(OCI_INDEX, { ...body, annotations: { number: String(number) } });
      const answer = await pushManifest(target, manifest.digest, manifest);
      expect(answer.headers.get('oci-subject')).toBe(subject.digest);
      pushed.add(manifest.digest);
    }
    const listed = async (query: string) => {
      const found: { readonly digest: string; readonly annotations: unknown }[] = [];
      let pages = 0;
      let path: string | undefined = `/v2/${name}/referrers/${subject.digest}${query}`;
      for (; path !== undefined; pages += 1) {
        const answer = await writeRequest(target, 'GET', path);
        expect(answer.headers.get('content-type')).toBe(OCI_INDEX);
        expect(answer.headers.get('oci-filters-applied')).toBe(query === '' ? null : 'artifactType');
        found.push(...JSON.parse(answer.text).manifests);
        path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      }
      return { pages, found };
    };
    const all = await listed('');
    expect(all.pages).toBe(2);
    expect(new Set(all.found.map(({ digest }) => digest))).toEqual(pushed);
    const few = await listed('?artifactType=application/x.few');
    expect(few.found.map(({ annotations }) => annotations)).toEqual(
      expect.arrayContaining([{ number: '0' }, { number: '4' }]),
    );
    expect(few.found.length).toBe(5);
    expect((await listed('?artifactType=application/x.none')).found).toEqual([]);

    clock.advance({ hours: 2 });
    await registry.registry.gc.runOnce();
    expect((await listed('')).found.length).toBe(105);
    await writeRequest(target, 'DELETE', `/v2/${name}/manifests/${subject.digest}`);
    await registry.registry.gc.runOnce();
    expect((await listed('')).found).toEqual([]);
  });
});
