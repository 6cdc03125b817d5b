import {
  type Digest,
  digestHex,
  digestOf,
  OCI_INDEX,
  OCI_MANIFEST,
  type ProxyCacheSettings,
} from '@breakwater/registry-core';
import {
  type BuiltContent,
  buildImage,
  type FaultUpstream,
  manifestOf,
  type RawAnswer,
  startFaultUpstream,
} from '@breakwater/test-kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CachedListings } from '../src/listings/cached-listings.js';
import { CachedListingTable } from '../src/postgres/cached-listing-table.js';
import { errorOf, type TestCache, until } from './support/cluster.js';
import { nameOf, ORGANIZATION, settingsFor } from './support/upstream-client.js';
import { useCluster } from './support/use-cluster.js';

// Lists of tags and of referrers: whole pages as the upstream gave them, in an outage as well, or none.

const image = buildImage({ seed: 'listings' });
const subject = image.manifest.digest;
const SBOM = 'application/spdx+json';
const SIGNATURE = 'application/vnd.example.signature';
const TAGS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const list = '/v2/acme/app/tags/list';
const referrers = `/v2/acme/app/referrers/${subject}`;

const cluster = useCluster();
let upstream: FaultUpstream;
let cache: TestCache;

beforeEach(async () => {
  upstream = await cluster.startUpstream();
  for (const tag of TAGS) upstream.add('app', tag, image);
  configure();
  cache = await cluster.startCache();
});
afterEach(async () => {
  await cluster.database.knex('cached_listing').delete();
});

/** A day of staleness and an hour between checks, but for the changes. */
function configure(changes: Partial<ProxyCacheSettings> = {}): void {
  cluster.settings.clear();
  cluster.proxy(changes);
}

/** An artifact that refers to the image. */
function artifact(artifactType: string, seed = ''): BuiltContent {
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(Buffer.from('{}')), size: 2 };
  const manifest = manifestOf(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType,
    config: empty,
    layers: [empty],
    subject: { mediaType: image.manifest.mediaType, digest: subject, size: image.manifest.bytes.byteLength },
    annotations: { seed },
  });
  return { manifest, manifests: [manifest], blobs: new Map() };
}

const body = ({ bytes }: RawAnswer) => JSON.parse(bytes.toString());
const tagsOf = (answer: RawAnswer): string[] => body(answer).tags;
const digestsOf = (answer: RawAnswer): string[] =>
  body(answer).manifests.map(({ digest }: { digest: string }) => digest);
const nextOf = ({ headers }: RawAnswer) => /^<(.*)>; rel="next"$/.exec(String(headers['link'] ?? ''))?.[1];
const rows = async () => Number((await cluster.database.knex('cached_listing').count({ count: '*' }))[0]?.['count']);

/** What one gets who follows our links from here. */
async function follow(from: string): Promise<RawAnswer[]> {
  const answers: RawAnswer[] = [];
  for (let next: string | undefined = from; next !== undefined; next = nextOf(answers.at(-1) as RawAnswer)) {
    answers.push(await cache.get(next));
    expect(answers.at(-1)?.status).toBe(200);
  }
  return answers;
}

/** Nothing but what the whole list has, or no list. */
function isWholeOrNone(answer: RawAnswer, whole: readonly string[] = TAGS): boolean {
  if (answer.status !== 200) return answer.status >= 429 && body(answer).errors.length === 1;
  return !answer.cut && JSON.stringify(tagsOf(answer)) === JSON.stringify(whole);
}

describe('tags', () => {
  test('paging through our links gives exactly the tags of the upstream, cold, cached and in an outage', async () => {
    const all = async (n: number) => (await follow(`${list}?n=${n}`)).map(tagsOf);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10 }), async (n) => {
        const pages = await all(n);
        expect(pages.flat()).toEqual(TAGS);
        expect(pages.every(({ length }) => length <= n)).toBe(true);
        upstream.reset();
        expect(await all(n)).toEqual(pages);
        expect(upstream.count()).toBe(0);
      }),
      { numRuns: 20 },
    );
    await all(3);
    await upstream.kill();
    cluster.clock.advance({ hours: 2 });
    for (const answer of await follow(`${list}?n=3`)) expect(answer.headers.warning).toContain('299 - ');
    expect((await all(3)).flat()).toEqual(TAGS);
  });

  test('the whole list, under our name, with its age; HEAD says what GET says', async () => {
    const cold = await cache.get(list);
    expect(body(cold)).toEqual({ name: 'acme/app', tags: TAGS });
    expect(cold.headers).toMatchObject({ age: '0', 'cache-status': 'Breakwater; fwd=uri-miss; stored' });
    cluster.clock.advance({ minutes: 10 });
    const [hit, head] = [await cache.get(list), await cache.get(list, { method: 'HEAD' })];
    expect(hit.headers).toMatchObject({ age: '600', 'cache-status': 'Breakwater; hit; ttl=3000' });
    expect({ ...head.headers, date: '' }).toEqual({ ...hit.headers, date: '' });
    expect([head.status, head.bytes.byteLength, upstream.count()]).toEqual([200, 0, 1]);
  });

  test('n=0 is an empty list without a link, n above 1000 is 1000, n that is no number is refused', async () => {
    const none = await cache.get(`${list}?n=0`);
    expect([tagsOf(none), none.headers['link'], upstream.count()]).toEqual([[], undefined, 0]);
    expect(tagsOf(await cache.get(`${list}?n=999999999`))).toEqual(TAGS);
    expect(upstream.requests.map(({ path }) => path)).toEqual(['/v2/app/tags/list?n=1000']);
    for (const n of ['x', '-1', '1e3']) expect((await cache.get(`${list}?n=${n}`)).status).toBe(400);
  });

  test('F67: in an outage a cached page is served whole and marked, a page that is not cached is 503', async () => {
    await cache.get(`${list}?n=3`);
    await upstream.kill();
    cluster.clock.advance({ hours: 2 });
    const shielded = await cache.get(`${list}?n=3`, { headers: { 'X-Request-Id': 'the-list' } });
    expect([shielded.status, tagsOf(shielded)]).toEqual([200, ['a', 'b', 'c']]);
    expect(nextOf(shielded)).toBe(`${list}?n=3&last=c`);
    expect(shielded.headers).toMatchObject({
      age: '7200',
      'cache-status': 'Breakwater; hit; fwd=stale; detail=connect',
      warning: '299 - "127.0.0.1 cannot be asked (connect); serving the copy confirmed 2 h ago"',
    });
    for (const wanted of [list, `${list}?n=2`, `${list}?n=3&last=c`]) {
      const answer = await cache.get(wanted);
      expect([answer.status, errorOf(answer).code]).toEqual([503, 'UNAVAILABLE']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
  });

  test('a shielded list is told like a shielded manifest, and the failure behind it once', async () => {
    await cache.get(list);
    await upstream.kill();
    cluster.clock.advance({ hours: 2 });
    await Promise.all(Array.from({ length: 5 }, () => cache.get(list)));
    const about = { organization: 'acme', repository: 'app', reference: '', failureClass: 'connect', ageMs: 7_200_000 };
    expect(cache.told('shielded-pull')).toHaveLength(5);
    expect(cache.told('shielded-pull')[0]).toMatchObject({ ...about, why: 'outage' });
    expect(cache.told('masked-error')).toEqual([expect.objectContaining(about)]);
    expect(cache.told('passed-error')).toEqual([]);
  });

  test('what is known to be down is not asked again', async () => {
    await cache.get(list);
    upstream.fault({ kind: 'no-answer', by: 'reset' });
    cluster.clock.advance({ hours: 2 });
    await cache.get(list);
    upstream.reset();
    for (let times = 0; times < 5; times += 1) expect((await cache.get(list)).headers.warning).toBeDefined();
    expect(upstream.count()).toBe(0);
  });

  test('an upstream of which nothing but lists is cached is found to be back', async () => {
    await cache.stop();
    cache = await cluster.startCache({ ticking: true });
    for (const wanted of [`${list}?n=3&last=b`, referrers]) {
      await cache.get(wanted);
      await upstream.kill();
      cluster.clock.advance({ hours: 2 });
      expect((await cache.get(wanted)).headers.warning).toBeDefined();
      await upstream.revive();
      cluster.clock.advance({ minutes: 10 });
      const isBack = async () => (await cache.get(wanted)).headers.warning === undefined;
      await until('the upstream is known to be back', isBack);
      await cluster.database.knex('cached_listing').delete();
    }
  });

  test('an upstream that hangs holds up one request by the check budget, and what it says at last counts', async () => {
    await cache.stop();
    cache = await cluster.startCache({ deadlines: { checkBudgetMs: 200 } });
    await cache.get(list);
    cluster.clock.advance({ hours: 2 });
    upstream.add('app', 'h', image);
    upstream.fault({ kind: 'delay', ms: 600 });
    const first = await cache.get(list);
    expect([tagsOf(first), first.headersAfterMs < 500]).toEqual([TAGS, true]);
    expect(first.headers['cache-status']).toContain('detail=timeout');
    await until('the answer is there', async () => (await cache.get(list)).headers.age === '0');
    expect(tagsOf(await cache.get(list))).toEqual([...TAGS, 'h']);
  });

  test('lapsed, and with a staleness period of 0, an outage is passed on', async () => {
    await cache.get(list);
    await upstream.kill();
    cluster.clock.advance({ hours: 24 });
    expect((await cache.get(list)).status).toBe(200);
    cluster.clock.advance({ ms: 1 });
    expect((await cache.get(list)).status).toBe(503);
    configure({ stalenessPeriodS: 7 * 86_400 });
    expect(tagsOf(await cache.get(list))).toEqual(TAGS);
    configure({ stalenessPeriodS: 0, checkIntervalS: 0 });
    expect((await cache.get(list)).status).toBe(503);
  });

  test('tags that came or went are seen after the check interval', async () => {
    await cache.get(list);
    upstream.add('app', 'h', image);
    upstream.remove('app', 'a');
    cluster.clock.advance({ minutes: 44 });
    expect(tagsOf(await cache.get(list))).toEqual(TAGS);
    cluster.clock.advance({ minutes: 16 });
    const changed = await cache.get(list);
    expect(tagsOf(changed)).toEqual([...TAGS.slice(1), 'h']);
    expect(changed.headers['cache-status']).toBe('Breakwater; fwd=stale; stored');
  });

  test('late in the check interval a list is asked for ahead, and nobody waits for it', async () => {
    await cache.get(list);
    upstream.add('app', 'h', image);
    upstream.fault({ kind: 'delay', ms: 200 });
    cluster.clock.advance({ minutes: 50 });
    const answer = await cache.get(list);
    expect([tagsOf(answer), answer.headersAfterMs < 150]).toEqual([TAGS, true]);
    const kept = async () => (await cluster.database.knex('cached_listing').first('body'))?.body;
    await until('the list is new', async () => String(await kept()).includes('h'));
    expect([tagsOf(await cache.get(list)).at(-1), upstream.count()]).toEqual(['h', 2]);
  });

  test('twenty requests for a page are one', async () => {
    upstream.fault({ kind: 'delay', ms: 100 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => cache.get(list)));
    expect(answers.every((answer) => isWholeOrNone(answer) && answer.status === 200)).toBe(true);
    expect(upstream.count()).toBe(1);
  });

  test('a repository that is gone: served while it may be, else 404', async () => {
    await cache.get(list);
    upstream.remove('app');
    cluster.clock.advance({ hours: 2 });
    expect((await cache.get(list)).headers.warning).toContain('no longer has this list');
    configure({ serveWhenRemoved: false });
    const answer = await cache.get(list);
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'NAME_UNKNOWN']);
  });

  test.each([
    ['a link without an end', '</v2/app/tags/list?n=2&last=b; rel="next"'],
    ['a link to nothing that is a target', '<http://[>; rel="next"'],
    ['a link to where one is', '</v2/app/tags/list?n=2&last=b>; rel="next"'],
  ])('no list ends early because of %s', async (_what, link) => {
    upstream.fault({ kind: 'headers', headers: { Link: link } });
    const answer = await cache.get(`${list}?n=2&last=b`);
    expect([answer.status, answer.headers['link'], cache.told('upstream-down')]).toEqual([503, undefined, []]);
  });

  test('links are read as they may be written', async () => {
    for (const [link, last] of [
      ['</v2/app/tags/list?last=x>; title="a, b"; rel=next', 'x'],
      ['</one>; rel="prev", </v2/app/tags/list?last=x>; rel="last next"', 'x'],
      [`<${upstream.origins.registry}/v2/app/tags/list?next_page=abc>;rel="next"`, 'g'],
    ] as const) {
      upstream.clearFaults();
      upstream.fault({ kind: 'headers', headers: { Link: link } });
      await cluster.database.knex('cached_listing').delete();
      expect(nextOf(await cache.get(list))).toBe(`${list}?last=${last}`);
    }
  });

  test('whatever the upstream does, the list is whole or there is none', async () => {
    const faults = [
      { kind: 'cut-body', afterBytes: 20, by: 'fin' },
      { kind: 'cut-body', afterBytes: 20, by: 'fin', framing: 'close' },
      { kind: 'cut-body', afterBytes: 20, by: 'reset' },
      { kind: 'body', body: '{"name":"app","tags":"a"}' },
      { kind: 'captive-portal' },
      { kind: 'status', status: 500 },
      { kind: 'status', status: 429 },
      { kind: 'oversized', bytes: 5_000_000 },
      { kind: 'content-encoding' },
    ] as const;
    for (const cached of [false, true]) {
      for (const fault of faults) {
        await cluster.database.knex('cached_listing').delete();
        await cluster.database.knex('upstream_health').delete();
        await cache.stop();
        cache = await cluster.startCache();
        upstream.clearFaults();
        if (cached) await cache.get(list);
        upstream.fault(fault);
        cluster.clock.advance({ hours: 2 });
        const answer = await cache.get(list);
        expect([fault, isWholeOrNone(answer), answer.status === 200]).toEqual([fault, true, cached]);
      }
    }
  });

  test('S26: two organizations do not see what each other has', async () => {
    await using other = await startFaultUpstream();
    const beta = '/v2/beta/app/tags/list';
    const settings = settingsFor(upstream.host, { organization: 'beta' as typeof ORGANIZATION });
    other.add('app', 'other', image);
    cluster.configure(settings);
    await cache.get(list);
    await upstream.kill();
    expect((await cache.get(beta)).status).toBe(503);
    cluster.configure({ ...settings, upstream: other.host });
    expect(tagsOf(await cache.get(beta))).toEqual(['other']);
    expect(tagsOf(await cache.get(list))).toEqual(TAGS);
    configure({ upstream: other.host });
    expect(tagsOf(await cache.get(list))).toEqual(['other']);
  });

  test('it survives a restart', async () => {
    await cache.get(list);
    await cache.stop();
    cache = await cluster.startCache();
    await upstream.kill();
    cluster.clock.advance({ hours: 2 });
    expect(tagsOf(await cache.get(list))).toEqual(TAGS);
  });

  test('I7: without Postgres the upstream is asked, and its failure is then ours', async () => {
    await cache.get(list);
    await cluster.loseDatabase();
    const answer = await cache.get(list);
    expect([tagsOf(answer), answer.headers['cache-status']]).toEqual([TAGS, 'Breakwater; fwd=uri-miss']);
    upstream.remove('app');
    const failed = await cache.get(list);
    expect([failed.status, errorOf(failed).detail?.['reason']]).toEqual([503, 'database']);
  });
});

describe('what is kept', () => {
  const listings = (maxBytes?: number) => {
    const settings = { find: async (organization: string) => cluster.settings.get(organization) };
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const table = new CachedListingTable(cluster.database.knex);
    return new CachedListings(table, settings, cluster.clock, logger, maxBytes);
  };
  const repository = () => ({ organization: ORGANIZATION, name: nameOf('app'), upstream: upstream.host });
  const key = (page: string) => ({ repository: repository(), kind: 'tags', subject: '', page }) as const;
  const listing = { body: '["a"]', filtered: false };

  test('goes when it has lapsed and is not used any more, and not before', async () => {
    configure({ expirationS: 3 * 86_400 });
    await cache.get(list);
    cluster.clock.advance({ days: 2 });
    await listings().prune();
    expect(await rows()).toBe(1);
    const kept = listings();
    kept.noteUse(key(''));
    await kept.flush();
    cluster.clock.advance({ days: 3 });
    await listings().prune();
    expect(await rows()).toBe(1);
    cluster.clock.advance({ ms: 1 });
    configure({ expirationS: 3 * 86_400, stalenessPeriodS: 30 * 86_400 });
    await listings().prune();
    configure({ expirationS: 0 });
    await listings().prune();
    expect(await rows()).toBe(1);
    configure({ expirationS: 3 * 86_400 });
    await listings().prune();
    expect(await rows()).toBe(0);
  });

  test('of an organization that proxies nothing any more goes after a day', async () => {
    await cache.get(list);
    cluster.settings.clear();
    cluster.clock.advance({ hours: 24 });
    await listings().prune();
    expect(await rows()).toBe(1);
    cluster.clock.advance({ ms: 1 });
    await listings().prune();
    expect(await rows()).toBe(0);
  });

  test('more than a run takes is left to the next one', async () => {
    await cluster.database.knex.raw(
      `insert into cached_listing
       select 'acme', ?, 'app', 'tags', '', 'n=' || n, '', '[]', null, false, ?, ? from generate_series(1, 10500) n`,
      ['elsewhere', new Date(cluster.clock.now()), new Date(cluster.clock.now())],
    );
    cluster.clock.advance({ days: 2 });
    const pruning = listings();
    await pruning.prune();
    expect(await rows()).toBe(500);
    await pruning.prune();
    expect(await rows()).toBe(0);
  });

  test('is bounded: pages that nobody has used for longest make room, those of others stay', async () => {
    const small = listings(2_000);
    const now = cluster.clock.now();
    const other = { ...repository(), organization: 'beta' as typeof ORGANIZATION };
    await listings().keep({ ...key('n=1'), repository: other }, '', listing, now);
    for (let n = 1; n <= 10; n += 1) await small.keep(key(`n=${n}`), '', listing, now + n);
    const pages = await cluster.database.knex('cached_listing').orderBy('last_used_at').pluck('page');
    expect(pages).toEqual(['n=1', 'n=8', 'n=9', 'n=10']);
  });

  test('an earlier answer does not take the place of a later one', async () => {
    await listings().keep(key(''), '', { ...listing, body: '["later"]' }, 2_000);
    await listings().keep(key(''), '', listing, 1_000);
    expect((await listings().load(key(''))).entry).toMatchObject({ body: '["later"]', confirmedAt: 2_000 });
  });

  test('a query too long to be kept is passed through', async () => {
    const long = `${list}?last=${'a'.repeat(3_000)}`;
    expect(tagsOf(await cache.get(long))).toEqual(TAGS.slice(1));
    expect([await rows(), cache.lines.length]).toEqual([0, 0]);
  });
});

describe('referrers', () => {
  const [sbom, signature] = [artifact(SBOM), artifact(SIGNATURE)];
  const fallbackTag = (digest: Digest) => `sha256-${digestHex(digest)}`;

  /** From now on the upstream knows no referrers, as registries before version 1.1 of the spec. */
  function withoutApi(status = 404): void {
    upstream.fault({ kind: 'status', status, body: '404 page not found' }, { match: { kind: 'referrers' } });
  }

  function addFallback(): void {
    const descriptors = [sbom, signature].map(({ manifest }, at) => ({
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.bytes.byteLength,
      artifactType: [SBOM, SIGNATURE][at],
      annotations: { 'org.example': String(at) },
    }));
    const index = manifestOf(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: descriptors });
    upstream.add('app', fallbackTag(subject), { manifest: index, manifests: [index], blobs: new Map() });
  }

  beforeEach(() => {
    for (const each of [sbom, signature]) upstream.add('app', undefined, each);
  });

  test('are those of the upstream, cached, and shielded in an outage', async () => {
    const cold = await cache.get(referrers);
    expect(cold.headers).toMatchObject({
      'content-type': OCI_INDEX,
      'cache-status': 'Breakwater; fwd=uri-miss; stored',
    });
    expect(digestsOf(cold)).toEqual([sbom.manifest.digest, signature.manifest.digest]);
    await upstream.kill();
    const head = await cache.get(referrers, { method: 'HEAD' });
    expect(head.headers).toMatchObject({ 'content-type': OCI_INDEX, 'content-length': String(cold.bytes.byteLength) });
    cluster.clock.advance({ hours: 2 });
    const shielded = await cache.get(referrers);
    expect(shielded.bytes.equals(cold.bytes)).toBe(true);
    expect(shielded.headers).toMatchObject({ age: '7200', warning: expect.stringContaining('299 - ') as never });
    expect(cache.told('shielded-pull')).toEqual([expect.objectContaining({ reference: subject, why: 'outage' })]);
    // Those of one type are taken out of the list of all, which is whole; none of these says its type.
    const ofType = await cache.get(`${referrers}?artifactType=${SBOM}`);
    expect(ofType.headers).toMatchObject({ age: '7200', 'oci-filters-applied': 'artifactType' });
    expect([ofType.status, digestsOf(ofType)]).toEqual([200, []]);
    const unknown = await cache.get(referrers.replace(subject, sbom.manifest.digest));
    expect([unknown.status, errorOf(unknown).code]).toEqual([503, 'UNAVAILABLE']);
    cluster.clock.advance({ hours: 23 });
    expect((await cache.get(referrers)).status).toBe(503);
  });

  test('new ones are seen after the check interval', async () => {
    await cache.get(referrers);
    const late = artifact(SBOM, 'late');
    upstream.add('app', undefined, late);
    cluster.clock.advance({ hours: 1 });
    expect(digestsOf(await cache.get(referrers))).toContain(late.manifest.digest);
  });

  test('of one type: the upstream filters, and we say that it did', async () => {
    const answer = await cache.get(`${referrers}?artifactType=${encodeURIComponent(SBOM)}`);
    expect(digestsOf(answer)).toEqual([sbom.manifest.digest]);
    expect(answer.headers['oci-filters-applied']).toBe('artifactType');
    expect((await cache.get(referrers)).headers['oci-filters-applied']).toBeUndefined();
    upstream.fault({ kind: 'headers', headers: { 'OCI-Filters-Applied': undefined } });
    cluster.clock.advance({ hours: 1 });
    const unsaid = await cache.get(`${referrers}?artifactType=${encodeURIComponent(SBOM)}`);
    expect(unsaid.headers['oci-filters-applied']).toBeUndefined();
  });

  test('page by page, by links of our own that carry those of the upstream', async () => {
    const page = (content: BuiltContent) => ({
      kind: 'body' as const,
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [{ mediaType: OCI_MANIFEST, digest: content.manifest.digest, size: 1 }],
      }),
    });
    const link = `<http://elsewhere.example/prefix/v2/app/referrers/${subject}?token=a%2Fb%26c>; rel="next"`;
    const [first, second] = [/referrers\/[^?]*\?artifactType=x$/, /\?token=a%2Fb%26c$/];
    upstream.fault({ kind: 'headers', headers: { Link: link } }, { match: { path: first } });
    upstream.fault(page(sbom), { match: { path: first } });
    upstream.fault(page(signature), { match: { path: second } });
    const answers = await follow(`${referrers}?artifactType=x`);
    expect(answers.flatMap(digestsOf)).toEqual([sbom.manifest.digest, signature.manifest.digest]);
    expect(nextOf(answers[0] as RawAnswer)).toBe(`${referrers}?artifactType=x&next=token%3Da%252Fb%2526c`);
    upstream.clearFaults();
    withoutApi();
    cluster.clock.advance({ hours: 30 });
    // The tag's list is no second page of another list.
    expect((await cache.get(nextOf(answers[0] as RawAnswer) ?? '')).status).toBe(503);
  });

  test.each([
    ['to another list', `</v2/app/referrers/${digestOf(Buffer.from('x'))}?token=1>; rel="next"`],
    ['to itself', `</v2/app/referrers/${subject}>; rel="next"`],
  ])('a link %s is no next page', async (_what, link) => {
    upstream.fault({ kind: 'headers', headers: { Link: link } });
    expect((await cache.get(referrers)).status).toBe(503);
  });

  test('an upstream without the API: the list under the tag, with the filter applied here', async () => {
    withoutApi();
    addFallback();
    const answer = await cache.get(referrers);
    expect(digestsOf(answer)).toEqual([sbom.manifest.digest, signature.manifest.digest]);
    const filtered = await cache.get(`${referrers}?artifactType=${encodeURIComponent(SIGNATURE)}`);
    expect(body(filtered).manifests).toMatchObject([
      { digest: signature.manifest.digest, artifactType: SIGNATURE, annotations: { 'org.example': '1' } },
    ]);
    expect(filtered.headers['oci-filters-applied']).toBe('artifactType');
    await upstream.kill();
    cluster.clock.advance({ hours: 2 });
    expect((await cache.get(referrers)).bytes.equals(answer.bytes)).toBe(true);
  });

  test('C8: never 404: an upstream with neither has none, also of a repository that it does not know', async () => {
    withoutApi();
    for (const wanted of [referrers, `/v2/acme/unknown/referrers/${subject}`]) {
      const answer = await cache.get(wanted);
      expect([answer.status, answer.headers['content-type'], body(answer)]).toEqual([
        200,
        OCI_INDEX,
        { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] },
      ]);
    }
    upstream.clearFaults();
    upstream.fault({ kind: 'status', status: 401 });
    const denied = await cache.get(`/v2/acme/private/referrers/${subject}`);
    expect([denied.status, errorOf(denied).code]).toEqual([403, 'DENIED']);
  });

  test.each([400, 404, 405, 406, 410, 501])(
    '%i is an upstream without the API, and none that is down',
    async (status) => {
      withoutApi(status);
      addFallback();
      expect(digestsOf(await cache.get(referrers))).toEqual([sbom.manifest.digest, signature.manifest.digest]);
      expect(cache.told('upstream-down')).toEqual([]);
    },
  );

  test.each([
    ['text/plain', 'no such page'],
    ['application/json', '{"errors":[]}'],
    [OCI_MANIFEST, '{}'],
  ])('200 of type %s that is no index is an upstream without the API as well', async (value, sent) => {
    const match = { kind: 'referrers' } as const;
    upstream.fault({ kind: 'content-type', value }, { match });
    upstream.fault({ kind: 'body', body: sent }, { match });
    addFallback();
    expect(digestsOf(await cache.get(referrers))).toEqual([sbom.manifest.digest, signature.manifest.digest]);
    expect(cache.told('upstream-down')).toEqual([]);
  });

  test('other statuses are no list, and say nothing of the rest of the upstream', async () => {
    withoutApi(418);
    expect((await cache.get(referrers)).status).toBe(503);
    expect([cache.told('upstream-down'), await rows()]).toEqual([[], 0]);
  });

  test('F44: a web page is no answer of a registry', async () => {
    upstream.fault({ kind: 'captive-portal' });
    expect((await cache.get(referrers)).status).toBe(503);
    expect([cache.told('upstream-down').length, await rows()]).toEqual([1, 0]);
  });

  test('an outage between the API and the tag is no empty list', async () => {
    withoutApi();
    addFallback();
    upstream.fault({ kind: 'status', status: 500 }, { match: { kind: 'manifest' } });
    expect((await cache.get(referrers)).status).toBe(503);
    expect(await rows()).toBe(0);
  });

  test('of a digest of sha512 the tag is cut as the spec says', async () => {
    withoutApi();
    const digest = digestOf(Buffer.from('x'), 'sha512');
    expect((await cache.get(`/v2/acme/app/referrers/${digest}`)).status).toBe(200);
    expect(upstream.requests.at(-1)?.reference).toBe(`sha512-${digestHex(digest).slice(0, 64)}`);
  });

  test('what is no index is no answer', async () => {
    const entry = { mediaType: OCI_MANIFEST, digest: subject, size: 1 };
    for (const sent of [
      'x',
      '{}',
      image.manifest.bytes,
      '{"schemaVersion":2,"manifests":[{}]}',
      '{"schemaVersion":2,"manifests":[],"Manifests":[]}',
      JSON.stringify({ schemaVersion: 2, manifests: Array.from({ length: 1_001 }, () => entry) }),
    ]) {
      upstream.clearFaults();
      upstream.fault({ kind: 'body', body: sent });
      expect([sent, (await cache.get(referrers)).status]).toEqual([sent, 503]);
    }
    expect([await rows(), cache.told('upstream-down')]).toEqual([0, []]);
  });

  test('a bad digest is left to the host, which answers 400, and to write is refused', async () => {
    expect((await cache.get('/v2/acme/app/referrers/sha256:x')).status).toBe(418);
    expect((await cache.get(referrers, { method: 'PUT' })).status).toBe(405);
  });
});
