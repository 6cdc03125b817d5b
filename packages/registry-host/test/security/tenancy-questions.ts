import type { BuiltImage } from '@breakwater/test-kit';
import type { Random } from './random.js';
import { type Asking, type Place, type Question, type Right, refusalOf, type Somebody } from './tenancy-model.js';

const UNKNOWN = `sha256:${'0'.repeat(64)}`;
const NO_SESSION = '00000000-0000-4000-8000-000000000000';

/** Who asks where about which image; `undefined` is one that nobody has. */
interface Occasion {
  readonly asking: Asking;
  readonly random: Random;
  readonly person: Somebody;
  readonly place: Place;
  readonly wanted: BuiltImage | undefined;
}

/** What the question would be answered with to somebody who may; its `right` is what they need. */
type Asked = Omit<Question, 'person'> & { readonly right: Right; readonly name?: string };

/** Any question of anybody about anything. None of them takes away or adds what another one is about. */
export function questionOf(asking: Asking, random: Random): Question {
  const { people, places } = asking;
  const everything = places.flatMap(({ images }) => images);
  const person = random.of(people);
  // Whoever may write somewhere is asked there more often: others learn little from it.
  const own = places.filter((place) => !place.proxied && person.may('push', place));
  const occasion: Occasion = {
    asking,
    random,
    person,
    place: own.length > 0 && random.chance(0.5) ? random.of(own) : random.of(places),
    wanted: random.chance(0.1) ? undefined : random.of(everything),
  };
  const { place } = occasion;
  const { right, name = place.name, ...asked } = random.of(KINDS)(occasion);
  const path = `/v2/${place.organization}/${name}/${asked.path}`;
  const isRead = right === 'pull';
  // What is written to a proxy organization is refused to whoever may pull, for what it is (S24).
  const needed = place.proxied ? 'pull' : right;
  const expected = place.proxied && !isRead ? [405] : asked.expected;
  const allowed = person.may(needed, { organization: place.organization, name });
  return { ...asked, person, path, expected: allowed ? expected : refusalOf(person) };
}

const KINDS: readonly ((occasion: Occasion) => Asked)[] = [
  (occasion) => read(occasion, `manifests/${occasion.wanted?.manifest.digest ?? UNKNOWN}`),
  (occasion) => read(occasion, `blobs/${occasion.wanted?.config.digest ?? UNKNOWN}`),
  (occasion) => read(occasion, `blobs/${layerOf(occasion)}`),
  (occasion) => ({
    ...read(occasion, `blobs/${layerOf(occasion)}`),
    method: 'GET',
    headers: { range: 'bytes=0-3' },
    expected: has(occasion) ? [206] : absent(occasion),
  }),
  (occasion) => ({
    ...read(occasion, 'tags/list'),
    expected: occasion.place.images.length > 0 ? [200] : [404],
  }),
  referrers,
  () => write('POST', 'blobs/uploads/', [202]),
  () => write('PATCH', `blobs/uploads/${NO_SESSION}`, [404]),
  (occasion) => write('PUT', `blobs/uploads/${NO_SESSION}?digest=${layerOf(occasion)}`, [404]),
  putManifest,
  mountFromAnywhere,
  mountFrom,
  remove,
];

function layerOf({ wanted }: Occasion): string {
  return wanted?.layers[0]?.digest ?? UNKNOWN;
}

function has({ place, wanted }: Occasion): boolean {
  return wanted !== undefined && place.images.includes(wanted);
}

/** A cache may say that too much was asked for in vain. */
function absent({ place }: Occasion): readonly number[] {
  return place.proxied ? [404, 429] : [404];
}

function read(occasion: Occasion, path: string): Asked {
  const method = occasion.random.of(['GET', 'HEAD']);
  return { right: 'pull', method, path, expected: has(occasion) ? [200] : absent(occasion) };
}

function write(method: string, path: string, expected: readonly number[]): Asked {
  return { right: 'push', method, path, expected };
}

/** Never a 404, and never a signature that was made elsewhere. */
function referrers(occasion: Occasion): Asked {
  const { place, wanted } = occasion;
  const signature = wanted && place.signatures[place.images.indexOf(wanted)];
  return {
    ...read(occasion, `referrers/${wanted?.manifest.digest ?? UNKNOWN}`),
    expected: place.proxied ? [200, 429] : [200],
    listed: signature === undefined ? [] : [signature.manifest.digest],
  };
}

/** What is there is there once more; what is not cannot be claimed by its digest, since its blobs are not there. */
function putManifest(occasion: Occasion): Asked {
  const { wanted } = occasion;
  if (wanted === undefined) return { ...write('PUT', `manifests/${UNKNOWN}`, [400]), body: Buffer.from('{}') };
  const { digest, mediaType, bytes } = wanted.manifest;
  const expected = has(occasion) ? [201] : [404];
  return { ...write('PUT', `manifests/${digest}`, expected), headers: { 'content-type': mediaType }, body: bytes };
}

/** From nowhere in particular: what another organization has looks like what nobody has. */
function mountFromAnywhere(occasion: Occasion): Asked {
  const { asking, place, wanted } = occasion;
  const digest = layerOf(occasion);
  const isHere = asking.places.some(
    ({ organization, images }) =>
      organization === place.organization && wanted !== undefined && images.includes(wanted),
  );
  const expected = isHere ? [201] : asking.mounted.has(place.organization, digest) ? [201, 202] : [202];
  // Into a repository that no other question is about.
  return { ...write('POST', `blobs/uploads/?mount=${digest}`, expected), name: 'team/mounted' };
}

/** From a repository: what whoever asks may not pull there looks like what is not there. */
function mountFrom(occasion: Occasion): Asked {
  const { asking, random, person, place } = occasion;
  const source = random.of(asking.places);
  const wanted = source.images.length > 0 && random.chance(0.7) ? random.of(source.images) : occasion.wanted;
  const digest = layerOf({ ...occasion, wanted });
  const isThere = wanted !== undefined && source.images.includes(wanted);
  const succeeds = isThere && !source.proxied && person.may('pull', source);
  if (succeeds) asking.mounted.add(place.organization, digest);
  const from = `${source.organization}/${source.name}`;
  return {
    ...write('POST', `blobs/uploads/?mount=${digest}&from=${from}`, [succeeds ? 201 : 202]),
    name: 'team/mounted',
  };
}

/** Whoever may delete is asked for what is not there: others have to be refused whatever is. */
function remove(occasion: Occasion): Asked {
  const { asking, random, person, place, wanted } = occasion;
  const mayDelete = person.may('delete', place);
  const here = asking.places.filter(({ organization }) => organization === place.organization);
  // Parts of what is there are in other images as well.
  const isSafe = !mayDelete || (wanted !== undefined && !here.some(({ images }) => images.includes(wanted)));
  const digest = wanted === undefined || !isSafe ? undefined : wanted;
  const path = random.chance(0.5)
    ? `manifests/${digest?.manifest.digest ?? UNKNOWN}`
    : `blobs/${digest?.layers[0]?.digest ?? UNKNOWN}`;
  return { right: 'delete', method: 'DELETE', path, expected: [404] };
}
