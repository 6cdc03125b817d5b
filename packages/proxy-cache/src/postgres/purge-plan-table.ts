import {
  callDatabase,
  type Digest,
  type OrganizationName,
  type RepositoryName,
  type Tag,
} from '@breakwater/registry-core';
import type { Knex } from 'knex';
import type { PurgedTag, PurgePlan, PurgeScope, PurgeTarget } from '../purge/purge-plan.js';
import { repeatable } from './repeatable.js';

interface PlanRow {
  readonly id: string;
  readonly organization: string;
  readonly upstream: string;
  readonly scope: PurgeScope;
  readonly repository: string | null;
  readonly tag: string | null;
  readonly unused_since: Date | null;
  readonly made_at: Date;
}

interface TagRow {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** What a purge removed. */
export interface Purged {
  readonly tags: number;
  /** Tags of the plan that were moved, pinned or removed since, and were left alone. */
  readonly changed: number;
}

/** Tags of one statement. */
const BATCH = 5_000;

/** Plans of purges, and what carries them out. Every method throws RegistryError UNAVAILABLE without the database. */
export class PurgePlanTable {
  constructor(private readonly knex: Knex) {}

  /** Writes down which tags a purge would take, batch by batch. Pinned ones never are. */
  async make(plan: PurgePlan): Promise<void> {
    await callDatabase(() =>
      this.knex('purge_plan').insert({
        id: plan.id,
        organization: plan.organization,
        upstream: plan.upstream,
        ...targetColumns(plan.target),
        made_at: new Date(plan.madeAt),
      }),
    );
    const { where, bindings } = conditions(plan);
    let last = { repository: '', tag: '' };
    for (;;) {
      const { rows } = await callDatabase(() =>
        this.knex.raw<{ rows: readonly TagRow[] }>(
          `with planned as (
             insert into purge_plan_tag (id, repository, tag, digest)
             select :id, repository, tag, digest from cached_tag
             where ${where} and not pinned and (repository, tag) > (:lastRepository, :lastTag)
             order by repository, tag limit :batch
             returning repository, tag
           )
           select repository, tag, '' as digest from planned order by repository desc, tag desc limit 1`,
          { ...bindings, id: plan.id, lastRepository: last.repository, lastTag: last.tag, batch: BATCH },
        ),
      );
      const [end] = rows;
      if (end === undefined) return;
      last = end;
    }
  }

  async find(id: string, organization: OrganizationName): Promise<PurgePlan | undefined> {
    const row = await repeatable(() => this.knex<PlanRow>('purge_plan').where({ id, organization }).first());
    return (
      row && {
        id: row.id,
        organization,
        upstream: row.upstream,
        target: targetOf(row),
        madeAt: row.made_at.getTime(),
      }
    );
  }

  /** How many tags the plan has, and the first of them by name. */
  async tags(id: string, limit: number): Promise<{ readonly count: number; readonly first: readonly PurgedTag[] }> {
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly { readonly n: number }[] }>(
        'select count(*)::int as n from purge_plan_tag where id = ?',
        [id],
      ),
    );
    const first = await repeatable(() =>
      this.knex<TagRow>('purge_plan_tag')
        .where({ id } as never)
        .orderBy(['repository', 'tag'])
        .limit(limit),
    );
    return { count: rows[0]?.n ?? 0, first: first.map(toPurged) };
  }

  /** How many tags stay because they are pinned. */
  async pinned(plan: PurgePlan): Promise<number> {
    const { where, bindings } = conditions(plan);
    const { rows } = await repeatable(() =>
      this.knex.raw<{ rows: readonly { readonly n: number }[] }>(
        `select count(*)::int as n from cached_tag where ${where} and pinned`,
        bindings,
      ),
    );
    return rows[0]?.n ?? 0;
  }

  /**
   * What would lose its last tag, and what still holds content in the repositories that are touched: other tags, and uses
   * by digest of what is not going.
   */
  async footprint(
    plan: PurgePlan,
  ): Promise<{ readonly going: readonly TagRow[]; readonly staying: readonly TagRow[] }> {
    const bindings = { id: plan.id, organization: plan.organization, upstream: plan.upstream };
    const rows = async (sql: string) =>
      (await repeatable(() => this.knex.raw<{ rows: readonly TagRow[] }>(sql, bindings))).rows;
    const going = await rows('select distinct repository, digest from purge_plan_tag where id = :id');
    const staying = await rows(
      `select distinct repository, digest from (
         select t.repository, t.digest from cached_tag t
         where t.organization = :organization and t.upstream = :upstream
           and t.repository in (select repository from purge_plan_tag where id = :id)
           and not exists (select 1 from purge_plan_tag p where p.id = :id and p.repository = t.repository and p.tag = t.tag)
         union all
         select d.repository, d.digest from digest_use d
         where d.organization = :organization and d.upstream = :upstream
           and d.repository in (select repository from purge_plan_tag where id = :id)
           and not exists (select 1 from purge_plan_tag p
                           where p.id = :id and p.repository = d.repository and p.digest = d.digest)
       ) roots`,
    );
    return { going, staying };
  }

  /**
   * Removes the tags of a plan that are still as they were planned, and the uses by digest of what they pointed to: batch by
   * batch, so that no statement takes long. What a failure leaves of the plan can be carried out again.
   */
  async carryOut(plan: PurgePlan): Promise<Purged> {
    const purged = { tags: 0, changed: 0 };
    for (;;) {
      const batch = await callDatabase(() =>
        this.knex.transaction((transaction) => this.#carryOutBatch(transaction, plan)),
      );
      if (batch === undefined) break;
      purged.tags += batch.tags;
      purged.changed += batch.changed;
    }
    await repeatable(() => this.knex('purge_plan').where({ id: plan.id }).delete());
    return purged;
  }

  /** `undefined` when there is nothing left. */
  async #carryOutBatch(transaction: Knex.Transaction, plan: PurgePlan): Promise<Purged | undefined> {
    const { scope, repository } = targetColumns(plan.target);
    const { rows } = await transaction.raw<{ rows: readonly TagRow[] }>(
      `delete from purge_plan_tag where ctid in (select ctid from purge_plan_tag where id = :id limit :batch)
       returning repository, tag, digest`,
      { id: plan.id, batch: BATCH },
    );
    // Lists of tags and referrers are cached apart; with everything of a repository they go, too.
    if (rows.length === 0 && (scope === 'all' || scope === 'repository')) {
      await transaction.raw(
        `delete from cached_listing where organization = :organization and upstream = :upstream
           and (:repository::text is null or repository = :repository)`,
        { organization: plan.organization, upstream: plan.upstream, repository },
      );
    }
    if (rows.length === 0) {
      // Signatures may be among what goes: the next pull of an image is to look for them again.
      const { organization, upstream } = plan;
      await transaction('signature_look').where({ organization, upstream }).delete();
      return undefined;
    }
    const bindings = { organization: plan.organization, upstream: plan.upstream, batch: JSON.stringify(rows) };
    const planned = 'jsonb_to_recordset(:batch::jsonb) as p(repository text, tag text, digest text)';
    const removed = await transaction.raw<{ rowCount: number }>(
      `delete from cached_tag t using ${planned}
       where t.organization = :organization and t.upstream = :upstream
         and t.repository = p.repository and t.tag = p.tag and t.digest = p.digest and not t.pinned`,
      bindings,
    );
    await transaction.raw(
      `delete from digest_use d using ${planned}
       where d.organization = :organization and d.upstream = :upstream
         and d.repository = p.repository and d.digest = p.digest
         and not exists (select 1 from cached_tag t
                         where t.organization = d.organization and t.upstream = d.upstream
                           and t.repository = d.repository and t.digest = d.digest)`,
      bindings,
    );
    await transaction('cached_tag_change').where({ id: 1 }).increment('number', 1);
    return { tags: removed.rowCount, changed: rows.length - removed.rowCount };
  }

  /** Removes plans that nobody carried out. */
  async prune(madeBefore: number): Promise<void> {
    await this.knex('purge_plan').where('made_at', '<', new Date(madeBefore)).delete();
  }
}

function targetColumns(target: PurgeTarget): Pick<PlanRow, 'scope' | 'repository' | 'tag' | 'unused_since'> {
  return {
    scope: target.scope,
    repository: 'repository' in target ? target.repository : null,
    tag: 'tag' in target ? target.tag : null,
    unused_since: 'unusedSince' in target ? new Date(target.unusedSince) : null,
  };
}

function targetOf({ scope, repository, tag, unused_since }: PlanRow): PurgeTarget {
  const name = (repository ?? '') as RepositoryName;
  switch (scope) {
    case 'all':
      return { scope };
    case 'repository':
      return { scope, repository: name };
    case 'tag':
      return { scope, repository: name, tag: (tag ?? '') as Tag };
    case 'older_than':
      return { scope, unusedSince: unused_since?.getTime() ?? 0 };
  }
}

function conditions({ organization, upstream, target }: PurgePlan): {
  readonly where: string;
  readonly bindings: Readonly<Record<string, Knex.RawBinding>>;
} {
  const bindings = { organization, upstream };
  const ours = 'organization = :organization and upstream = :upstream';
  switch (target.scope) {
    case 'all':
      return { where: ours, bindings };
    case 'repository':
      return {
        where: `${ours} and repository = :repository`,
        bindings: { ...bindings, repository: target.repository },
      };
    case 'tag': {
      const { repository, tag } = target;
      return {
        where: `${ours} and repository = :repository and tag = :tag`,
        bindings: { ...bindings, repository, tag },
      };
    }
    case 'older_than':
      return {
        where: `${ours} and last_used_at < :unusedSince`,
        bindings: { ...bindings, unusedSince: new Date(target.unusedSince) },
      };
  }
}

function toPurged(row: TagRow): PurgedTag {
  return { repository: row.repository as RepositoryName, tag: row.tag as Tag, digest: row.digest as Digest };
}
