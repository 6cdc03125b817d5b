import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import knex from 'knex';
import { code, table } from './markdown.mjs';

/** What each table holds. A table that a migration makes has to be here. */
const PURPOSES = {
  organization: 'organizations, hosted and proxied',
  registry_user: 'who may sign in; passwords hashed with scrypt',
  organization_member: 'who is admin or member of which organization',
  api_token: 'tokens for programs, as SHA-256',
  account_log: 'what was done with users, passwords and API tokens, and who signed in or was refused',
  web_session: 'who is signed in on the page; the id in the cookie as SHA-256',
  access_change: 'one number, raised when rights may have changed; processes compare it once a second',
  manifest: 'bytes of manifests, once per digest',
  manifest_reference: 'what a manifest needs: manifests of an index, config and layers of an image',
  content_link: 'which repository may serve which manifest or blob; `used_at` is the lease',
  hosted_tag: 'tags of hosted repositories',
  blob: 'which file is the blob of a digest; `deleting` = on its way out',
  content_damage: 'what was found not to be what its digest says; it is not served until it is whole again',
  manifest_quarantine: 'bytes of damaged manifests that were replaced, for whoever wants to know why',
  blob_upload: 'uploads to hosted repositories that are under way; how many bytes of each count',
  manifest_subject: 'which manifest refers to which by its `subject`: signatures, attestations, SBOMs',
  storage_task: 'scrub and reconciliation: who is at it, how far it is, what the last one found',
  robot_account: 'accounts for programs, of one organization; passwords hashed with scrypt',
  sweep_candidate: 'links that garbage collection has to look at; written by triggers',
  collector_fence: 'highest token of a run that has removed anything; a lower one is refused',
  blob_store_identity: 'the id that the mark file of the blob store must hold',
  proxy_cache_change: 'one number, raised by every write of settings; replicas compare it once a second',
  proxy_cache_config: 'settings of proxy organizations; credentials sealed with AES-256-GCM',
  proxy_cache_audit: 'who changed which settings when, without secrets',
  cached_tag: 'tags of proxied repositories with their clocks',
  digest_use: 'content that is pulled by digest, with its clocks',
  released_manifest: 'manifests that a cached tag has left, for garbage collection to look at; written by triggers',
  upstream_health: 'health of each upstream origin, and (`credential` not empty) of each credential at it',
  upstream_token_server: 'which token server each registry names, both as origins',
  cached_tag_change: 'one number, raised when a cached tag moves or goes; replicas compare it once a second',
  missing_content:
    'content that cached images refer to and the store does not hold: also the queue of what is fetched behind pulls',
  signature_look:
    'when the signatures of each pulled image were looked for, and when next: also the queue of these looks',
  warm_request: 'which images an administrator wants fetched before somebody pulls them',
  warm_reference: 'the images of such a request, and how far each is',
  cached_listing: 'pages of lists of tags and of referrers, as the upstream gave them, with their clocks',
  download_lease: 'which process downloads which blob into a spool, until when, and what it failed with',
  purge_plan: 'previews of purges that have not been carried out',
  purge_plan_tag: 'the cached tags that each of them takes',
  outage_minute: 'how many pulls were shielded or failed, by organization, minute and failure class',
  gc_run: 'runs of garbage collection; the one in state `running` is the lease of the cluster',
  gc_deletion: 'what each run deleted and why, written before it was',
};

/**
 * A table of all tables: owner, what it holds, columns. Read from a database of its own after the migrations of each
 * package have run, so that it is what they come to, however they do it.
 *
 * @param packages the migrations of each package by its name, in the order in which they are to run
 * @param startPostgres starts a Postgres server in a directory
 */
export async function tables(packages, startPostgres) {
  const directory = mkdtempSync(join(tmpdir(), 'breakwater-schema-'));
  const server = await startPostgres(join(directory, 'postgres'));
  const database = knex({ client: 'pg', connection: server.connection, pool: { min: 0, max: 1 } });
  try {
    return schemaTable(await ownedTables(database, packages));
  } finally {
    await database.destroy();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Every table with the package whose migrations have made it, in the order of packages and names. */
async function ownedTables(database, packages) {
  const owners = new Map();
  for (const [owner, migrations] of Object.entries(packages)) {
    await database.migrate.latest(migrations);
    for (const name of Object.keys(await columns(database))) if (!owners.has(name)) owners.set(name, owner);
  }
  const all = await columns(database);
  return [...owners].map(([name, owner]) => ({ owner, name, columns: all[name] }));
}

/** The columns of each table; those of knex's own record of migrations left out. */
async function columns(database) {
  const { rows } = await database.raw(`
    select table_name as name, array_agg(column_name::text order by ordinal_position) as columns
    from information_schema.columns
    where table_schema = 'public' and table_name !~ '_migrations(_lock|)$'
    group by table_name
    order by table_name
  `);
  return Object.fromEntries(rows.map(({ name, columns }) => [name, columns]));
}

/** @throws Error for a table of which nobody has said what it holds, and for one that is gone */
function schemaTable(found) {
  const made = new Set(found.map(({ name }) => name));
  for (const name of made) {
    if (!(name in PURPOSES)) throw new Error(`the table ${name} is new: say in scripts/docs/schema.mjs what it holds`);
  }
  for (const name of Object.keys(PURPOSES)) {
    if (!made.has(name)) throw new Error(`the table ${name} is gone: take it out of scripts/docs/schema.mjs`);
  }
  const rows = found.map(({ owner, name, columns }) => [
    code(name),
    owner,
    PURPOSES[name],
    columns.map(code).join(', '),
  ]);
  return table(['table', 'owner', 'holds', 'columns'], rows);
}
