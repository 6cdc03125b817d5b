import { setTimeout as sleep } from 'node:timers/promises';
import { type OrganizationName, type RepositoryName, silentLogger, type Tag } from '@breakwater/registry-core';
import { createTestDatabase, movableClock, openPool, type TestDatabase } from '@breakwater/test-kit';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { proxyCacheMigrations } from '../src/index.js';
import { CachedTagSummaries } from '../src/postgres/cached-tag-summary.js';
import { OutageMinuteTable } from '../src/postgres/outage-minute-table.js';
import type { BucketPage } from '../src/timeline/bucket-page.js';
import { OutageCounts } from '../src/timeline/outage-counts.js';
import { OutageTimeline } from '../src/timeline/outage-timeline.js';
import { type BucketLength, KEPT_MS, type Period, windowUntil } from '../src/timeline/time-window.js';
import { MINUTE_MS } from '../src/timeline/timeline-kinds.js';

const lab = 'lab' as OrganizationName;
const START = Date.UTC(2024, 1, 29, 13, 7, 31);
const clock = movableClock(START);
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase({ migrations: [proxyCacheMigrations()] });
});
afterAll(() => database.drop());
beforeEach(async () => {
  clock.set(START);
  await database.knex('outage_minute').delete();
});

/** A process of a cluster, on a pool of its own or on the one of the test. */
function startProcess(knex = database.knex) {
  const table = new OutageMinuteTable(knex);
  const counts = new OutageCounts(table, clock, silentLogger);
  const timeline = new OutageTimeline(table, counts, clock, silentLogger);
  const page = (period: Period, by: BucketLength) => timeline.page(lab, windowUntil(clock.now(), period, by), by);
  return { table, counts, timeline, page };
}

const shown = ({ buckets }: BucketPage) =>
  buckets.map(({ start, counts }) => [new Date(start).toISOString().slice(0, 16), counts]);

test('two processes add up, also when they write at the same time', async () => {
  const other = openPool(database.connection);
  try {
    const processes = [startProcess(), startProcess(other)];
    const classes = ['connect', 'dns', 'timeout', 'tls'] as const;
    for (let round = 0; round < 20; round += 1) {
      for (const { counts } of processes) {
        const order = round % 2 === 0 ? classes : classes.toReversed();
        for (const failureClass of order) counts.note(lab, 'shielded_pull', failureClass);
      }
      await Promise.all(processes.map(({ counts }) => counts.flush()));
    }
    for (const { timeline } of processes) {
      expect(await timeline.lastDay(lab)).toEqual({ shielded_pull: { connect: 40, dns: 40, timeout: 40, tls: 40 } });
    }
  } finally {
    await other.destroy();
  }
});

test('rows are locked in the order of their key, so that processes which write the same ones never deadlock', async () => {
  const { table } = startProcess();
  const minute = Math.floor(START / MINUTE_MS) * MINUTE_MS;
  const row = (failureClass: 'connect' | 'dns') =>
    ({ organization: lab, minute, kind: 'masked_error', failureClass, count: 1 }) as const;
  await table.add([row('connect'), row('dns')]);
  const adding = await database.knex.transaction(async (transaction) => {
    const touch = (failureClass: string) =>
      transaction('outage_minute').where({ failure_class: failureClass }).update({ count: 10 });
    await touch('connect');
    const waiting = table.add([row('dns'), row('connect')]);
    // Whoever is refused hears of it below.
    waiting.catch(() => undefined);
    while ((await transaction.raw('select 1 from pg_locks where not granted')).rowCount === 0) await sleep(5);
    await touch('dns');
    return [waiting];
  });
  await Promise.all(adding);
  const sums = await table.sums(lab, windowUntil(clock.now(), '24h', 'minute'));
  expect(sums.toSorted((a, b) => a.failureClass.localeCompare(b.failureClass))).toEqual([
    { kind: 'masked_error', failureClass: 'connect', count: 11 },
    { kind: 'masked_error', failureClass: 'dns', count: 11 },
  ]);
});

test('by minute, hour and day, in UTC, and of one organization only', async () => {
  const { counts, page } = startProcess();
  counts.note(lab, 'shielded_pull', 'connect');
  counts.note('other' as OrganizationName, 'shielded_pull', 'connect');
  clock.advance({ minutes: 1 });
  counts.note(lab, 'shielded_pull', 'connect');
  counts.note(lab, 'passed_error', 'removed');
  clock.advance({ hours: 11 });
  counts.note(lab, 'shielded_pull', 'dns');

  expect(shown(await page('24h', 'minute'))).toEqual([
    ['2024-02-29T13:07', { shielded_pull: { connect: 1 } }],
    ['2024-02-29T13:08', { shielded_pull: { connect: 1 }, passed_error: { removed: 1 } }],
    ['2024-03-01T00:08', { shielded_pull: { dns: 1 } }],
  ]);
  expect(shown(await page('7d', 'hour'))).toEqual([
    ['2024-02-29T13:00', { shielded_pull: { connect: 2 }, passed_error: { removed: 1 } }],
    ['2024-03-01T00:00', { shielded_pull: { dns: 1 } }],
  ]);
  expect(shown(await page('30d', 'day'))).toEqual([
    ['2024-02-29T00:00', { shielded_pull: { connect: 2 }, passed_error: { removed: 1 } }],
    ['2024-03-01T00:00', { shielded_pull: { dns: 1 } }],
  ]);
  clock.advance({ days: 1 });
  expect(shown(await page('24h', 'minute'))).toEqual([['2024-03-01T00:08', { shielded_pull: { dns: 1 } }]]);
});

test('a listing of minutes has pages, and no minute is lost or told twice between them', async () => {
  const { timeline } = startProcess();
  await fillMinutes(2_500);
  const window = windowUntil(clock.now(), '7d', 'minute');
  const starts: number[] = [];
  const sizes: number[] = [];
  for (let from: number | undefined = window.from; from !== undefined; ) {
    const page: BucketPage = await timeline.page(lab, { from, to: window.to }, 'minute');
    sizes.push(page.buckets.length);
    starts.push(...page.buckets.map(({ start }) => start));
    from = page.next;
  }
  expect(sizes).toEqual([1_000, 1_000, 500]);
  expect(new Set(starts).size).toBe(2_500);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
});

test('what is older than is kept is pruned in batches, and nothing else', async () => {
  const { timeline } = startProcess();
  await fillMinutes(12_000);
  clock.advance({ ms: KEPT_MS });
  clock.advance({ minutes: -10 });
  await timeline.prune();
  // The ten minutes that began less than 31 days ago.
  expect(await rows()).toBe(10);
  clock.advance({ minutes: 10 });
  await timeline.prune();
  expect(await rows()).toBe(0);
});

test('two processes that prune do not wait for each other', async () => {
  await fillMinutes(10);
  clock.advance({ ms: 2 * KEPT_MS });
  await database.knex.transaction(async (transaction) => {
    expect(await new OutageMinuteTable(transaction).prune(clock.now(), 4)).toBe(4);
    expect(await startProcess().table.prune(clock.now(), 100)).toBe(6);
  });
  expect(await rows()).toBe(0);
});

test('readers and pruning use an index', async () => {
  await fillMinutes(1_000);
  await database.knex.raw(
    `insert into outage_minute select 'org' || o, minute, kind, failure_class, count
     from outage_minute, generate_series(1, 20) o`,
  );
  await database.knex.raw('analyze outage_minute');
  const plans = await database.knex.transaction(async (transaction) => {
    await transaction.raw('set local enable_seqscan = off');
    const explain = async (sql: string) =>
      JSON.stringify((await transaction.raw(`explain ${sql}`)).rows.map((row: object) => Object.values(row)));
    return [
      await explain(
        "select * from outage_minute where organization = 'lab' and minute >= '2024-02-29' order by minute",
      ),
      await explain("select * from outage_minute where minute < '2024-02-29' order by minute limit 5"),
    ];
  });
  expect(plans[0]).toContain('outage_minute_pkey');
  expect(plans[1]).toContain('outage_minute_minute_index');
});

test('without Postgres reading fails as our own outage, and the counts wait', async () => {
  const broken = openPool({ ...database.connection, database: 'no_such_database' });
  try {
    const { counts, timeline } = startProcess(broken);
    counts.note(lab, 'shielded_pull', 'connect');
    await expect(timeline.lastDay(lab)).rejects.toMatchObject({ code: 'UNAVAILABLE', detail: { reason: 'database' } });
    await expect(counts.flush()).rejects.toThrow();
    expect(await rows()).toBe(0);
  } finally {
    await broken.destroy();
  }
});

test('what is cached is summed up without reading all of it', async () => {
  const upstream = 'docker.io';
  await database.knex.raw(
    `insert into cached_tag (organization, upstream, repository, tag, origin, digest, confirmed_at, last_used_at)
     select :organization, :upstream, :repository, 't' || n, 'https://registry-1.docker.io', 'sha256:0',
            :now::timestamptz - n * interval '1 second', :now
     from generate_series(1, 10050) n`,
    {
      organization: lab,
      upstream,
      repository: 'app' as RepositoryName,
      tag: 'v1' as Tag,
      now: new Date(START),
    },
  );
  const summaries = new CachedTagSummaries(database.knex);
  // One that was confirmed exactly a period ago is still within it.
  expect(await summaries.find(lab, upstream, START - 10_000_000)).toEqual({
    tags: 10_000,
    lapsed: 50,
    oldestConfirmedAt: START - 10_050_000,
  });
  expect(await summaries.find(lab, 'quay.io', START)).toEqual({ tags: 0, lapsed: 0 });
});

/** One shielded pull in each of the last so many minutes. */
async function fillMinutes(minutes: number): Promise<void> {
  await database.knex.raw(
    `insert into outage_minute (organization, minute, kind, failure_class, count)
     select :organization, date_trunc('minute', :now::timestamptz) - n * interval '1 minute', 'shielded_pull', 'connect', 1
     from generate_series(0, :last) n`,
    { organization: lab, now: new Date(clock.now()), last: minutes - 1 },
  );
}

async function rows(): Promise<number> {
  const [row] = await database.knex('outage_minute').count({ count: '*' });
  return Number(row?.['count']);
}
