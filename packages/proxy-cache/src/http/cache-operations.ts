import type { Clock, OrganizationName, ProxyCacheSettings } from '@breakwater/registry-core';
import { ApiError, type ApiOperation, invalidRequest, readFields } from '@breakwater/registry-http';
import { z } from 'zod';
import type { CacheChecks } from '../cache-view/cache-checks.js';
import { organizationStatus, type StatusParts } from '../organization-status.js';
import type { AuditLog, TagKey } from '../ports.js';
import { type AnnouncedPurge, type CachePurge, PLAN_MS, type PurgePreview } from '../purge/cache-purge.js';
import type { PurgeTarget } from '../purge/purge-plan.js';
import type { CachedTags } from '../tags/cached-tags.js';
import type { Proxied } from './proxied.js';
import { statusJson, statusSchema } from './status-json.js';
import { referenceText, repositoryName, tagReference } from './tag-reference.js';

/** What acting on a cache leans on. */
export interface CacheOperationParts extends StatusParts {
  readonly proxied: Proxied;
  readonly tags: Pick<CachedTags, 'load' | 'pin' | 'flush'>;
  readonly checks: CacheChecks;
  readonly purge: CachePurge;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

const MAX_CHECKED = 20;
const MAX_PINNED = 100;

const checkBody = z.strictObject({
  references: z
    .array(tagReference)
    .min(1)
    .max(MAX_CHECKED)
    .optional()
    .meta({ description: 'cached tags to ask about; absent = only how the upstream is' }),
});
const checkAnswer = z.strictObject({
  results: z.array(
    z.strictObject({
      reference: z.string(),
      outcome: z.enum(['confirmed', 'moved', 'failed', 'not_cached']),
      digest: z.string().nullable(),
      failure_class: z.string().nullable(),
    }),
  ),
  health: statusSchema,
});
const pinBody = z.strictObject({ references: z.array(tagReference).min(1).max(MAX_PINNED) });
const pinAnswer = z.strictObject({
  results: z.array(z.strictObject({ reference: z.string(), pinned: z.boolean(), cached: z.boolean() })),
});
const purgeBody = z.strictObject({
  tag: tagReference.optional(),
  repository: repositoryName.optional(),
  all: z.literal(true).optional(),
  older_than_s: z.int().min(0).max(315_360_000).optional().meta({ description: 'not pulled for so long' }),
  purge_id: z.string().max(64).optional().meta({ description: 'carry out what a preview showed, and exactly that' }),
  dry_run: z.boolean().optional().meta({ description: 'default true: say what would go; purge_id has none' }),
});
const count = z.int().min(0);
const purgeAnswer = z.strictObject({
  dry_run: z.boolean(),
  purge_id: z.string(),
  expires_at: z.iso.datetime().nullable().meta({ description: 'until when the preview can be carried out' }),
  tags: count.meta({ description: 'cached tags that go, or went' }),
  references: z.array(z.string()).meta({ description: 'the first 100 of them; of a preview only' }),
  pinned_kept: count.meta({ description: 'tags that stay because they are pinned' }),
  changed_kept: count.meta({ description: 'tags that stay because they changed since the preview' }),
  bytes_freed: count
    .nullable()
    .meta({ description: 'what garbage collection frees after its grace; null = not known' }),
  bytes_shared: count.nullable().meta({ description: 'what stays because something else needs it, too' }),
  upstream_down: z.boolean().meta({ description: 'what goes cannot be had again while this lasts' }),
});

/** Acting on a cache: asking now, pinning, purging. */
export function cacheOperations(home: string, parts: CacheOperationParts): readonly ApiOperation[] {
  const { proxied } = parts;
  const pin = (pinned: boolean): ApiOperation => ({
    id: pinned ? 'pinProxyCacheTags' : 'unpinProxyCacheTags',
    method: 'POST',
    path: `${home}/${pinned ? 'pin' : 'unpin'}`,
    summary: pinned
      ? 'Keeps cached tags from garbage collection and purges.'
      : 'Leaves cached tags to garbage collection and purges again.',
    right: 'write-settings',
    body: pinBody,
    answers: { 200: { description: 'what became of each', body: pinAnswer } },
    async handle({ organization, principal, body }) {
      const settings = await proxied(organization);
      const { references } = readFields(pinBody, body);
      const keys = references.map((each) => keyOf(settings, each));
      const known = await Promise.all(keys.map((key) => parts.tags.load(key)));
      const changed = references.filter((_each, at) => known[at] !== undefined).map(referenceText);
      if (changed.length > 0) {
        const kind = pinned ? 'proxy_cache_pin' : 'proxy_cache_unpin';
        await parts.audit.record(organization, { kind, performedBy: principal.name, changes: { references: changed } });
      }
      const cached = await parts.tags.pin(keys, pinned);
      const results = references.map((each, at) => ({
        reference: referenceText(each),
        pinned: pinned && cached[at] === true,
        cached: cached[at] === true,
      }));
      return { status: 200, body: { results } };
    },
  });

  return [
    {
      id: 'checkProxyCache',
      method: 'POST',
      path: `${home}/check`,
      summary: 'Asks the upstream now, about cached tags or only how it is.',
      right: 'write-settings',
      body: checkBody,
      answers: { 200: { description: 'what came of it, and how the cache is now', body: checkAnswer } },
      async handle({ organization, body }) {
        const settings = await proxied(organization);
        const { references } = readFields(checkBody, body);
        const results = await parts.checks.check(
          settings,
          references?.map((each) => keyOf(settings, each)),
        );
        const health = statusJson(await organizationStatus(parts, settings));
        return { status: 200, body: { results: results.map(checkJson), health } };
      },
    },
    pin(true),
    pin(false),
    {
      id: 'purgeProxyCache',
      method: 'POST',
      path: `${home}/purge`,
      summary: 'Removes cached tags: first a preview, then with its purge_id exactly what it showed.',
      right: 'write-settings',
      body: purgeBody,
      answers: { 200: { description: 'what would go, or what went', body: purgeAnswer } },
      async handle({ organization, principal, body }) {
        const settings = await proxied(organization);
        const { purge_id: planned, dry_run: dryRun, ...selection } = readFields(purgeBody, body);
        const target = purgeTarget(selection, planned, dryRun, parts.clock.now());
        // Uses that this process has noted count, whether or not they are written yet.
        await parts.tags.flush();
        const preview = target === undefined ? undefined : await parts.purge.preview(settings, target);
        const { upstream } = await organizationStatus(parts, settings);
        const down = upstream.status === 'down';
        if (preview !== undefined && dryRun !== false) return { status: 200, body: previewJson(preview, down) };
        const id = planned ?? preview?.plan.id ?? '';
        const purged = await parts.purge.carryOut(settings, id, (going) =>
          recordPurge(parts.audit, organization, principal.name, going),
        );
        if (purged === undefined) {
          const detail =
            'Not Found: there is no such preview of this upstream, or it is older than an hour; preview again';
          throw new ApiError('NOT_FOUND', { detail });
        }
        return {
          status: 200,
          body: {
            ...(preview === undefined ? NOTHING_PREVIEWED : previewJson(preview, down)),
            dry_run: false,
            purge_id: id,
            expires_at: null,
            tags: purged.tags,
            references: [],
            changed_kept: purged.changed,
            upstream_down: down,
          },
        };
      },
    },
  ];
}

const NOTHING_PREVIEWED = { pinned_kept: 0, bytes_freed: null, bytes_shared: null };

async function recordPurge(
  audit: AuditLog,
  organization: OrganizationName,
  performedBy: string,
  { target, tags, first }: AnnouncedPurge,
): Promise<void> {
  const { scope } = target;
  const changes = {
    scope,
    ...('repository' in target ? { repository: target.repository } : {}),
    ...('tag' in target ? { tag: target.tag } : {}),
    ...('unusedSince' in target ? { not_pulled_since: new Date(target.unusedSince).toISOString() } : {}),
    tags,
    references: first.map(referenceText),
  };
  await audit.record(organization, { kind: 'proxy_cache_purge', performedBy, changes });
}

/** What is to go; `undefined` for a preview that is carried out. */
function purgeTarget(
  selection: Omit<z.output<typeof purgeBody>, 'purge_id' | 'dry_run'>,
  planned: string | undefined,
  dryRun: boolean | undefined,
  now: number,
): PurgeTarget | undefined {
  const { tag, repository, all, older_than_s: olderThanS } = selection;
  const named = Object.values({ ...selection, planned }).filter((value) => value !== undefined);
  if (named.length !== 1) {
    const message = 'exactly one of tag, repository, all, older_than_s and purge_id must be given';
    throw invalidRequest([{ field: undefined, message }]);
  }
  if (planned !== undefined) {
    if (dryRun !== true) return undefined;
    throw invalidRequest([
      { field: 'dry_run', message: 'must be left out with purge_id, whose preview is there already' },
    ]);
  }
  if (tag !== undefined) return { scope: 'tag', ...tag };
  if (repository !== undefined) return { scope: 'repository', repository };
  if (all === true) return { scope: 'all' };
  return { scope: 'older_than', unusedSince: now - (olderThanS ?? 0) * 1000 };
}

function previewJson({ plan, tags, first, pinned, bytes }: PurgePreview, down: boolean): z.input<typeof purgeAnswer> {
  return {
    dry_run: true,
    purge_id: plan.id,
    expires_at: new Date(plan.madeAt + PLAN_MS).toISOString(),
    tags,
    references: first.map(referenceText),
    pinned_kept: pinned,
    changed_kept: 0,
    bytes_freed: bytes?.freed ?? null,
    bytes_shared: bytes?.shared ?? null,
    upstream_down: down,
  };
}

function checkJson({ key, outcome, digest, failureClass }: Awaited<ReturnType<CacheChecks['check']>>[number]) {
  return {
    reference: referenceText({ repository: key.repository.name, tag: key.tag }),
    outcome,
    digest: digest ?? null,
    failure_class: failureClass ?? null,
  };
}

function keyOf(
  { organization, upstream }: ProxyCacheSettings,
  { repository, tag }: z.output<typeof tagReference>,
): TagKey {
  return { repository: { organization, upstream, name: repository }, tag };
}
