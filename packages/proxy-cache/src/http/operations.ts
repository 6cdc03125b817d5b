import type { Clock, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import type { ApiOperation } from '@breakwater/registry-http';
import { organizationStatus, type StatusParts } from '../organization-status.js';
import type { WarmTable } from '../postgres/warm-table.js';
import type { OutageTimeline } from '../timeline/outage-timeline.js';
import { type CacheOperationParts, cacheOperations } from './cache-operations.js';
import { eventsQuery, parseEventsQuery } from './events-query.js';
import { proxiedBy } from './proxied.js';
import { eventsJson, eventsSchema, statusJson, statusSchema } from './status-json.js';
import { type TagsOperationParts, tagsOperation } from './tags-operation.js';
import { warmOperations } from './warm-operations.js';

/** What the API leans on. */
export interface ProxyCacheApiParts
  extends StatusParts,
    Omit<TagsOperationParts, 'proxied'>,
    Omit<CacheOperationParts, 'proxied'> {
  readonly settings: ProxyCacheSettingsReader;
  readonly timeline: StatusParts['timeline'] & Pick<OutageTimeline, 'page'>;
  readonly clock: Clock;
  readonly warmTable: WarmTable;
  /** Hears of a request to warm. */
  readonly onWarm: () => void;
}

const HOME = '/api/v1/organization/{orgname}/proxycache';

/** The API that shows how a cache is, and acts on it. */
export function proxyCacheOperations(parts: ProxyCacheApiParts): readonly ApiOperation[] {
  const { timeline, clock } = parts;
  const proxied = proxiedBy(parts.settings);
  return [
    {
      id: 'getProxyCacheHealth',
      method: 'GET',
      path: `${HOME}/health`,
      summary: 'Says how the upstream is and what is cached of it; asks nobody.',
      right: 'read-settings',
      answers: { 200: { description: 'the state of the cache', body: statusSchema } },
      async handle({ organization }) {
        const found = await proxied(organization);
        return { status: 200, body: statusJson(await organizationStatus(parts, found)) };
      },
    },
    {
      id: 'listProxyCacheEvents',
      method: 'GET',
      path: `${HOME}/events`,
      summary: 'Counts shielded pulls, masked and passed errors by class, in buckets of time.',
      right: 'read-settings',
      query: eventsQuery,
      answers: { 200: { description: 'buckets, the earliest first', body: eventsSchema } },
      async handle({ organization, query }) {
        await proxied(organization);
        const asked = parseEventsQuery(query, clock.now());
        return { status: 200, body: eventsJson(asked, await timeline.page(organization, asked.rest, asked.by)) };
      },
    },
    tagsOperation(`${HOME}/tags`, { ...parts, proxied }),
    ...cacheOperations(HOME, { ...parts, proxied }),
    ...warmOperations(HOME, { ...parts, proxied, table: parts.warmTable, onRequested: parts.onWarm }),
  ];
}
