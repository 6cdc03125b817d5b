import type { OutageClass } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { HealthRecord } from '../health/health-record.js';

/** Whose health a record is: an origin's (credential ''), or that of one credential at it. */
export interface HealthKey {
  readonly origin: string;
  readonly credential: string;
}

interface HealthRow {
  readonly origin: string;
  readonly credential: string;
  readonly failure_class: string | null;
  readonly failures: number;
  readonly upstream_status: number | null;
  readonly down_since: Date | null;
  readonly next_check_at: Date | null;
  readonly retry_after_until: Date | null;
  readonly last_success_at: Date | null;
  readonly last_failure_at: Date | null;
  readonly last_failure_class: string | null;
  readonly rate_limit: number | null;
  readonly rate_remaining: number | null;
  readonly rate_window_s: number | null;
  readonly rate_told_at: Date | null;
}

/** The rows of upstream health, one function per statement. */
export class UpstreamHealthTable {
  constructor(private readonly knex: Knex) {}

  /** The records of an origin: its own and those of its credentials. */
  async findAll(origin: string): Promise<ReadonlyMap<string, HealthRecord>> {
    const rows = await this.knex<HealthRow>('upstream_health').where({ origin });
    return new Map(rows.map((row) => [row.credential, toRecord(row)]));
  }

  /** The token server that each registry names. All are origins. */
  async tokenServers(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.knex<{ registry: string; token_server: string }>('upstream_token_server').select();
    return new Map(rows.map(({ registry, token_server }) => [registry, token_server]));
  }

  async setTokenServer(registry: string, tokenServer: string): Promise<void> {
    await this.knex('upstream_token_server')
      .insert({ registry, token_server: tokenServer })
      .onConflict('registry')
      .merge();
  }

  async knownDown(): Promise<readonly { readonly key: HealthKey; readonly record: HealthRecord }[]> {
    const rows = await this.knex<HealthRow>('upstream_health').whereNotNull('down_since');
    return rows.map((row) => ({ key: { origin: row.origin, credential: row.credential }, record: toRecord(row) }));
  }

  /** The records of the origins and credentials that were heard of last. */
  async latest(limit: number): Promise<readonly { readonly key: HealthKey; readonly record: HealthRecord }[]> {
    const rows = await this.knex<HealthRow>('upstream_health')
      .orderByRaw('greatest(last_success_at, last_failure_at, rate_told_at) desc nulls last')
      .limit(limit);
    return rows.map((row) => ({ key: { origin: row.origin, credential: row.credential }, record: toRecord(row) }));
  }

  /** Changes a record under its row lock, so that processes count failures together. Resolves to before and after. */
  async change(
    key: HealthKey,
    change: (record: HealthRecord) => HealthRecord,
  ): Promise<{ readonly before: HealthRecord; readonly after: HealthRecord }> {
    return this.knex.transaction(async (transaction) => {
      await transaction('upstream_health').insert(key).onConflict(['origin', 'credential']).ignore();
      const row = await transaction<HealthRow>('upstream_health').where(key).forUpdate().first();
      const before = row === undefined ? { failures: 0 } : toRecord(row);
      const after = change(before);
      await transaction('upstream_health').where(key).update(toColumns(after));
      return { before, after };
    });
  }

  /** Takes the due check of a known-down record for this process, and puts it off for the others. */
  async claimCheck(key: HealthKey, now: number, until: number): Promise<boolean> {
    const claimed = await this.knex('upstream_health')
      .where(key)
      .whereNotNull('down_since')
      .where('next_check_at', '<=', new Date(now))
      .update({ next_check_at: new Date(until) });
    return claimed > 0;
  }
}

function toRecord(row: HealthRow): HealthRecord {
  return {
    failures: row.failures,
    ...(row.failure_class === null ? {} : { failureClass: row.failure_class as OutageClass }),
    ...(row.upstream_status === null ? {} : { upstreamStatus: row.upstream_status }),
    ...(row.down_since === null ? {} : { downSince: row.down_since.getTime() }),
    ...(row.next_check_at === null ? {} : { nextCheckAt: row.next_check_at.getTime() }),
    ...(row.retry_after_until === null ? {} : { retryAfterUntil: row.retry_after_until.getTime() }),
    ...(row.last_success_at === null ? {} : { lastSuccessAt: row.last_success_at.getTime() }),
    ...(row.last_failure_at === null ? {} : { lastFailureAt: row.last_failure_at.getTime() }),
    ...(row.last_failure_class === null ? {} : { lastFailureClass: row.last_failure_class as OutageClass }),
    ...toRateLimit(row),
  };
}

function toRateLimit(row: HealthRow): Pick<HealthRecord, 'rateLimit'> {
  const { rate_limit: limit, rate_remaining: remaining, rate_window_s: windowS, rate_told_at: at } = row;
  if (limit === null || remaining === null || windowS === null || at === null) return {};
  return { rateLimit: { limit, remaining, windowS, at: at.getTime() } };
}

function toColumns(record: HealthRecord) {
  return {
    failure_class: record.failureClass ?? null,
    failures: record.failures,
    upstream_status: record.upstreamStatus ?? null,
    down_since: toDate(record.downSince),
    next_check_at: toDate(record.nextCheckAt),
    retry_after_until: toDate(record.retryAfterUntil),
    last_success_at: toDate(record.lastSuccessAt),
    last_failure_at: toDate(record.lastFailureAt),
    last_failure_class: record.lastFailureClass ?? null,
    rate_limit: record.rateLimit?.limit ?? null,
    rate_remaining: record.rateLimit?.remaining ?? null,
    rate_window_s: record.rateLimit?.windowS ?? null,
    rate_told_at: toDate(record.rateLimit?.at),
  };
}

function toDate(time: number | undefined): Date | null {
  return time === undefined ? null : new Date(time);
}
