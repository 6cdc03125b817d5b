import { callDatabase, type OrganizationName } from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { SettingsReads, StoredSettings, UpstreamReads } from '../settings-store.js';
import { SETTINGS_COLUMNS, type SettingsRow, storedSettings } from './settings-row.js';

/** Past so many changes it is cheaper to forget the whole copy than to read them one by one. */
const MAX_CHANGES = 1_000;

interface Numbered {
  readonly change_number: string;
}
/** A row of an outer join: all columns are null where there was none. */
type MaybeRow = SettingsRow | { readonly [column in keyof SettingsRow]: null };

/** Reads settings from Postgres. Each query takes settings and change number from one snapshot. */
export function createSettingsReads(knex: Knex): SettingsReads & UpstreamReads {
  async function query<Row>(sql: string, bindings: readonly Knex.RawBinding[] = []): Promise<readonly Row[]> {
    const { rows } = await callDatabase(() => knex.raw<{ readonly rows: readonly Row[] }>(sql, [...bindings]), {
      idempotent: true,
    });
    return rows;
  }

  async function changeNumber(): Promise<number> {
    const [row] = await query<Numbered>('select number as change_number from proxy_cache_change');
    return Number(row?.change_number ?? 0);
  }

  return {
    changeNumber,

    async read(organization) {
      const [row] = await query<Numbered & MaybeRow>(
        `select n.number as change_number, ${SETTINGS_COLUMNS}
         from proxy_cache_change n left join proxy_cache_config c on c.organization = ?`,
        [organization],
      );
      return { changeNumber: Number(row?.change_number ?? 0), settings: row && settingsOf(row) };
    },

    async readRecent(limit) {
      const rows = await query<Numbered & MaybeRow>(
        `select n.number as change_number, ${SETTINGS_COLUMNS}
         from proxy_cache_change n left join proxy_cache_config c on true
         order by c.version desc nulls last limit ?`,
        [limit],
      );
      return {
        changeNumber: Number(rows[0]?.change_number ?? 0),
        settings: rows.flatMap((row) => settingsOf(row) ?? []),
      };
    },

    proxying(hosts, limit) {
      return query<{ readonly organization: OrganizationName; readonly upstream: string }>(
        `select organization, upstream_registry as upstream from proxy_cache_config
         where split_part(upstream_registry, '/', 1) = any (cast(? as text[]))
         order by organization limit ?`,
        [[...hosts], limit],
      );
    },

    async changesSince(known) {
      const rows = await query<Numbered & { readonly changed: string; readonly writes: string } & MaybeRow>(
        `select n.number as change_number, a.changed, a.writes, ${SETTINGS_COLUMNS}
         from proxy_cache_change n
         left join (
           select organization as changed, count(*) as writes from proxy_cache_audit
           where change_number > ? group by organization limit ?
         ) a on true
         left join proxy_cache_config c on c.organization = a.changed`,
        [known, MAX_CHANGES],
      );
      const number = Number(rows[0]?.change_number ?? 0);
      const named = rows.filter((row) => row.changed !== null);
      // Every write has one audit row. A gap means that rows were pruned, or that the database went back in time.
      const writes = named.reduce((sum, row) => sum + Number(row.writes), 0);
      if (writes !== number - known) return { changeNumber: number, changed: undefined };
      return {
        changeNumber: number,
        changed: new Map(named.map((row) => [row.changed as OrganizationName, settingsOf(row)])),
      };
    },
  };
}

function settingsOf(row: MaybeRow): StoredSettings | undefined {
  return row.organization === null ? undefined : storedSettings(row);
}
