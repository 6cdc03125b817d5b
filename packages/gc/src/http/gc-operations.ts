import { parseOrganizationName } from '@breakwater/registry-core';
import { type ApiFailure, type ApiOperation, type DescribeError, readQuery } from '@breakwater/registry-http';
import { z } from 'zod';
import type { RunOptions } from '../collector.js';
import { errorClass, GcError } from '../errors.js';
import type { GcReport } from '../report.js';
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
  outcome: z.enum(['done', 'failed', 'stopped', 'braked']),
  started_at: z.iso.datetime().nullable(),
  finished_at: z.iso.datetime().nullable(),
  expired_total: z.int(),
});

/** What can be asked of the collector. */
export function gcOperations(runOnce: (options: RunOptions) => Promise<GcReport>): readonly ApiOperation[] {
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
  ];
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
