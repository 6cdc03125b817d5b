import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest, Tag } from '@breakwater/registry-core';
import { buildImage, createTestDatabase, openPool, repositoryOf, type TestDatabase } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { proxyCacheMigrations } from '../src/index.js';
import { CachedTagTable } from '../src/postgres/cached-tag-table.js';
import { useCluster } from './support/use-cluster.js';

// What Postgres does to single statements (F95, F97), and what a mistake in one is, on the rows of cached tags.

const NOW = Date.UTC(2024, 0, 1);
const key = { repository: { ...repositoryOf('acme/app'), upstream: 'docker.io' }, tag: 'v1' as Tag };
const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;
const [one, two] = [digestOf(1), digestOf(2)] as const;
const unavailable = { code: 'UNAVAILABLE', detail: { reason: 'database' } };

describe('a statement on cached tags', () => {
  let database: TestDatabase;
  let knex: Knex;
  let other: Knex;
  let table: CachedTagTable;

  beforeAll(async () => {
    database = await createTestDatabase({ migrations: [proxyCacheMigrations()] });
    [knex, other] = [openPool(database.connection), openPool(database.connection)];
    table = new CachedTagTable(knex);
    await other.raw(`
      create sequence attempts;
      create function fails() returns trigger language plpgsql as $$
        begin
          if nextval('attempts') <= tg_argv[1]::int then
            raise exception 'broken off' using errcode = tg_argv[0];
          end if;
          return new;
        end $$`);
  }, 60_000);
  afterAll(async () => {
    await knex?.destroy();
    await other?.destroy();
    await database?.drop();
  });
  beforeEach(async () => {
    await other.raw('drop trigger if exists fails on cached_tag; delete from cached_tag');
    await table.move(key, 'https://docker.io', one, NOW);
  });

  /** The sessions of `knex` that wait for a lock. */
  async function waiting(): Promise<number[]> {
    const { rows } = await other.raw<{ rows: { pid: number }[] }>(
      `select pid from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query like '%cached_tag%'`,
    );
    return rows.map(({ pid }) => pid);
  }

  /** Ends the session of a statement while it waits, so often at most; then lets it through. */
  async function killing<T>(times: number, statement: () => Promise<T>): Promise<T> {
    const lock = await other.transaction();
    await lock.raw('lock table cached_tag in access exclusive mode');
    let settled = false;
    const outcome = statement();
    const done = () => {
      settled = true;
    };
    outcome.then(done, done);
    try {
      for (let killed = 0; killed < times && !settled; killed += 1) {
        while ((await waiting()).length === 0 && !settled) await sleep(10);
        for (const pid of await waiting()) await other.raw('select pg_terminate_backend(?, 5000)', [pid]);
      }
    } finally {
      await lock.commit();
    }
    return outcome;
  }

  const statements: readonly (readonly [string, () => Promise<unknown>, unknown])[] = [
    ['find', () => table.find(key), expect.objectContaining({ digest: one })],
    ['confirm', () => table.confirm(key, one, NOW + 1), true],
    ['move', () => table.move(key, 'https://docker.io', two, NOW + 1), expect.objectContaining({ moved: true })],
    ['pin', () => table.pin(key, true), true],
    ['noteUses', () => table.noteUses([{ key, at: NOW + 1 }]), undefined],
    ['page', () => table.page(undefined, 10), [expect.objectContaining({ key })]],
  ];

  test.each(statements)(
    '%s is made again when the server ends its session, and not for ever',
    async (_name, statement, result) => {
      expect(await killing(1, statement)).toEqual(result);
      await expect(killing(5, statement)).rejects.toMatchObject(unavailable);
    },
  );

  const writes = statements.filter(([name]) => !['find', 'page'].includes(name));
  test.each(writes)('%s is made again up to three times when it loses a tie', async (_name, statement, result) => {
    const failing = async (state: string, times: number) => {
      await other.raw(`alter sequence attempts restart; drop trigger if exists fails on cached_tag;
        create trigger fails before insert or update on cached_tag for each row execute function fails('${state}', ${times})`);
    };
    await failing('40P01', 3);
    expect(await statement()).toEqual(result);
    await failing('40001', 4);
    await expect(statement()).rejects.toMatchObject(unavailable);
  });

  test('a mistake in a statement is no outage', async () => {
    await other.raw('alter table cached_tag rename column digest to content');
    try {
      await expect(table.confirm(key, one, NOW)).rejects.toMatchObject({ code: '42703' });
    } finally {
      await other.raw('alter table cached_tag rename column content to digest');
    }
  });
});

describe('a pull', () => {
  const cluster = useCluster();

  test('that meets a mistake in a statement is a 500, and an error in the log; never an outage, nor a miss', async () => {
    await cluster.startUpstream(buildImage({ seed: 1 }));
    const cache = await cluster.startCache();
    await cache.knex.raw('alter table cached_tag rename column digest to content');
    try {
      expect(await cache.get('/v2/acme/app/manifests/v1')).toMatchObject({ status: 500 });
      expect(cache.lines).toContainEqual(
        expect.objectContaining({
          level: 'error',
          fields: expect.objectContaining({ err: expect.objectContaining({ code: '42703' }) }),
        }),
      );
    } finally {
      await cache.knex.raw('alter table cached_tag rename column content to digest');
    }
    expect(await cache.get('/v2/acme/app/manifests/v1')).toMatchObject({ status: 200 });
  });
});
