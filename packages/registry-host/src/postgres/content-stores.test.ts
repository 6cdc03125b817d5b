import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digestOf, OCI_MANIFEST, silentLogger } from '@breakwater/registry-core';
import {
  buildImage,
  createTestDatabase,
  describeBlobStore,
  describeManifestStore,
  describeTagStore,
  movableClock,
  repositoryOf,
  storable,
  tagOf,
} from '@breakwater/test-kit';
import { describe, expect, test } from '@jest/globals';
import { createFilesystemContent } from '../storage/filesystem-content.js';
import { registryHostMigrations } from './migrations/index.js';
import { PostgresBlobRows } from './postgres-blob-rows.js';
import { PostgresManifestStore } from './postgres-manifest-store.js';
import { PostgresOrganizations } from './postgres-organizations.js';
import { PostgresTagStore } from './postgres-tag-store.js';
import { PostgresUnlinkedManifests } from './postgres-unlinked-manifests.js';
import { PostgresUsers } from './postgres-users.js';

const clock = movableClock();

async function testDatabase() {
  return createTestDatabase({ migrations: [registryHostMigrations()] });
}

describeManifestStore('Postgres', async () => {
  const database = await testDatabase();
  return { manifests: new PostgresManifestStore({ database: database.knex, clock }), close: () => database.drop() };
});

describeTagStore('Postgres', async () => {
  const database = await testDatabase();
  const manifests = new PostgresManifestStore({ database: database.knex, clock });
  const tags = new PostgresTagStore({ database: database.knex });
  return {
    tags,
    point: async (repository, tag, manifest) => {
      await manifests.put(repository, manifest);
      expect(await tags.point(repository, tag, manifest.digest)).toBe(true);
    },
    close: () => database.drop(),
  };
});

describeBlobStore('file system and Postgres', async () => {
  const database = await testDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'blob-store-'));
  const { blobs } = createFilesystemContent({
    url: pathToFileURL(join(directory, 'not made yet')).href,
    rows: new PostgresBlobRows({ database: database.knex, clock }),
    manifests: new PostgresUnlinkedManifests({ database: database.knex }),
    clock,
    logger: silentLogger,
  });
  return {
    blobs,
    close: async () => {
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
});

describe('PostgresManifestStore', () => {
  test('refuses bytes that are not those of the digest, and bytes that are no manifest', async () => {
    const database = await testDatabase();
    try {
      const store = new PostgresManifestStore({ database: database.knex, clock });
      const repository = repositoryOf('org/app');
      const { digest } = buildImage({ seed: 1 }).manifest;
      const other = storable(buildImage({ seed: 2 }).manifest);
      await expect(store.put(repository, { ...other, digest })).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
      const bytes = Buffer.from('{}');
      const broken = { digest: digestOf(bytes), mediaType: OCI_MANIFEST, bytes } as const;
      await expect(store.put(repository, broken)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
      expect(await store.get(repository, digest)).toBeUndefined();
      expect(await store.get(repository, digestOf(bytes))).toBeUndefined();
    } finally {
      await database.drop();
    }
  });

  test('bytes that are not those of the digest any more are a miss where the upstream has them, and no answer elsewhere', async () => {
    const database = await testDatabase();
    try {
      const { manifest } = buildImage({ seed: 'rotten' });
      const manifests = new PostgresManifestStore({ database: database.knex, clock });
      const [proxied, hosted] = [repositoryOf('acme/app', 'docker.io'), repositoryOf('acme/app')];
      for (const repository of [proxied, hosted]) await manifests.put(repository, storable(manifest));
      await database.knex('manifest').update({ bytes: Buffer.from('{}') });
      expect(await manifests.get(proxied, manifest.digest)).toBeUndefined();
      await expect(manifests.get(hosted, manifest.digest)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await manifests.put(proxied, storable(manifest));
      expect((await manifests.get(hosted, manifest.digest))?.bytes).toEqual(manifest.bytes);
    } finally {
      await database.drop();
    }
  });
});

describe('PostgresTagStore', () => {
  test('points no tag at a manifest that the repository does not have', async () => {
    const database = await testDatabase();
    try {
      const tags = new PostgresTagStore({ database: database.knex });
      const { digest } = buildImage({ seed: 1 }).manifest;
      expect(await tags.point(repositoryOf('org/app'), tagOf('latest'), digest)).toBe(false);
      expect(await tags.resolve(repositoryOf('org/app'), tagOf('latest'))).toBeUndefined();
    } finally {
      await database.drop();
    }
  });

  test('lists nothing for a repository with manifests and no tags, which is not the same as no repository', async () => {
    const database = await testDatabase();
    try {
      const repository = repositoryOf('org/app');
      const manifests = new PostgresManifestStore({ database: database.knex, clock });
      await manifests.put(repository, storable(buildImage({ seed: 1 }).manifest));
      const tags = new PostgresTagStore({ database: database.knex });
      expect(await tags.list(repository, { last: undefined, limit: 5 })).toEqual({ tags: [], more: false });
    } finally {
      await database.drop();
    }
  });
});

describe('organizations and users', () => {
  test('an organization is created once, a conflict is a value, and names are listed in pages', async () => {
    const database = await testDatabase();
    try {
      const organizations = new PostgresOrganizations({ database: database.knex, clock });
      const [a, b, c] = ['a-org', 'b-org', 'c-org'].map((name) => repositoryOf(`${name}/x`).organization);
      if (a === undefined || b === undefined || c === undefined) throw new Error('no names');
      const created = await Promise.all([a, a, b, c].map((name) => organizations.create(name)));
      expect([...created].sort()).toEqual(['created', 'created', 'created', 'exists']);
      expect(await organizations.exists(b)).toBe(true);
      expect(await organizations.exists(repositoryOf('nobody/x').organization)).toBe(false);
      expect(await organizations.list({ last: undefined, limit: 2 })).toEqual({ names: [a, b], more: true });
      expect(await organizations.list({ last: b, limit: 2 })).toEqual({ names: [c], more: false });
    } finally {
      await database.drop();
    }
  });

  test('a user is found as it was put last; names that no column can hold are nobody', async () => {
    const database = await testDatabase();
    try {
      const users = new PostgresUsers({ database: database.knex, clock: movableClock() });
      await users.put({ name: 'admin', passwordHash: 'one', isAdministrator: false });
      await users.put({ name: 'admin', passwordHash: 'two', isAdministrator: true });
      expect(await users.find('admin')).toEqual({ name: 'admin', passwordHash: 'two', isAdministrator: true });
      expect(await users.find('Admin')).toBeUndefined();
      expect(await users.find('admin\0')).toBeUndefined();
    } finally {
      await database.drop();
    }
  });
});
