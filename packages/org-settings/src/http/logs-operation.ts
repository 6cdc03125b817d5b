import { type ApiOperation, invalidRequest, pageToken, readPageToken, readQuery } from '@breakwater/registry-http';
import { z } from 'zod';
import type { AuditedChange, AuditTrail } from '../settings-store.js';

const DATE = /^(\d{2})\/(\d{2})\/(\d{4})$/;
const DAY_MS = 24 * 60 * 60_000;

const logsQuery = z.strictObject({
  starttime: z.string().max(32).optional().meta({ description: 'first day, MM/DD/YYYY in UTC' }),
  endtime: z.string().max(32).optional().meta({ description: 'last day, MM/DD/YYYY in UTC' }),
  performer: z.string().max(255).optional().meta({ description: 'only what this user did' }),
  limit: z.int().min(1).max(100).default(20).meta({ description: 'most entries of a page' }),
  next_page: z.string().optional().meta({ description: 'the next_page of the page before' }),
});
const logSchema = z.strictObject({
  kind: z.string(),
  metadata: z.record(z.string(), z.unknown()).meta({ description: 'what changed; never a secret' }),
  datetime: z.string().meta({ description: 'as in RFC 2822' }),
  performer: z.strictObject({ kind: z.literal('user'), name: z.string(), is_robot: z.boolean() }),
  namespace: z.strictObject({ kind: z.literal('org'), name: z.string() }),
});

/** The log of what administrators did to an organization. */
export function logsOperation(audit: Pick<AuditTrail, 'list'>): ApiOperation {
  return {
    id: 'listOrgLogs',
    method: 'GET',
    path: '/api/v1/organization/{orgname}/logs',
    summary: 'Lists who changed what in an organization, the latest first.',
    right: 'write-settings',
    query: logsQuery,
    answers: {
      200: {
        description: 'entries of the log',
        body: z.strictObject({
          start_time: z.string().nullable(),
          end_time: z.string().nullable(),
          logs: z.array(logSchema),
          next_page: z.string().optional(),
        }),
      },
    },
    async handle({ organization, query }) {
      const asked = readQuery(logsQuery, query);
      const from = dayOf('starttime', asked.starttime);
      const last = dayOf('endtime', asked.endtime);
      const until = last === undefined ? undefined : last + DAY_MS;
      const [position] = readPageToken(asked.next_page, 1) ?? [];
      // What is no number is no position of ours; before number 0 there is nothing.
      const before = position === undefined ? undefined : Number(/^\d{1,15}$/.exec(position)?.[0] ?? 0);
      const search = { organization, before, from, until, performedBy: asked.performer, limit: asked.limit + 1 };
      const found = await audit.list(search);
      const page = found.slice(0, asked.limit);
      const more = found.length > asked.limit ? page.at(-1) : undefined;
      return {
        status: 200,
        body: {
          start_time: asked.starttime ?? null,
          end_time: asked.endtime ?? null,
          logs: page.map((entry) => logJson(organization, entry)),
          ...(more === undefined ? {} : { next_page: pageToken([String(more.changeNumber)]) }),
        },
      };
    },
  };
}

function logJson(organization: string, { kind, changes, at, performedBy }: AuditedChange): z.input<typeof logSchema> {
  return {
    kind,
    metadata: { ...changes },
    datetime: new Date(at).toUTCString(),
    // Robots are named organization+name, which no user can be.
    performer: { kind: 'user', name: performedBy, is_robot: performedBy.includes('+') },
    namespace: { kind: 'org', name: organization },
  };
}

/** The begin of a day, ms since the epoch. */
function dayOf(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, month = '', day = '', year = ''] = DATE.exec(text) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  if (!Number.isNaN(time)) return time;
  throw invalidRequest([
    { field, message: `must be a day as MM/DD/YYYY, for example 02/29/2024, not ${JSON.stringify(text)}` },
  ]);
}
