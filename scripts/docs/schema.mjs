import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/root.mjs';
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

/** A table of all tables: owner, what it holds, columns. Read from the sources of the migrations. */
export function tables() {
  const found = readdirSync(join(ROOT, 'packages')).flatMap((owner) =>
    migrationsOf(owner).flatMap((text) => tablesIn(text).map((each) => ({ owner, ...each }))),
  );
  for (const { name } of found) {
    if (!(name in PURPOSES)) throw new Error(`the table ${name} is new: say in scripts/docs/schema.mjs what it holds`);
  }
  const rows = found.map(({ owner, name, columns }) => [
    code(name),
    owner,
    PURPOSES[name],
    columns.map(code).join(', '),
  ]);
  return table(['table', 'owner', 'holds', 'columns'], rows);
}

function migrationsOf(owner) {
  const home = join(ROOT, 'packages', owner, 'src', 'postgres');
  if (!existsSync(home)) return [];
  return readdirSync(home, { recursive: true })
    .filter((file) => /migrations/.test(file) && file.endsWith('.ts') && statSync(join(home, file)).isFile())
    .sort()
    .map((file) => readFileSync(join(home, file), 'utf8'));
}

function tablesIn(text) {
  const sql = [...text.matchAll(/create table (\w+) \(\n([\s\S]*?)\n\s*\)(?:;|\n)/gi)].map(([, name, body]) => ({
    name,
    columns: body.split('\n').flatMap((line) => {
      const word = /^\s*([a-z_]+) /.exec(line)?.[1];
      return word === undefined ? [] : [word];
    }),
  }));
  const built = [...text.matchAll(/createTable\('(\w+)', \(table\) => \{\n([\s\S]*?)\n\s*\}\)/g)].map(
    ([, name, body]) => ({
      name,
      columns: [...body.matchAll(/table\.(?!primary|index|unique)\w+\('(\w+)'/g)].map(([, column]) => column),
    }),
  );
  return [...sql, ...built];
}
