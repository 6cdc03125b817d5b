import type { OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { BucketRow } from '../timeline/bucket-page.js';
import type { BucketLength, TimeWindow } from '../timeline/time-window.js';
import type { MinuteCount, TimelineClass, TimelineKind } from '../timeline/timeline-kinds.js';
import { repeatable } from './repeatable.js';

interface SumRow {
  readonly kind: TimelineKind;
  readonly failure_class: TimelineClass;
  /** A text, because it may be larger than a number. */
  readonly count: string;
}

/** The rows of the timeline, one function per statement. */
export class OutageMinuteTable {
  constructor(private readonly knex: Knex) {}

  /** Adds counts to what is there. In the order of the key, so that processes which write the same rows never deadlock. */
  async add(counts: readonly MinuteCount[]): Promise<void> {
    if (counts.length === 0) return;
    const rows = counts.map(({ organization, minute, kind, failureClass, count }) => ({
      organization,
      minute: new Date(minute).toISOString(),
      kind,
      failure_class: failureClass,
      count,
    }));
    await this.knex.raw(
      `insert into outage_minute (organization, minute, kind, failure_class, count)
       select organization, minute, kind, failure_class, count from jsonb_to_recordset(?::jsonb)
         as c(organization text, minute timestamptz, kind text, failure_class text, count bigint)
       order by organization, minute, kind, failure_class
       on conflict (organization, minute, kind, failure_class)
         do update set count = outage_minute.count + excluded.count`,
      [JSON.stringify(rows)],
    );
  }

  /** The buckets of a stretch of time in its order, at most `maxRows` rows. Minutes come straight off the key. */
  async buckets(
    organization: OrganizationName,
    { from, to }: TimeWindow,
    by: BucketLength,
    maxRows: number,
  ): Promise<readonly BucketRow[]> {
    const parameters = { organization, from: new Date(from), to: new Date(to), by, maxRows };
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly (SumRow & { readonly start: Date })[] }>(
        by === 'minute'
          ? `select minute as start, kind, failure_class, count from outage_minute
             where organization = :organization and minute >= :from and minute < :to
             order by minute, kind, failure_class limit :maxRows`
          : `select date_trunc(:by, minute, 'UTC') as start, kind, failure_class, sum(count) as count from outage_minute
             where organization = :organization and minute >= :from and minute < :to
             group by 1, 2, 3 order by 1, 2, 3 limit :maxRows`,
        parameters,
      ),
    );
    return rows.map((row) => ({ start: row.start.getTime(), ...toSum(row) }));
  }

  /** What a stretch of time adds up to. */
  async sums(organization: OrganizationName, { from, to }: TimeWindow): Promise<readonly Omit<BucketRow, 'start'>[]> {
    const rows = await repeatable(() =>
      this.knex('outage_minute')
        .where({ organization })
        .where('minute', '>=', new Date(from))
        .where('minute', '<', new Date(to))
        .groupBy('kind', 'failure_class')
        .select<SumRow[]>('kind', 'failure_class', this.knex.raw('sum(count) as count')),
    );
    return rows.map(toSum);
  }

  /**
   * The last minute of a kind and some of its classes, by its begin in ms since the epoch; `undefined` when there is none
   * since a time.
   */
  async latest(
    organization: OrganizationName,
    kind: TimelineKind,
    classes: readonly TimelineClass[],
    since: number,
  ): Promise<number | undefined> {
    const rows = await repeatable(() =>
      this.knex('outage_minute')
        .where({ organization, kind })
        .whereIn('failure_class', [...classes])
        .where('minute', '>=', new Date(since))
        .orderBy('minute', 'desc')
        .limit(1)
        .select<{ minute: Date }[]>('minute'),
    );
    return rows[0]?.minute.getTime();
  }

  /** The last minute of each kind since a time, by its begin in ms since the epoch. */
  async latestOfEach(
    organization: OrganizationName,
    since: number,
  ): Promise<Readonly<Partial<Record<TimelineKind, number>>>> {
    const rows = await repeatable(() =>
      this.knex('outage_minute')
        .where({ organization })
        .where('minute', '>=', new Date(since))
        .groupBy('kind')
        .select<{ kind: TimelineKind; minute: Date }[]>('kind', this.knex.raw('max(minute) as minute')),
    );
    return Object.fromEntries(rows.map(({ kind, minute }) => [kind, minute.getTime()]));
  }

  /**
   * Removes rows of minutes before a time, the oldest first, and resolves to how many. Rows that another process is about
   * to remove are left to it.
   */
  async prune(before: number, limit: number): Promise<number> {
    const { rowCount } = await this.knex.raw<{ rowCount: number }>(
      `delete from outage_minute where (organization, minute, kind, failure_class) in (
         select organization, minute, kind, failure_class from outage_minute
         where minute < ? order by minute limit ? for update skip locked)`,
      [new Date(before), limit],
    );
    return rowCount;
  }
}

function toSum(row: SumRow): Omit<BucketRow, 'start'> {
  return { kind: row.kind, failureClass: row.failure_class, count: Number(row.count) };
}
