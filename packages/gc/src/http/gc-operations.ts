import { parseOrganizationName } from '@breakwater/registry-core';
import {
  type ApiFailure,
  type ApiOperation,
  type DescribeError,
  pageToken,
  readPageToken,
  readQuery,
} from '@breakwater/registry-http';
import { z } from 'zod';
import type { RunOptions } from '../collector.js';
import { errorClass, GcError } from '../errors.js';
import type { Explanation } from '../explain/explanation.js';
import type { RecordedRun } from '../postgres/recorded-runs.js';
import type { GcReport } from '../report.js';
import { explanationJson } from './explanation-json.js';
import { reportJson } from './report-json.js';

const runQuery = z.strictObject({
  dry_run: z.boolean().default(false).meta({ description: 'only say what would go, and why the rest stays' }),
  organization: z.string().optional().meta({ description: 'only this organization' }),
  force: z
    .boolean()
    .default(false)
    .meta({ description: 'also delete what is so much that the run would stop and ask' }),
});
/** The rest of a report is described with the collector. */
const reportSchema = z.looseObject({
  run_id: z.string(),
  dry_run: z.boolean(),
  outcome: z.enum(['done', 'failed', 'stopped', 'braked', 'skipped']),
  started_at: z.iso.datetime().nullable(),
  finished_at: z.iso.datetime().nullable(),
  expired_total: z.int(),
});

const runsQuery = z.strictObject({
  limit: z.int().min(1).max(100).default(20).meta({ description: 'most runs of a page' }),
  next_page: z.string().optional().meta({ description: 'the next_page of the page before' }),
});
const runSchema = z.strictObject({
  run_id: z.string(),
  holder: z.string().meta({ description: 'the process that made it' }),
  state: z.enum(['running', 'done', 'failed', 'stopped', 'braked', 'skipped', 'abandoned']),
  started_at: z.iso.datetime(),
  heartbeat_at: z.iso.datetime().meta({ description: 'when it last made progress' }),
  finished_at: z.iso.datetime().nullable(),
  report: z.unknown().meta({ description: 'its numbers; null while it is in flight, and of one that died' }),
});

const explainQuery = z.strictObject({
  reference: z.string().meta({
    description: '<digest>, <organization>/<repository>:<tag> or <organization>/<repository>@<digest>',
  }),
});
/** The rest of an explanation is described with the collector. */
const explanationSchema = z.looseObject({
  explained_at: z.iso.datetime().nullable(),
  tags: z.array(z.unknown()),
  stored: z.array(z.unknown()),
  links_total: z.int(),
  links: z.array(z.unknown()),
});

/** Runs on record, the latest first, before a token. */
export type ListRuns = (before: number | undefined, limit: number) => Promise<readonly RecordedRun[]>;

/** What can be asked of the collector. */
export function gcOperations(
  runOnce: (options: RunOptions) => Promise<GcReport>,
  listRuns: ListRuns,
  explain: (reference: string) => Promise<Explanation>,
): readonly ApiOperation[] {
  return [
    {
      id: 'runGarbageCollection',
      method: 'POST',
      path: '/api/v1/gc/run',
      summary: 'Makes a run of garbage collection.',
      right: 'administer',
      query: runQuery,
      answers: { 200: { description: 'the report of the run', body: reportSchema } },
      async handle({ query }) {
        const { dry_run: dryRun, force, organization: name } = readQuery(runQuery, query);
        const organization = name === undefined ? undefined : parseOrganizationName(name);
        if (name !== undefined && organization === undefined) throw new GcError('GC_NO_ORGANIZATION', name);
        return { status: 200, body: reportJson(await runOnce({ dryRun, force, organization })) };
      },
    },
    {
      id: 'listGarbageCollections',
      method: 'GET',
      path: '/api/v1/gc/runs',
      summary: 'Lists runs of garbage collection, the latest first.',
      right: 'administer',
      query: runsQuery,
      answers: {
        200: {
          description: 'runs; dry runs leave no record',
          body: z.strictObject({ runs: z.array(runSchema), next_page: z.string().optional() }),
        },
      },
      async handle({ query }) {
        const { limit, next_page: nextPage } = readQuery(runsQuery, query);
        const [position] = readPageToken(nextPage, 1) ?? [];
        // What is no number is no position of ours; before number 0 there is nothing.
        const before = position === undefined ? undefined : Number(/^\d{1,15}$/.exec(position)?.[0] ?? 0);
        const found = await listRuns(before, limit + 1);
        const page = found.slice(0, limit);
        const last = found.length > limit ? page.at(-1) : undefined;
        return {
          status: 200,
          body: {
            runs: page.map(runJson),
            ...(last === undefined ? {} : { next_page: pageToken([String(last.token)]) }),
          },
        };
      },
    },
    {
      id: 'explainGarbageCollection',
      method: 'GET',
      path: '/api/v1/gc/explain',
      summary: 'Says why a cached tag, a manifest or a blob would go or stay.',
      right: 'administer',
      query: explainQuery,
      answers: { 200: { description: 'its clocks, what refers to it, and the verdict', body: explanationSchema } },
      async handle({ query }) {
        return { status: 200, body: explanationJson(await explain(readQuery(explainQuery, query).reference)) };
      },
    },
  ];
}

function runJson(run: RecordedRun): z.input<typeof runSchema> {
  const iso = (ms: number) => new Date(ms).toISOString();
  return {
    run_id: run.runId,
    holder: run.holder,
    state: run.state,
    started_at: iso(run.startedAt),
    heartbeat_at: iso(run.heartbeatAt),
    finished_at: run.finishedAt === undefined ? null : iso(run.finishedAt),
    report: run.report ?? null,
  };
}

const REFUSALS: Readonly<Record<string, ApiFailure>> = {
  GC_RUNNING: {
    status: 409,
    type: 'gc_running',
    detail: 'A garbage collection run is in flight. Try again when it has ended.',
    headers: { 'retry-after': '30' },
  },
  GC_NO_ORGANIZATION: {
    status: 400,
    type: 'invalid_request',
    detail: 'organization must be the name of an organization, for example dockerhub.',
  },
  GC_NO_REFERENCE: {
    status: 400,
    type: 'invalid_request',
    detail:
      'reference must be a digest, <organization>/<repository>:<tag> or <organization>/<repository>@<digest>, for example dockerhub/library/nginx:1.27.',
  },
  GC_UNKNOWN_REFERENCE: {
    status: 404,
    type: 'not_found',
    detail: 'Nothing of that name is cached or stored: it was never pulled, or it is gone. Hosted tags do not expire.',
  },
  GC_STOPPED: { status: 503, type: 'gc_unavailable', detail: 'This process is shutting down.' },
  GC_UNAVAILABLE: {
    status: 503,
    type: 'gc_unavailable',
    detail: 'The run could not begin: the database did not take its record.',
  },
};

/** How refusals of the collector are answered. */
export const describeGcError: DescribeError = (error) => {
  const code = errorClass(error);
  return Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined;
};
