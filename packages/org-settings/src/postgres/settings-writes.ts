import { type Clock, callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { AuditEntry, SettingsWrite, SettingsWrites } from '../settings-store.js';
import { SETTINGS_COLUMNS, type SettingsRow, storedSettings } from './settings-row.js';

/** Writes settings to Postgres. The time is the clock's, never the server's. */
export function createSettingsWrites(knex: Knex, clock: Clock): SettingsWrites {
  /** Raises the change number and runs the statement that needs it; nothing happens when that returns no row. */
  async function write(
    organization: string,
    audit: AuditEntry,
    statement: (change: number, at: Date) => readonly [sql: string, bindings: Knex.ValueDict],
  ): Promise<{ readonly row: SettingsRow; readonly change: number } | undefined> {
    return callDatabase(async () => {
      const transaction = await knex.transaction();
      try {
        const change = await nextChange(transaction);
        const at = new Date(clock.now());
        const [sql, bindings] = statement(change, at);
        const result: { readonly rows: readonly SettingsRow[] } = await transaction.raw(sql, bindings);
        const [row] = result.rows;
        if (row === undefined) {
          await transaction.rollback();
          return undefined;
        }
        await insertAudit(transaction, change, organization, audit, at);
        await transaction.commit();
        return { row, change };
      } catch (error) {
        await transaction.rollback().catch(() => undefined);
        throw error;
      }
    });
  }

  return {
    async create(settings, audit) {
      const written = await write(settings.organization, audit, (change, at) => [
        `insert into proxy_cache_config as c
           (organization, upstream_registry, insecure, upstream_ca_pem, credentials, credential_version, staleness_period_s,
            check_interval_s, expiration_s, serve_when_removed, serve_when_denied, anonymous_pull,
            prefetch, prefetch_max_bytes, quota_bytes, version, created_at, updated_at)
         values
           (:organization, :upstream, :insecure, :upstreamCaPem, :sealed, :change, :stalenessPeriodS,
            :checkIntervalS, :expirationS, :serveWhenRemoved, :serveWhenDenied, :anonymousPull,
            :prefetch, :prefetchMaxBytes, :quotaBytes, :change, :at, :at)
         on conflict (organization) do nothing
         returning ${SETTINGS_COLUMNS}`,
        { ...columnValues(settings), change, at },
      ]);
      return written && storedSettings(written.row);
    },

    async replace(version, settings, audit) {
      const written = await write(settings.organization, audit, (change, at) => [
        `update proxy_cache_config as c set
           upstream_registry = :upstream, insecure = :insecure, upstream_ca_pem = :upstreamCaPem, credentials = :sealed,
           credential_version = ${settings.renewsCredentials ? ':change' : 'credential_version'},
           staleness_period_s = :stalenessPeriodS, check_interval_s = :checkIntervalS, expiration_s = :expirationS,
           serve_when_removed = :serveWhenRemoved, serve_when_denied = :serveWhenDenied,
           anonymous_pull = :anonymousPull, prefetch = :prefetch, prefetch_max_bytes = :prefetchMaxBytes, quota_bytes = :quotaBytes,
           version = :change, updated_at = :at
         where organization = :organization and version = :version
         returning ${SETTINGS_COLUMNS}`,
        { ...columnValues(settings), change, at, version },
      ]);
      return written && storedSettings(written.row);
    },

    async remove(version, organization, audit) {
      const written = await write(organization, audit, () => [
        `delete from proxy_cache_config as c
         where organization = :organization and version = :version
         returning ${SETTINGS_COLUMNS}`,
        { organization, version },
      ]);
      return written?.change;
    },
  };
}

/** Writes down what was done in the transaction of a change number: every number has one row. */
export async function insertAudit(
  transaction: Knex.Transaction,
  change: number,
  organization: string,
  audit: AuditEntry,
  at: Date,
): Promise<void> {
  await transaction.raw(
    `insert into proxy_cache_audit (change_number, organization, performed_by, kind, changes, at)
     values (:change, :organization, :performedBy, :kind, :changes, :at)`,
    {
      change,
      organization,
      performedBy: audit.performedBy,
      kind: audit.kind,
      changes: JSON.stringify(audit.changes),
      at,
    },
  );
}

/** Takes the row lock that every write holds until it commits. */
export async function nextChange(transaction: Knex.Transaction): Promise<number> {
  const result: { readonly rows: readonly { readonly number: string }[] } = await transaction.raw(
    'update proxy_cache_change set number = number + 1 returning number',
  );
  return Number(result.rows[0]?.number);
}

function columnValues({ organization, values, sealed }: SettingsWrite) {
  return {
    organization,
    ...values,
    upstreamCaPem: values.upstreamCaPem ?? null,
    quotaBytes: values.quotaBytes ?? null,
    sealed: sealed === undefined ? null : Buffer.from(sealed),
  };
}
