import { digestOf } from '@breakwater/registry-core';
import { createTestDatabase, movableClock, repositoryOf, type TestDatabase } from '@breakwater/test-kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { registryHostMigrations } from './migrations/index.js';
import { PostgresBlobRows } from './postgres-blob-rows.js';

// What each change of a row asks of the row: a generation that is not live any more takes no link, and one that is live
// is not erased. The ways through all of them: storage/content-safety.test.ts.

const repository = repositoryOf('acme/app');
const digest = digestOf(Buffer.from('a blob'));
const first = { digest, generation: 'first', size: 6 };
const second = { digest, generation: 'second', size: 6 };

let database: TestDatabase;
let rows: PostgresBlobRows;

beforeAll(async () => {
  database = await createTestDatabase({ migrations: [registryHostMigrations()] });
  rows = new PostgresBlobRows({ database: database.knex, clock: movableClock() });
  await rows.publish(repository, first, undefined);
});
afterAll(() => database.drop());

test('a live generation is not erased, nor its mark of damage', async () => {
  await rows.report(first, 'missing');
  expect(await rows.erase(first)).toBe(false);
  expect(await rows.live(digest)).toEqual({ ...first, damage: 'missing' });
});

test('one of two publications wins', async () => {
  expect(await rows.publish(repository, second, undefined)).toBe(false);
  expect(await rows.live(digest)).toMatchObject(first);
});

test('a generation that was replaced takes no link and no report, and is erased', async () => {
  const elsewhere = repositoryOf('acme/other');
  expect(await rows.publish(repository, second, first.generation)).toBe(true);
  expect(await rows.link(elsewhere, first)).toBe(false);
  expect(await rows.linked(elsewhere, digest)).toBeUndefined();
  await rows.clear(first);
  expect(await rows.report(first, 'content')).toBe(false);
  expect(await rows.erase(first)).toBe(true);
  expect(await rows.known([first, second])).toEqual([false, true]);
  expect(await rows.link(elsewhere, second)).toBe(true);
  expect(await rows.linked(elsewhere, digest)).toEqual(second);
});
