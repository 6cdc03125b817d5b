import { type Access, isRegistryError } from '@breakwater/registry-core';
import { answerJson } from '@breakwater/registry-http';
import { type Request, type Response, Router } from 'express';
import type { RunOptions } from '../collector.js';
import { errorClass } from '../errors.js';
import type { GcReport } from '../report.js';
import { answerApiError } from './api-error.js';
import { reportJson } from './report-json.js';

/** What the route needs. */
export interface GcRouterParts {
  readonly access: Access;
  readonly runOnce: (options: RunOptions) => Promise<GcReport>;
}

/** `POST /api/v1/gc/run`: makes a run and answers with its report; `?dry_run=true` only says what would go. */
export function gcRouter(parts: GcRouterParts): Router {
  const router = Router();
  router.post('/api/v1/gc/run', (request, response, next) => {
    // Express 4 does not wait for handlers.
    answerRun(parts, request, response).catch(next);
  });
  return router;
}

async function answerRun({ access, runOnce }: GcRouterParts, request: Request, response: Response): Promise<void> {
  if (!(await admit(access, request, response))) return;
  const dryRun = readDryRun(request.query['dry_run']);
  if (dryRun === undefined) {
    answerApiError(response, 'invalid_request', 'dry_run must be true or false');
    return;
  }
  try {
    answerJson(response, 200, reportJson(await runOnce({ dryRun })));
  } catch (error) {
    answerRefusal(response, error);
  }
}

/** Whether an administrator asks; anybody else has been answered. */
async function admit(access: Access, request: Request, response: Response): Promise<boolean> {
  let principal: Awaited<ReturnType<Access['authenticate']>>;
  try {
    principal = await access.authenticate(request);
  } catch (error) {
    if (!isRegistryError(error) || error.code !== 'UNAUTHORIZED') throw error;
  }
  if (principal === undefined) {
    const headers = { 'www-authenticate': access.challenge(request) };
    answerApiError(response, 'invalid_token', 'Requires authentication', headers);
    return false;
  }
  if (await access.authorize(principal, 'administer', {})) return true;
  answerApiError(response, 'insufficient_scope', 'Unauthorized');
  return false;
}

function readDryRun(value: unknown): boolean | undefined {
  if (value === undefined || value === 'false') return false;
  return value === 'true' ? true : undefined;
}

function answerRefusal(response: Response, error: unknown): void {
  switch (errorClass(error)) {
    case 'GC_RUNNING':
      answerApiError(response, 'gc_running', 'A garbage collection run is in flight. Try again when it has ended.', {
        'retry-after': '30',
      });
      return;
    case 'GC_STOPPED':
      answerApiError(response, 'gc_unavailable', 'This process is shutting down.');
      return;
    case 'GC_UNAVAILABLE':
      answerApiError(response, 'gc_unavailable', 'The run could not begin: the database did not take its record.');
      return;
    default:
      throw error;
  }
}
