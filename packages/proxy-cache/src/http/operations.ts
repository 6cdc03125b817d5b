import type { Clock, OrganizationName, ProxyCacheSettings, ProxyCacheSettingsReader } from '@breakwater/registry-core';
import { ApiError, type ApiOperation } from '@breakwater/registry-http';
import { organizationStatus, type StatusParts } from '../organization-status.js';
import type { OutageTimeline } from '../timeline/outage-timeline.js';
import { eventsQuery, parseEventsQuery } from './events-query.js';
import { eventsJson, eventsSchema, statusJson, statusSchema } from './status-json.js';

/** What the API leans on. */
export interface ProxyCacheApiParts extends StatusParts {
  readonly settings: ProxyCacheSettingsReader;
  readonly timeline: Pick<OutageTimeline, 'lastDay' | 'page'>;
  readonly clock: Clock;
}

const HOME = '/api/v1/organization/{orgname}/proxycache';

/** The API that shows how a cache is. */
export function proxyCacheOperations(parts: ProxyCacheApiParts): readonly ApiOperation[] {
  const { settings, timeline, clock } = parts;
  return [
    {
      id: 'getProxyCacheHealth',
      method: 'GET',
      path: `${HOME}/health`,
      summary: 'Says how the upstream is and what is cached of it; asks nobody.',
      right: 'read-settings',
      answers: { 200: { description: 'the state of the cache', body: statusSchema } },
      async handle({ organization }) {
        const found = await proxied(settings, organization);
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
        await proxied(settings, organization);
        const asked = parseEventsQuery(query, clock.now());
        return { status: 200, body: eventsJson(asked, await timeline.page(organization, asked.rest, asked.by)) };
      },
    },
  ];
}

/** @throws ApiError NOT_FOUND for an organization that proxies nothing */
async function proxied(
  settings: ProxyCacheSettingsReader,
  organization: OrganizationName,
): Promise<ProxyCacheSettings> {
  const found = await settings.find(organization);
  if (found !== undefined) return found;
  throw new ApiError('NOT_FOUND', {
    detail: 'Not Found: this organization has no proxy cache configuration; POST creates one',
  });
}
