import { type Answer, must, mustBeJson, mustHaveHeader, mustHaveStatus, NotApplicable } from '../answer.js';
import { checksOf, type ListedCheck, type Verify } from '../check.js';
import {
  blobOf,
  type Content,
  descriptorOf,
  digestOf,
  INDEX,
  imageOf,
  indexOf,
  manifestOf,
  pushBlob,
  pushImage,
  pushManifest,
} from '../content.js';
import { inParallel } from '../in-parallel.js';
import { header, json, on, type Sabotage, status, target } from '../sabotage.js';
import type { Session } from '../session.js';

const getTags = on('GET', /\/tags\/list/);
const getReferrers = on('GET', /\/referrers\//);

/** In an order that is none. */
const PUSHED = ['b', 'A', '10', 'a', 'latest', '9', 'B', '_x'];
/** `sort.Strings` of Go, and "lexical" with case left aside; the spec allows both. */
const ASCII = [...PUSHED].sort((one, other) => (one < other ? -1 : 1));

function tagsIn(answer: Answer): readonly string[] {
  const tags = mustBeJson(answer)['tags'];
  must(Array.isArray(tags) && tags.every((tag) => typeof tag === 'string'), answer, 'wanted tags as a list of texts');
  return tags as string[];
}

function isOrdered(tags: readonly string[]): boolean {
  const ascending = (key: (tag: string) => string) =>
    tags.every((tag, at) => at === 0 || key(tags[at - 1] ?? '') <= key(tag));
  return ascending((tag) => tag) || ascending((tag) => tag.toLowerCase());
}

function nextOf(answer: Answer): string | undefined {
  const link = answer.headers.get('link');
  if (link === null) return undefined;
  const match = /^<([^>]+)>\s*;\s*rel="?next"?/i.exec(link);
  must(match !== null, answer, `wanted Link to be <url>; rel="next", not ${link}`);
  return match?.[1];
}

/** A check of the list of eight tags. */
function ofTags(
  check: Omit<ListedCheck, 'prepare' | 'broken'>,
  broken: Sabotage,
  look: (read: Session) => Promise<void>,
): ListedCheck {
  return {
    ...check,
    broken,
    async prepare({ shared }): Promise<Verify> {
      const { path } = await shared('tags', async (write) => {
        const index = indexOf(write.name);
        for (const tag of PUSHED) await pushManifest(write, tag, index);
      });
      return (read) => look(read.sibling(path));
    },
  };
}

interface Referrer {
  readonly mediaType?: unknown;
  readonly digest?: unknown;
  readonly size?: unknown;
  readonly artifactType?: unknown;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

function referrersIn(answer: Answer): readonly Referrer[] {
  mustHaveStatus(answer, 200);
  const index = mustBeJson(answer);
  const { schemaVersion, mediaType, manifests } = index as Readonly<Record<string, unknown>>;
  must(schemaVersion === 2 && mediaType === INDEX, answer, `wanted an index of type ${INDEX}`);
  must(Array.isArray(manifests), answer, 'wanted manifests as a list');
  return manifests as Referrer[];
}

async function allReferrers(read: Session, path: string): Promise<readonly Referrer[]> {
  const found: Referrer[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer: Answer = await read.get(next);
    found.push(...referrersIn(answer));
    next = nextOf(answer);
  }
  return found;
}

/** An image, and five manifests that refer to it: images with a type, without one and with an empty one, and indexes with and without. */
interface Family {
  readonly subject: Content;
  readonly typed: Content;
  readonly untyped: Content;
  readonly emptyTyped: Content;
  readonly index: Content;
  readonly typedIndex: Content;
}

/** How many refer to the image. */
const FAMILY = 5;
const TYPE = 'application/vnd.example.sbom.v1+json';
const INDEX_TYPE = 'application/vnd.example.bundle.v1+json';
const CONFIG_TYPE = 'application/vnd.example.signature.v1+json';

async function pushFamily(write: Session): Promise<Family> {
  const image = imageOf(write.name);
  await pushImage(write, 'v1', image);
  const subject = descriptorOf(image.manifest);
  const config = blobOf(`{"of":"${write.name}"}`, CONFIG_TYPE);
  await pushBlob(write, config);
  const annotations = { 'org.example.of': write.name };
  const family = {
    subject: image.manifest,
    typed: manifestOf({ artifactType: TYPE, config: descriptorOf(config), layers: [], subject, annotations }),
    untyped: manifestOf({ config: descriptorOf(config), layers: [], subject, annotations }),
    emptyTyped: manifestOf({
      artifactType: '',
      config: descriptorOf(config),
      layers: [],
      subject,
      annotations: { ...annotations, 'org.example.type': 'empty' },
    }),
    index: indexOf(write.name, { subject, annotations }),
    typedIndex: indexOf(write.name, { artifactType: INDEX_TYPE, subject, annotations }),
  };
  for (const each of referring(family)) await pushManifest(write, each.digest, each);
  return family;
}

const referring = ({ subject: _subject, ...rest }: Family): readonly Content[] => Object.values(rest);

/** A check of the referrers of an image. */
function ofReferrers(
  check: Omit<ListedCheck, 'prepare' | 'broken'>,
  broken: Sabotage,
  look: (read: Session, family: Family) => Promise<void>,
): ListedCheck {
  return {
    ...check,
    broken,
    async prepare({ shared }): Promise<Verify> {
      const { content, path } = await shared('referrers', pushFamily);
      return (read) => look(read.sibling(path), content);
    },
  };
}

async function referrer(read: Session, { subject }: Pick<Family, 'subject'>, wanted: Content): Promise<Referrer> {
  const path = read.referrers(subject.digest);
  const found = (await allReferrers(read, path)).find(({ digest }) => digest === wanted.digest);
  if (found === undefined) throw new Error(`GET ${path}: wanted ${wanted.digest} to be listed`);
  return found;
}

const descriptors = (change: (was: Record<string, unknown>) => void) =>
  json(getReferrers, (was) => {
    for (const each of (was['manifests'] ?? []) as Record<string, unknown>[]) change(each);
    return was;
  });

/** More referrers than a page has, of one type and of others. */
interface Crowd {
  readonly subject: string;
  readonly typed: readonly string[];
  readonly others: readonly string[];
}

const TYPED = 101;
const OTHERS = 3;

async function pushCrowd(write: Session): Promise<Crowd> {
  const image = imageOf(write.name);
  await pushImage(write, 'v1', image);
  const subject = descriptorOf(image.manifest);
  const many = (count: number, artifactType: string) =>
    Array.from({ length: count }, (_, at) => indexOf(`${write.name} ${artifactType} ${at}`, { artifactType, subject }));
  const typed = many(TYPED, TYPE);
  const others = many(OTHERS, INDEX_TYPE);
  await inParallel([...typed, ...others], (each) => pushManifest(write, each.digest, each));
  const digests = (contents: readonly Content[]) => contents.map(({ digest }) => digest);
  return { subject: subject.digest, typed: digests(typed), others: digests(others) };
}

/** A check of a list of referrers that has several pages. */
function ofPages(
  check: Omit<ListedCheck, 'prepare' | 'broken'>,
  broken: Sabotage,
  look: (read: Session, crowd: Crowd) => Promise<void>,
): ListedCheck {
  return {
    ...check,
    broken,
    async prepare({ shared }): Promise<Verify> {
      const { content, path } = await shared('many-referrers', pushCrowd);
      return (read) => look(read.sibling(path), content);
    },
  };
}

function mustBeSame(found: readonly string[], wanted: readonly string[]): void {
  if ([...found].sort().join() === [...wanted].sort().join()) return;
  throw new Error(`wanted each of ${wanted.length} referrers once, and no others, got ${found.length}`);
}

/** "Listing Tags", "Listing Referrers". */
export const DISCOVERY_CHECKS = checksOf('discovery', [
  ofTags(
    {
      id: 'tags',
      level: 'MUST',
      says: 'the list of tags of an existing repository is 200',
      red: 'GET: wanted status 200',
    },
    status(getTags, 206, (code) => code === 200),
    async (read) => mustHaveStatus(await read.get(read.tags()), 200),
  ),
  ofTags(
    {
      id: 'tags-json',
      level: 'MUST',
      says: 'the list of tags is JSON with name and tags',
      red: 'GET: wanted the name',
    },
    json(getTags, ({ tags }) => ({ tags })),
    async (read) => {
      const answer = await read.get(read.tags());
      must(mustBeJson(answer)['name'] === read.name, answer, `wanted the name ${read.name}`);
      const tags = [...tagsIn(answer)].sort((one, other) => (one < other ? -1 : 1));
      must(JSON.stringify(tags) === JSON.stringify(ASCII), answer, `wanted the tags ${ASCII.join(' ')}`);
    },
  ),
  ofTags(
    {
      id: 'tags-order',
      level: 'MUST',
      says: 'tags are in lexical order',
      red: 'GET: wanted the tags in lexical order',
    },
    json(getTags, (was) => ({ ...was, tags: (was['tags'] as string[]).reverse() })),
    async (read) => {
      const answer = await read.get(read.tags());
      must(isOrdered(tagsIn(answer)), answer, 'wanted the tags in lexical order');
    },
  ),
  ofTags(
    {
      id: 'tags-n',
      level: 'MUST',
      says: 'with n there are n tags, or fewer with a Link',
      red: 'GET: wanted three tags',
    },
    target(getTags, (was) => was.replace(/n=3/, 'n=2')),
    async (read) => {
      const answer = await read.get(read.tags('?n=3'));
      mustHaveStatus(answer, 200);
      const { length } = tagsIn(answer);
      must(
        length === 3 ||
          (length < 3 && length > 0 && nextOf(answer) !== undefined && nextOf(answer)?.includes('n=3') === true),
        answer,
        'wanted three tags',
      );
    },
  ),
  ofTags(
    {
      id: 'tags-link',
      level: 'MUST',
      says: 'a Link is <url>; rel="next" (RFC 5988), and following it gives every tag once',
      red: 'GET: wanted Link to be <url>; rel="next"',
    },
    header(getTags, 'link', '<>; rel="previous"'),
    async (read) => {
      const found: string[] = [];
      for (let next: string | undefined = read.tags('?n=3'); next !== undefined; ) {
        const answer: Answer = await read.get(next);
        found.push(...tagsIn(answer));
        next = nextOf(answer);
        // Without links, clients go on with `last`.
        if (next === undefined && found.length < PUSHED.length && !answer.headers.has('link')) {
          next = read.tags(`?n=3&last=${found.at(-1)}`);
        }
      }
      const sorted = [...found].sort((one, other) => (one < other ? -1 : 1));
      if (JSON.stringify(sorted) !== JSON.stringify(ASCII))
        throw new Error(`wanted every tag once, got ${found.join(' ')}`);
    },
  ),
  ofTags(
    { id: 'tags-none', level: 'MUST', says: 'with n=0 the list is empty', red: 'GET: wanted no tags' },
    target(getTags, (was) => was.replace('n=0', 'n=1')),
    async (read) => {
      const answer = await read.get(read.tags('?n=0'));
      mustHaveStatus(answer, 200);
      must(tagsIn(answer).length === 0, answer, 'wanted no tags');
    },
  ),
  ofTags(
    { id: 'tags-none-link', level: 'MUST', says: 'with n=0 there is no Link', red: 'GET: wanted no Link' },
    header(getTags, 'link', '</v2/x/y/tags/list?n=0>; rel="next"'),
    async (read) => {
      const answer = await read.get(read.tags('?n=0'));
      must(!answer.headers.has('link'), answer, 'wanted no Link');
    },
  ),
  ofTags(
    {
      id: 'tags-last',
      level: 'MUST',
      says: 'with last the list begins after that tag, in order',
      red: 'GET: wanted B _x',
    },
    target(getTags, (was) => was.replace(/&?last=[^&]*/, '')),
    async (read) => {
      const whole = tagsIn(await read.get(read.tags()));
      const answer = await read.get(read.tags(`?n=2&last=${whole[2]}`));
      mustHaveStatus(answer, 200);
      const wanted = whole.slice(3, 5);
      must(JSON.stringify(tagsIn(answer)) === JSON.stringify(wanted), answer, `wanted ${wanted.join(' ')}`);
    },
  ),
  ofTags(
    { id: 'tags-last-alone', level: 'MUST', says: 'last works without n', red: 'GET: wanted a b latest' },
    target(getTags, (was) => was.replace(/last=[^&]*/, '')),
    async (read) => {
      const whole = tagsIn(await read.get(read.tags()));
      const answer = await read.get(read.tags(`?last=${whole[4]}`));
      mustHaveStatus(answer, 200);
      const wanted = whole.slice(5);
      must(JSON.stringify(tagsIn(answer)) === JSON.stringify(wanted), answer, `wanted ${wanted.join(' ')}`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers',
      level: 'MUST',
      says: 'every manifest that names the digest as its subject is listed, with 200',
      red: 'GET: wanted',
    },
    json(getReferrers, (was) => ({ ...was, manifests: (was['manifests'] as unknown[]).slice(1) })),
    async (read, family) => {
      for (const each of referring(family)) {
        const { mediaType, size } = await referrer(read, family, each);
        if (mediaType === each.mediaType && size === each.bytes.byteLength) continue;
        throw new Error(`wanted ${each.digest} to be listed as ${each.mediaType} of ${each.bytes.byteLength} bytes`);
      }
    },
  ),
  {
    id: 'referrers-before-subject',
    level: 'MUST',
    says: 'a manifest that was pushed before its subject is listed as well',
    red: 'GET: wanted',
    broken: json(getReferrers, (was) => ({ ...was, manifests: [] })),
    async prepare({ write }) {
      const image = imageOf(write.name);
      const early = indexOf(write.name, { subject: descriptorOf(image.manifest) });
      await pushManifest(write, early.digest, early);
      await pushImage(write, 'v1', image);
      return async (read) => {
        await referrer(read, { subject: image.manifest }, early);
      };
    },
  },
  {
    ...ofReferrers(
      {
        id: 'referrers-none',
        level: 'MUST',
        says: 'where nothing refers to a digest the list is empty, and not a 404',
        red: 'GET: wanted status 200',
      },
      status(getReferrers, 404, (code) => code === 200),
      async (read) => {
        const answer = await read.get(read.referrers(digestOf(Buffer.from('nothing refers to this'))));
        must(referrersIn(answer).length === 0, answer, 'wanted an empty list');
      },
    ),
  },
  ofReferrers(
    {
      id: 'referrers-digest',
      level: 'MUST',
      says: 'referrers of what is no digest are 400',
      red: 'GET: wanted status 400',
    },
    status(getReferrers, 404, (code) => code === 400),
    async (read) => {
      mustHaveStatus(await read.get(read.referrers('nonsense')), 400);
      mustHaveStatus(await read.get(read.referrers('sha256:abc')), 400);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-type',
      level: 'MUST',
      says: 'the Content-Type of referrers is that of an index',
      red: 'GET: wanted a header content-type like',
    },
    header(getReferrers, 'content-type', 'application/json'),
    async (read, { subject }) => {
      const answer = await read.get(read.referrers(subject.digest));
      mustHaveHeader(answer, 'content-type', new RegExp(`^${INDEX.replaceAll('+', '\\+').replaceAll('.', '\\.')}$`));
    },
  ),
  ofReferrers(
    {
      id: 'referrers-json',
      level: 'MUST',
      says: 'the body of referrers is an index in JSON',
      red: 'GET: wanted an index of type application/vnd.oci.image.index.v1+json',
    },
    json(getReferrers, ({ manifests }) => manifests),
    async (read, { subject }) => void referrersIn(await read.get(read.referrers(subject.digest))),
  ),
  ofReferrers(
    {
      id: 'referrers-artifact-type',
      level: 'MUST',
      says: 'a referrer is listed with its artifactType',
      red: 'wanted artifactType application/vnd.example.sbom.v1+json',
    },
    descriptors((each) => delete each['artifactType']),
    async (read, family) => {
      const { artifactType } = await referrer(read, family, family.typed);
      if (artifactType !== TYPE) throw new Error(`wanted artifactType ${TYPE}, not ${String(artifactType)}`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-config-type',
      level: 'MUST',
      says: 'an image without artifactType is listed with the type of its config',
      red: 'wanted artifactType application/vnd.example.signature.v1+json',
    },
    descriptors((each) => {
      if (each['artifactType'] === CONFIG_TYPE) each['artifactType'] = '';
    }),
    async (read, family) => {
      const { artifactType } = await referrer(read, family, family.untyped);
      if (artifactType !== CONFIG_TYPE)
        throw new Error(`wanted artifactType ${CONFIG_TYPE}, not ${String(artifactType)}`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-index-type',
      level: 'MUST',
      says: 'an index without artifactType is listed without one',
      red: 'wanted no artifactType',
    },
    descriptors((each) => {
      each['artifactType'] ??= INDEX;
    }),
    async (read, family) => {
      const found = await referrer(read, family, family.index);
      if ('artifactType' in found) throw new Error(`wanted no artifactType, got ${String(found.artifactType)}`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-empty-type',
      level: 'MUST',
      says: 'an image whose artifactType is empty is listed with the type of its config',
      red: 'wanted artifactType application/vnd.example.signature.v1+json',
    },
    descriptors((each) => {
      if (each['artifactType'] === CONFIG_TYPE) each['artifactType'] = '';
    }),
    async (read, family) => {
      const { artifactType } = await referrer(read, family, family.emptyTyped);
      if (artifactType !== CONFIG_TYPE)
        throw new Error(`wanted artifactType ${CONFIG_TYPE}, not ${JSON.stringify(artifactType)}`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-typed-index',
      level: 'MUST',
      says: 'an index is listed with its artifactType',
      red: 'wanted artifactType application/vnd.example.bundle.v1+json',
    },
    descriptors((each) => {
      if (each['artifactType'] === INDEX_TYPE) each['artifactType'] = INDEX;
    }),
    async (read, family) => {
      const { artifactType } = await referrer(read, family, family.typedIndex);
      if (artifactType !== INDEX_TYPE)
        throw new Error(`wanted artifactType ${INDEX_TYPE}, not ${String(artifactType)}`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-annotations',
      level: 'MUST',
      says: 'a referrer is listed with its annotations',
      red: 'wanted the annotations of the manifest',
    },
    descriptors((each) => delete each['annotations']),
    async (read, family) => {
      for (const each of referring(family)) {
        const { annotations } = await referrer(read, family, each);
        // The writer may name the repository otherwise than the reader does.
        if (typeof annotations?.['org.example.of'] !== 'string')
          throw new Error('wanted the annotations of the manifest');
      }
    },
  ),
  ofReferrers(
    { id: 'referrers-filter', level: 'SHOULD', says: 'artifactType filters the list', red: 'GET: wanted' },
    target(getReferrers, (was) => was.replace(/\?artifactType=[^&]*/, '')),
    async (read, { subject, typed }) => {
      const answer = await read.get(read.referrers(subject.digest, `?artifactType=${encodeURIComponent(TYPE)}`));
      const digests = referrersIn(answer).map(({ digest }) => digest);
      must(digests.length === 1 && digests[0] === typed.digest, answer, `wanted ${typed.digest} alone`);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-filters-applied',
      level: 'MUST',
      says: 'a list that was filtered says so in OCI-Filters-Applied',
      red: 'GET: wanted a header oci-filters-applied',
    },
    header(getReferrers, 'oci-filters-applied'),
    async (read, { subject }) => {
      const answer = await read.get(read.referrers(subject.digest, `?artifactType=${encodeURIComponent(TYPE)}`));
      if (referrersIn(answer).length === FAMILY) return;
      mustHaveHeader(answer, 'oci-filters-applied', /(^|, *)artifactType(,|$)/);
    },
  ),
  ofReferrers(
    {
      id: 'referrers-filters-unasked',
      level: 'SHOULD',
      says: 'a list that was not filtered has no OCI-Filters-Applied',
      red: 'GET: wanted no OCI-Filters-Applied',
    },
    header(getReferrers, 'oci-filters-applied', 'artifactType'),
    async (read, { subject }) => {
      const answer = await read.get(read.referrers(subject.digest));
      must(!answer.headers.has('oci-filters-applied'), answer, 'wanted no OCI-Filters-Applied');
    },
  ),
  ofPages(
    {
      id: 'referrers-pages',
      level: 'MUST',
      says: 'a list that does not fit has a Link to the rest; following it gives every referrer once',
      red: 'wanted each of 104 referrers once, and no others',
    },
    header(getReferrers, 'link'),
    async (read, { subject, typed, others }) => {
      const found = (await allReferrers(read, read.referrers(subject))).map(({ digest }) => String(digest));
      mustBeSame(found, [...typed, ...others]);
    },
  ),
  ofPages(
    {
      id: 'referrers-filter-pages',
      level: 'MUST',
      says: 'the pages of a filtered list are filtered alike, and say so',
      red: 'GET: wanted a header oci-filters-applied',
    },
    target(on('GET', /artifactType=.*[?&](?!artifactType)/), (was) => was.replace(/artifactType=[^&]*/, '')),
    async (read, { subject, typed }) => {
      const found: string[] = [];
      let pages = 0;
      const first = read.referrers(subject, `?artifactType=${encodeURIComponent(TYPE)}`);
      for (let next: string | undefined = first; next !== undefined; pages += 1) {
        const answer: Answer = await read.get(next);
        if (!answer.headers.has('oci-filters-applied') && pages === 0)
          throw new NotApplicable('lists are not filtered');
        mustHaveHeader(answer, 'oci-filters-applied', /(^|, *)artifactType(,|$)/);
        found.push(...referrersIn(answer).map(({ digest }) => String(digest)));
        next = nextOf(answer);
      }
      mustBeSame(found, typed);
    },
  ),
  {
    id: 'referrers-tag-schema',
    level: 'MUST',
    says: 'what a client has listed below the referrers tag is listed by the API, once',
    red: 'wanted each of 1 referrers once, and no others',
    broken: json(getReferrers, (was) => ({ ...was, manifests: [] })),
    async prepare({ write }) {
      const image = imageOf(write.name);
      await pushImage(write, 'v1', image);
      const referring = indexOf(write.name, { subject: descriptorOf(image.manifest) });
      await pushManifest(write, referring.digest, referring);
      const tag = image.manifest.digest.replace(':', '-');
      await pushManifest(write, tag, indexOf(`${write.name} list`, { manifests: [descriptorOf(referring)] }));
      return async (read) => {
        const listed = await allReferrers(read, read.referrers(image.manifest.digest));
        mustBeSame(
          listed.map(({ digest }) => String(digest)),
          [referring.digest],
        );
      };
    },
  },
  {
    id: 'tags-repository-unknown',
    level: 'MUST',
    says: 'the tags of a repository that does not exist are 404',
    red: 'GET: wanted status 404',
    needsUpstream: true,
    broken: status(getTags, 200, (code) => code === 404),
    prepare: async () => async (read) => mustHaveStatus(await read.get(read.tags()), 404),
  },
]);
