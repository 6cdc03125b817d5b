import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createGc, type GcReport, gcMigrations } from '@breakwater/gc';
import { createProxyCache, proxyCacheMigrations } from '@breakwater/proxy-cache';
import { type Access, digestOf, silentLogger } from '@breakwater/registry-core';
import {
  createTestDatabase,
  MemoryBlobStore,
  MemoryManifestStore,
  movableClock,
  openPool,
  repositoryOf,
  type TestDatabase,
  writeBlobFile,
} from '@breakwater/test-kit';
import { expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import { registryHostMigrations } from '../src/postgres/migrations/index.js';
import { PostgresBlobRows } from '../src/postgres/postgres-blob-rows.js';
import { PostgresContentSweep } from '../src/postgres/postgres-content-sweep.js';
import { PostgresContentUsage } from '../src/postgres/postgres-content-usage.js';
import { PostgresUnlinkedManifests } from '../src/postgres/postgres-unlinked-manifests.js';
import { createFilesystemContent } from '../src/storage/filesystem-content.js';

// What a run costs as what is kept grows. `npm run test:gc-scale` goes up to a million tags and 200,000 blobs.

const SIZES = (process.env['BREAKWATER_TEST_GC_SCALE'] ?? '10000,50000').split(',').map(Number);
/** The same in every store, however large: 10 images with 10 tags each. */
const GOING_TAGS = 100;
const DAY_S = 86_400;
const MIB = 1024 ** 2;

const access: Access = {
  authenticate: async () => undefined,
  authorize: async () => false,
  challenge: () => 'Basic',
};

interface Store extends AsyncDisposable {
  readonly database: TestDatabase;
  /** One run over a pool of its own. */
  run(): Promise<{
    readonly report: GcReport;
    readonly rowsRead: number;
    readonly ms: number;
    readonly grownMib: number;
  }>;
}

/** A store of so many tags, a tenth as many images and a fifth as many blobs, of which the oldest tags are due. */
async function storeOf(tags: number, due: number): Promise<Store> {
  const database = await createTestDatabase({
    migrations: [registryHostMigrations(), proxyCacheMigrations(), gcMigrations()],
  });
  const directory = await mkdtemp(join(tmpdir(), 'gc-scale-'));
  const clock = movableClock();
  const content = (knex: Knex) =>
    createFilesystemContent({
      url: pathToFileURL(join(directory, 'store')).href,
      rows: new PostgresBlobRows({ database: knex, clock }),
      manifests: new PostgresUnlinkedManifests({ database: knex }),
      clock,
      logger: silentLogger,
    });
  const bytes = Buffer.from('the first blob makes the store known to the database');
  const first = await writeBlobFile(directory, bytes);
  await content(database.knex).blobs.import(repositoryOf('hosted/app'), digestOf(bytes), first);
  await fill(database.knex, tags, due, clock.now());
  const settings = {
    upstream: 'registry.example',
    stalenessPeriodS: DAY_S,
    expirationS: DAY_S,
  };
  return {
    database,
    async run() {
      const knex = openPool(database.connection);
      const proxyCache = createProxyCache({
        knex,
        settings: { find: async (organization) => ({ organization, ...settings }) as never },
        access,
        manifests: new MemoryManifestStore(),
        blobs: new MemoryBlobStore(),
        spoolDirectory: join(directory, 'spool'),
        clock,
        logger: silentLogger,
      });
      const gc = createGc({
        knex,
        clock,
        logger: silentLogger,
        access,
        tags: proxyCache.tags,
        released: proxyCache.released,
        sweep: new PostgresContentSweep({ database: knex, clock, logger: silentLogger }),
        disposal: content(knex).disposal,
        usage: new PostgresContentUsage({ database: knex }),
      });
      const before = await rowsRead(database.knex);
      const base = process.memoryUsage().rss;
      let peak = base;
      const sampling = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().rss);
      }, 20);
      const began = performance.now();
      const report = await gc.runOnce();
      const ms = performance.now() - began;
      clearInterval(sampling);
      await gc.stop();
      await proxyCache.close();
      // A session that ends has said what it read.
      await knex.destroy();
      const after = await rowsRead(database.knex);
      return { report, rowsRead: after - before, ms, grownMib: (peak - base) / MIB };
    },
    async [Symbol.asyncDispose]() {
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
}

/** Everything but what is due was used an hour ago; nothing waits to be looked at. */
async function fill(knex: Knex, tags: number, due: number, now: number): Promise<void> {
  const images = tags / 10;
  const facts = { images, due: due / 10, now, recent: now - 3_600_000, old: now - 10 * DAY_S * 1000 };
  const digest = (of: string) => `'sha256:' || encode(sha256(convert_to(${of}, 'utf8')), 'hex')`;
  const place = `'org' || (i % 10), 'registry.example', 'team/app' || (i / 100)`;
  const used = 'CASE WHEN i < CAST(:due AS bigint) THEN CAST(:old AS bigint) ELSE CAST(:recent AS bigint) END';
  await knex.raw(
    `INSERT INTO manifest (digest, bytes, size)
     SELECT ${digest(`'image' || i`)}, '\\x00', 1 FROM generate_series(0, CAST(:images AS int) - 1) i`,
    facts,
  );
  for (const layer of ['config', 'layer']) {
    await knex.raw(
      `INSERT INTO blob (digest, generation, size, state, created_at)
       SELECT ${digest(`'${layer}' || i`)}, md5('${layer}' || i), 1000, 'live', :old
         FROM generate_series(0, CAST(:images AS int) - 1) i`,
      facts,
    );
    await knex.raw(
      `INSERT INTO manifest_reference (digest, kind, referenced_digest)
       SELECT ${digest(`'image' || i`)}, 'blob', ${digest(`'${layer}' || i`)} FROM generate_series(0, CAST(:images AS int) - 1) i`,
      facts,
    );
    await knex.raw(
      `INSERT INTO content_link (organization, upstream, repository, kind, digest, linked_at, used_at)
       SELECT ${place}, 'blob', ${digest(`'${layer}' || i`)}, :old, ${used} FROM generate_series(0, CAST(:images AS int) - 1) i`,
      facts,
    );
  }
  await knex.raw(
    `INSERT INTO content_link (organization, upstream, repository, kind, digest, media_type, linked_at, used_at)
     SELECT ${place}, 'manifest', ${digest(`'image' || i`)}, 'application/vnd.oci.image.manifest.v1+json', :old, ${used}
       FROM generate_series(0, CAST(:images AS int) - 1) i`,
    facts,
  );
  await knex.raw(
    `INSERT INTO cached_tag (organization, upstream, repository, tag, origin, digest, confirmed_at, last_used_at)
     SELECT ${place}, 'v' || i || '-' || t, 'https://registry.example', ${digest(`'image' || i`)},
            to_timestamp((${used}) / 1000.0), to_timestamp((${used}) / 1000.0)
       FROM generate_series(0, CAST(:images AS int) - 1) i, generate_series(0, 9) t`,
    facts,
  );
  await knex.raw('TRUNCATE sweep_candidate');
  await knex.raw('VACUUM ANALYZE');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Rows that Postgres has read from tables so far, by its own count. */
async function rowsRead(knex: Knex): Promise<number> {
  await knex.raw('SELECT pg_stat_force_next_flush()');
  await knex.raw('SELECT 1');
  const { rows } = await knex.raw<{ rows: { read: string }[] }>(
    `SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) AS read FROM pg_stat_user_tables`,
  );
  return Number(rows[0]?.read);
}

test('the rows that a run reads grow with what goes and not with what is kept', async () => {
  const read: number[] = [];
  for (const tags of SIZES) {
    await using store = await storeOf(tags, GOING_TAGS);
    const { report, rowsRead: rows, ms } = await store.run();
    expect(report).toMatchObject({ outcome: 'done', expiredTotal: 100, freed: { manifests: 10, blobs: 20 } });
    say(`${tags} tags, 100 due: ${rows} rows read, ${Math.round(ms)} ms`);
    read.push(rows);
  }
  expect(Math.max(...read)).toBeLessThan(2 * Math.min(...read));
});

test('with 1 % to remove a run needs less than 300 MiB more than before', async () => {
  const tags = SIZES.at(-1) ?? 0;
  await using store = await storeOf(tags, tags / 100);
  const { report, rowsRead: rows, ms, grownMib } = await store.run();
  expect(report).toMatchObject({ outcome: 'done', expiredTotal: tags / 100, freed: { blobs: tags / 500 } });
  say(`${tags} tags, 1 % due: ${(ms / 1000).toFixed(1)} s, ${rows} rows read, ${Math.round(grownMib)} MiB more`);
  expect(grownMib).toBeLessThan(300);
});
