import type { Digest } from '@breakwater/registry-core';
import { createTestDatabase, openPool, repositoryOf, type TestDatabase } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { PRIORITIES } from '../src/completing/missing-content.js';
import { proxyCacheMigrations } from '../src/index.js';
import { MissingContentTable, type Note } from '../src/postgres/missing-content-table.js';

// The rows of missing content as a queue that several processes share, on a real Postgres.

const NOW = Date.UTC(2024, 0, 1);
const LEASE_MS = 30_000;
const repository = { ...repositoryOf('acme/app'), upstream: 'docker.io' };
const source = { organization: repository.organization, upstream: repository.upstream };
const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
const [one, two, image, other] = [1, 2, 10, 11].map(digestOf) as [Digest, Digest, Digest, Digest];

let database: TestDatabase;
let knex: Knex;
let table: MissingContentTable;

beforeAll(async () => {
  database = await createTestDatabase({ migrations: [proxyCacheMigrations()] });
  knex = openPool(database.connection);
  table = new MissingContentTable(knex);
}, 60_000);
afterAll(async () => {
  await knex?.destroy();
  await database?.drop();
});
beforeEach(async () => {
  await knex('missing_content').delete();
});

function note(changes: Partial<Note> = {}): Promise<void> {
  return table.note({
    repository,
    neededBy: image,
    contents: [one, two].map((digest) => ({ digest, kind: 'blob', size: 100 })),
    wantedBy: 'pull',
    priority: PRIORITIES.pulled,
    maxBytes: 1_000,
    state: 'queued',
    at: NOW,
    notBefore: NOW,
    ...changes,
  });
}

const claim = (owner: string, now = NOW, limit = 10) =>
  table.claim(source, undefined, [], { owner, now, until: now + LEASE_MS, limit });

test('the same digest is one row, whoever needs it', async () => {
  await note();
  await note({ neededBy: other, priority: PRIORITIES.otherPlatforms, wantedBy: 'warm', maxBytes: 2_000, at: NOW + 5 });
  await note();
  const rows = await table.missingOf(repository, [image]);
  expect(rows).toHaveLength(2);
  expect(rows[0]).toEqual({
    repository: expect.objectContaining({ name: 'app' }),
    digest: one,
    kind: 'blob',
    size: 100,
    neededBy: [image, other],
    wantedBy: 'warm',
    priority: PRIORITIES.pulled,
    maxBytes: 2_000,
    state: 'queued',
    attempts: 0,
  });
  expect(await table.missingOf(repository, [other])).toEqual(rows);
  expect(await table.missingOf({ ...repository, upstream: 'quay.io' }, [image])).toEqual([]);
});

test('processes that claim at once get nothing twice', async () => {
  await note({
    contents: Array.from({ length: 60 }, (_, n) => ({ digest: digestOf(n + 100), kind: 'blob', size: 1 })),
  });
  const claims = await Promise.all(Array.from({ length: 12 }, (_, n) => claim(`process ${n}`)));
  const digests = claims.flat().map(({ digest }) => digest);
  expect(new Set(digests).size).toBe(digests.length);
  expect(digests.length).toBeGreaterThan(0);
});

test('a claim holds until its lease is over, is renewed, and is given back', async () => {
  await note();
  expect(await claim('a')).toHaveLength(2);
  expect(await claim('b', NOW + LEASE_MS - 1)).toEqual([]);
  await table.renew('a', NOW + 2 * LEASE_MS);
  expect(await claim('b', NOW + LEASE_MS)).toEqual([]);
  expect(await claim('b', NOW + 2 * LEASE_MS)).toHaveLength(2);
  await table.release('a');
  expect(await claim('c', NOW + 2 * LEASE_MS)).toEqual([]);
  await table.release('b');
  expect(await claim('c', NOW + 2 * LEASE_MS)).toHaveLength(2);
});

test('the rest of pulled images comes first, and nothing before its time', async () => {
  await note({ contents: [{ digest: one, kind: 'blob', size: 1 }], priority: PRIORITIES.otherPlatforms });
  await note({ contents: [{ digest: two, kind: 'blob', size: 1 }], notBefore: NOW + 1 });
  expect((await claim('a', NOW, 1)).map(({ digest }) => digest)).toEqual([one]);
  await table.release('a');
  expect((await claim('a', NOW + 1, 1)).map(({ digest }) => digest)).toEqual([two]);
});

test('what failed at an origin that is down waits for its check, which takes one', async () => {
  await note();
  const failure = { failureClass: 'timeout', origin: 'https://cdn.example', at: NOW, state: 'queued' } as const;
  for (const digest of [one, two]) await table.putOff({ repository, digest }, NOW, failure);
  const down = ['https://cdn.example'];
  const facts = { owner: 'a', now: NOW, until: NOW + LEASE_MS, limit: 10 };
  expect(await table.claim(source, undefined, down, facts)).toEqual([]);
  expect(await table.sourcesFailedAt('https://cdn.example', 10)).toEqual([source]);
  const tried = await table.claimAt(source, 'https://cdn.example', facts);
  expect(tried).toMatchObject({
    attempts: 1,
    failure: { failureClass: 'timeout', origin: 'https://cdn.example', at: NOW },
  });
  expect(await table.claim(source, undefined, [], facts)).toHaveLength(1);
});

test('where prefetch is off only what was asked for by hand is claimed', async () => {
  await note();
  await note({ contents: [{ digest: two, kind: 'blob', size: 1 }], wantedBy: 'warm' });
  const facts = { owner: 'a', now: NOW, until: NOW + LEASE_MS, limit: 10 };
  expect((await table.claim(source, 'warm', [], facts)).map(({ digest }) => digest)).toEqual([two]);
  expect(await table.summary(source, 'warm')).toMatchObject({ contents: 2, queued: 1 });
});

test('what was given up stays missing, and is queued again when its image is looked at again', async () => {
  await note();
  const failure = { failureClass: 'removed', at: NOW, state: 'given_up' } as const;
  for (const digest of [one, two]) await table.putOff({ repository, digest }, NOW, failure);
  expect(await claim('a')).toEqual([]);
  expect(await table.sources(undefined, 10)).toEqual([]);
  expect(await table.summary(source, undefined)).toEqual({
    contents: 2,
    bytes: 200,
    queued: 0,
    tooLarge: 0,
    givenUp: 2,
    oldestNotedAt: NOW,
  });
  await note({ at: NOW + 1, notBefore: NOW + 1 });
  expect((await claim('a', NOW + 1)).map(({ attempts }) => attempts)).toEqual([0, 0]);
});

test('what is too large is left alone, and does not come back by being noted the same way', async () => {
  await note({ state: 'too_large' });
  await note({ state: 'too_large' });
  expect(await claim('a')).toEqual([]);
  await note();
  expect(await claim('a')).toHaveLength(2);
});

test('every upstream of which something waits is found, one after the other', async () => {
  const names = ['acme/a', 'acme/b', 'blue/a', 'coral/a'];
  for (const name of names) {
    for (const upstream of ['docker.io', 'quay.io']) await note({ repository: { ...repositoryOf(name), upstream } });
  }
  const all = await table.sources(undefined, 10);
  expect(all.map(({ organization, upstream }) => `${organization} ${upstream}`)).toEqual([
    'acme docker.io',
    'acme quay.io',
    'blue docker.io',
    'blue quay.io',
    'coral docker.io',
    'coral quay.io',
  ]);
  expect(await table.sources(all[1], 2)).toEqual(all.slice(2, 4));
});

test('rows go when the content is stored, and when they are old', async () => {
  await note();
  await table.stored(repository, one);
  await table.stored(repository, one);
  expect((await table.total()).contents).toBe(1);
  expect(await table.removeNotedBefore(NOW, 10)).toBe(0);
  expect(await table.removeNotedBefore(NOW + 1, 10)).toBe(1);
});

test('what a newer image misses stays noted for as long as there is a previous one', async () => {
  const tag = { ...source, repository: 'app', tag: 'v1', digest: image, origin: 'https://docker.io' };
  const at = new Date(NOW);
  await knex('cached_tag').insert({
    ...tag,
    confirmed_at: at,
    last_used_at: at,
    previous_digest: other,
    previous_confirmed_at: at,
  });
  await note();
  // Of a child of the image, and of another repository.
  await note({ neededBy: other, contents: [{ digest: digestOf(3), kind: 'blob', size: 1 }] });
  await note({ repository: { ...repositoryOf('acme/elsewhere'), upstream: 'docker.io' } });
  expect(await table.removeNotedBefore(NOW + 1, 10)).toBe(2);
  expect((await table.total()).contents).toBe(3);
  await knex('cached_tag').update({ previous_digest: null });
  expect(await table.removeNotedBefore(NOW + 1, 10)).toBe(3);
  await knex('cached_tag').delete();
});
