import { type ApiOperation, pageToken, readPageToken, readQuery } from '@breakwater/registry-http';
import { z } from 'zod';
import type { LoggedAccountEntry, PostgresAccountLog } from '../postgres/postgres-account-log.js';
import { nextPage, pageOf } from './names.js';

export interface AccountLogOperationParts {
  readonly accountLog: Pick<PostgresAccountLog, 'list'>;
}

const logsQuery = z.strictObject({
  performer: z.string().max(255).optional().meta({ description: 'only what this user did' }),
  limit: z.int().min(1).max(100).default(20).meta({ description: 'most entries of a page' }),
  next_page: z.string().optional().meta({ description: 'the next_page of the page before' }),
});
const logView = z.strictObject({
  kind: z.string(),
  metadata: z.record(z.string(), z.unknown()).meta({ description: 'what was done; never a secret' }),
  ip: z.string().nullable(),
  datetime: z.string().meta({ description: 'as in RFC 2822' }),
  performer: z
    .strictObject({ kind: z.literal('user'), name: z.string(), is_robot: z.literal(false) })
    .nullable()
    .meta({ description: 'null for a sign-in with a name that nobody has' }),
});

/** The log of users, passwords, API tokens and sign-ins. */
export function accountLogOperation({ accountLog }: AccountLogOperationParts): ApiOperation {
  return {
    id: 'listAllLogs',
    method: 'GET',
    path: '/api/v1/superuser/logs',
    summary:
      'Lists what was done with users, passwords and API tokens, and who signed in or was refused, the latest first.',
    right: 'administer',
    query: logsQuery,
    answers: {
      200: { description: 'entries of the log', body: z.strictObject({ logs: z.array(logView), next_page: nextPage }) },
    },
    async handle({ query }) {
      const asked = readQuery(logsQuery, query);
      const [position] = readPageToken(asked.next_page, 1) ?? [];
      // What is no number is no position of ours; before number 0 there is nothing.
      const before = position === undefined ? undefined : Number(/^\d{1,15}$/.exec(position)?.[0] ?? 0);
      const found = await accountLog.list({ before, performedBy: asked.performer, limit: asked.limit + 1 });
      const { page, more } = pageOf(found, asked.limit);
      const next = more ? { next_page: pageToken([String(page.at(-1)?.id)]) } : {};
      return { status: 200, body: { logs: page.map(viewOf), ...next } };
    },
  };
}

function viewOf({ kind, details, address, at, performedBy }: LoggedAccountEntry): z.input<typeof logView> {
  return {
    kind,
    metadata: { ...details },
    ip: address ?? null,
    datetime: new Date(at).toUTCString(),
    performer: performedBy === undefined ? null : { kind: 'user', name: performedBy, is_robot: false },
  };
}
