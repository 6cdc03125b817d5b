import { type Clock, callDatabase } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { AuditTrail } from '../settings-store.js';
import { insertAudit, nextChange } from './settings-writes.js';

interface AuditRow {
  readonly change_number: string;
  readonly performed_by: string;
  readonly kind: string;
  readonly changes: Readonly<Record<string, unknown>>;
  readonly at: Date;
}

/** What was done to organizations, in Postgres. */
export function createAuditTrail(knex: Knex, clock: Clock): AuditTrail {
  return {
    async record(organization, entry) {
      await callDatabase(() =>
        knex.transaction(async (transaction) => {
          const change = await nextChange(transaction);
          await insertAudit(transaction, change, organization, entry, new Date(clock.now()));
        }),
      );
    },

    async prune(before, limit) {
      const { rowCount } = await callDatabase(() =>
        knex.raw<{ rowCount: number }>(
          'delete from proxy_cache_audit where ctid in (select ctid from proxy_cache_audit where at < ? limit ?)',
          [new Date(before), limit],
        ),
      );
      return rowCount;
    },

    async list({ organization, before, from, until, performedBy, limit }) {
      const query = knex<AuditRow>('proxy_cache_audit')
        .where({ organization } as never)
        .orderBy('change_number', 'desc')
        .limit(limit);
      if (before !== undefined) query.where('change_number', '<', before as never);
      if (from !== undefined) query.where('at', '>=', new Date(from));
      if (until !== undefined) query.where('at', '<', new Date(until));
      if (performedBy !== undefined) query.where({ performed_by: performedBy });
      const rows = await callDatabase(() => query, { idempotent: true });
      return rows.map((row) => ({
        changeNumber: Number(row.change_number),
        performedBy: row.performed_by,
        kind: row.kind,
        changes: row.changes,
        at: row.at.getTime(),
      }));
    },
  };
}
