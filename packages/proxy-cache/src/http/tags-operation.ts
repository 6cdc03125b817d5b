import type { Clock, ManifestStore, ProxyCacheSettings } from '@breakwater/registry-core';
import { type ApiOperation, pageToken, readPageToken, readQuery } from '@breakwater/registry-http';
import { z } from 'zod';
import { type ListedTag, tagClocks } from '../cache-view/cached-tag-view.js';
import { ImageSizes } from '../cache-view/image-sizes.js';
import type { ImageCompletion } from '../completing/image-completion.js';
import {
  type CachedTagSearch,
  confirmedRange,
  POSITION_PARTS,
  positionOf,
  TAG_SORTS,
  TAGS_COUNTED_UP_TO,
} from '../postgres/cached-tag-search.js';
import type { Proxied } from './proxied.js';
import { referenceText } from './tag-reference.js';

/** What the list of cached tags leans on. */
export interface TagsOperationParts {
  readonly proxied: Proxied;
  readonly search: CachedTagSearch;
  readonly manifests: Pick<ManifestStore, 'get'>;
  readonly completion: Pick<ImageCompletion, 'missingOf'>;
  readonly clock: Clock;
}

const DIRECTIONS = ['asc', 'desc'] as const;
const STATES = ['fresh', 'stale', 'lapsed'] as const;
const time = z.iso.datetime().nullable();

const tagsQuery = z.strictObject({
  search: z.string().min(1).max(256).optional().meta({ description: 'part of repository:tag, in whatever case' }),
  state: z.enum(STATES).optional(),
  pinned: z.boolean().optional(),
  sort: z.enum(TAG_SORTS).default('reference'),
  order: z.enum(DIRECTIONS).optional().meta({ description: 'default asc by reference, else desc' }),
  limit: z.int().min(1).max(100).default(50).meta({ description: 'most entries of a page' }),
  next_page: z.string().optional().meta({ description: 'the next_page of the page before' }),
});

const tagSchema = z.strictObject({
  reference: z.string().meta({ description: 'repository:tag, without the organization' }),
  repository: z.string(),
  tag: z.string(),
  digest: z.string(),
  size: z.int().nullable().meta({ description: 'bytes of the image; of an index, of the platforms that were pulled' }),
  state: z.enum(STATES),
  age_s: z.int().min(0).meta({ description: 'since the upstream confirmed it' }),
  confirmed_at: z.iso.datetime(),
  fresh_until: z.iso.datetime().meta({ description: 'until when pulls wait for nobody' }),
  shielded_until: time.meta({ description: 'until when it is served whatever the upstream does; null = never' }),
  last_pull: z.iso.datetime().meta({ description: 'at most 5 seconds late' }),
  kept_until: time.meta({ description: 'until when it is kept if nobody pulls it; null = for ever' }),
  complete: z.boolean().nullable().meta({ description: 'whether nothing is missing of it; null = not known' }),
  pinned: z.boolean(),
});

/** The list of cached tags. */
export function tagsOperation(path: string, parts: TagsOperationParts): ApiOperation {
  const { search, clock } = parts;
  const sizes = new ImageSizes(parts.manifests);
  return {
    id: 'listProxyCacheTags',
    method: 'GET',
    path,
    summary: 'Lists what is cached, with what is left of each clock.',
    right: 'read-settings',
    query: tagsQuery,
    answers: {
      200: {
        description: 'cached tags',
        body: z.strictObject({
          tags: z.array(tagSchema),
          total: z.int().min(0),
          counted_up_to: z.int().meta({ description: 'where counting ends: so many means at least so many' }),
          next_page: z.string().optional(),
        }),
      },
    },
    async handle({ organization, query }) {
      const settings = await parts.proxied(organization);
      const asked = readQuery(tagsQuery, query);
      const descending = (asked.order ?? (asked.sort === 'reference' ? 'asc' : 'desc')) === 'desc';
      const now = clock.now();
      const after = readPosition(asked.next_page, asked.sort);
      const wanted = {
        organization,
        upstream: settings.upstream,
        search: asked.search,
        confirmed: confirmedRange(asked.state, settings, now),
        pinned: asked.pinned,
      };
      const [found, total] = await Promise.all([
        search.page(wanted, { sort: asked.sort, descending, after, limit: asked.limit + 1 }),
        search.count(wanted),
      ]);
      const page = found.slice(0, asked.limit);
      const last = found.length > asked.limit ? page.at(-1) : undefined;
      return {
        status: 200,
        body: {
          tags: await Promise.all(page.map((tag) => tagJson(tag, settings, sizes, parts.completion, now))),
          total,
          counted_up_to: TAGS_COUNTED_UP_TO,
          ...(last === undefined ? {} : { next_page: pageToken([asked.sort, ...positionOf(last, asked.sort)]) }),
        },
      };
    },
  };
}

/** A position of another order is none. */
function readPosition(token: string | undefined, sort: string): readonly string[] | undefined {
  const [sortedBy, ...position] = readPageToken(token, 1 + POSITION_PARTS) ?? [];
  if (sortedBy === undefined) return undefined;
  const isTime = sort === 'reference' || z.iso.datetime().safeParse(position[0]).success;
  // What is wrong with it is what is wrong with any that does not belong here.
  return sortedBy === sort && isTime ? position : readPageToken('', 1 + POSITION_PARTS);
}

async function tagJson(
  tag: ListedTag,
  settings: ProxyCacheSettings,
  sizes: ImageSizes,
  completion: TagsOperationParts['completion'],
  now: number,
): Promise<z.input<typeof tagSchema>> {
  const clocks = tagClocks(tag, settings, now);
  const { organization, upstream } = settings;
  const repository = { organization, upstream, name: tag.repository };
  const size = await sizes.size(repository, tag.digest);
  // Where nothing is fetched in the background, nothing is noted of what is missing.
  const complete =
    settings.prefetch === 'off' ? null : (await completion.missingOf(repository, tag.digest)).length === 0;
  return {
    reference: referenceText(tag),
    repository: tag.repository,
    tag: tag.tag,
    digest: tag.digest,
    size: size ?? null,
    state: clocks.state,
    age_s: clocks.ageS,
    confirmed_at: iso(tag.confirmedAt),
    fresh_until: iso(clocks.freshUntil),
    shielded_until: clocks.shieldedUntil === undefined ? null : iso(clocks.shieldedUntil),
    last_pull: iso(tag.lastUsedAt),
    kept_until: clocks.keptUntil === undefined ? null : iso(clocks.keptUntil),
    complete,
    pinned: tag.pinned,
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
