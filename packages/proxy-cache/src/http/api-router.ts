import type { Clock, Logger, ProxyCacheSettings } from '@breakwater/registry-core';
import { answerJson, requestId } from '@breakwater/registry-http';
import { type NextFunction, type Request, type Response, Router } from 'express';
import { organizationStatus, type StatusParts } from '../organization-status.js';
import type { OutageTimeline } from '../timeline/outage-timeline.js';
import { type AdmissionParts, admitReader } from './admission.js';
import { ApiError, answerApiError } from './api-error.js';
import { parseEventsQuery } from './events-query.js';
import type { Middleware } from './middleware.js';
import { eventsJson, statusJson } from './status-json.js';

/** What the API leans on. */
export interface ApiRouterParts extends AdmissionParts, StatusParts {
  readonly timeline: Pick<OutageTimeline, 'lastDay' | 'page'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Answer = (parts: ApiRouterParts, settings: ProxyCacheSettings, query: string) => Promise<unknown>;

const HOME = '/api/v1/organization/:organization/proxycache';

/** All of them are read with the right to read settings. */
const ROUTES: Readonly<Record<string, Answer>> = {
  // getProxyCacheHealth
  [`${HOME}/health`]: async (parts, settings) => statusJson(await organizationStatus(parts, settings)),
  // listProxyCacheEvents
  [`${HOME}/events`]: async ({ timeline, clock }, settings, text) => {
    const query = parseEventsQuery(text, clock.now());
    return eventsJson(query, await timeline.page(settings.organization, query.rest, query.by));
  },
};

/** The API that shows how a cache is, to be mounted at the root of an app. All other paths go to `next`. */
export function createApiRouter(parts: ApiRouterParts): Middleware {
  const router = Router({ caseSensitive: true });
  for (const [path, answer] of Object.entries(ROUTES)) {
    router.get(path, (request: Request, response: Response, next: NextFunction) => {
      // Express 4 does not wait for handlers.
      respond(answer, request, response).catch(next);
    });
    router.all(path, (request: Request, response: Response) => {
      const error = new ApiError('METHOD_NOT_ALLOWED', { headers: { allow: 'GET, HEAD' } });
      answerApiError(request, response, error, parts.logger);
    });
  }
  // Every refusal, and paths that cannot be decoded. Express takes a handler for errors by its four parameters.
  router.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) next(error);
    else answerApiError(request, response, error, parts.logger);
  });
  return (request, response, next) => router(request as Request, response as Response, next);

  async function respond(answer: Answer, request: Request, response: Response): Promise<void> {
    const settings = await admitReader(parts, request, String(request.params['organization']));
    // The text as it came: how a query is parsed is a setting of the app that this is mounted in.
    const [, query = ''] = request.originalUrl.split(/\?(.*)/s);
    answerJson(response, 200, await answer(parts, settings, query), { 'x-request-id': requestId(request) });
  }
}
