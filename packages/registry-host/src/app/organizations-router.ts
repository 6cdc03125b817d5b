import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Access,
  isRegistryError,
  type Logger,
  type OrganizationName,
  type Principal,
  parseOrganizationName,
} from '@breakwater/registry-core';
import { answerJson, apiErrorBody } from '@breakwater/registry-http';
import { json, type NextFunction, type Request, type Response, Router } from 'express';

/** Where organizations are made. */
export interface OrganizationCreation {
  create(name: OrganizationName): Promise<'created' | 'exists'>;
}

export interface OrganizationsRouterParts {
  readonly access: Access;
  readonly organizations: OrganizationCreation;
  readonly logger: Logger;
}

const MAX_BODY = '64kb';

/** `POST /api/v1/organization/` with `{"name": …}`: makes an organization; administrators only, as Quay's. */
export function organizationsRouter(parts: OrganizationsRouterParts): Router {
  const router = Router();
  router.post(
    '/api/v1/organization/',
    (request: Request, response: Response, next: NextFunction) => {
      admit(parts.access, request, response).then((admitted) => {
        if (admitted) next();
      }, next);
    },
    json({ limit: MAX_BODY, type: () => true }),
    (request: Request, response: Response, next: NextFunction) => {
      create(parts.organizations, request.body, response).catch(next);
    },
  );
  router.use('/api/v1', (error: unknown, request: Request, response: Response, _next: NextFunction) => {
    answerFailure(error, request, response, parts.logger);
  });
  return router;
}

async function create(organizations: OrganizationCreation, body: unknown, response: ServerResponse): Promise<void> {
  const given = (body as { readonly name?: unknown } | null)?.name;
  const name = typeof given === 'string' ? parseOrganizationName(given) : undefined;
  if (name === undefined) {
    const detail =
      'name must be a text of lower-case letters and digits, parted by . _ or -, for example {"name": "dockerhub"}';
    return answerJson(response, 400, apiErrorBody(400, { type: 'invalid_request', detail }));
  }
  if ((await organizations.create(name)) === 'exists') {
    const detail = 'A user or organization with this name already exists';
    return answerJson(response, 400, apiErrorBody(400, { type: 'invalid_request', detail }));
  }
  answerJson(response, 201, 'Created');
}

/** Whether an administrator asks; anybody else has been answered. */
async function admit(access: Access, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const principal = await signedIn(access, request);
  if (principal === undefined) {
    const facts = { type: 'invalid_token', title: 'Requires authentication', detail: 'Requires authentication' };
    answerJson(response, 401, apiErrorBody(401, facts), { 'www-authenticate': access.challenge(request) });
    return false;
  }
  if (await access.authorize(principal, 'administer', {})) return true;
  answerJson(response, 403, apiErrorBody(403, { type: 'insufficient_scope', detail: 'Unauthorized' }));
  return false;
}

async function signedIn(access: Access, request: IncomingMessage): Promise<Principal | undefined> {
  try {
    return await access.authenticate(request);
  } catch (error) {
    if (isRegistryError(error) && error.code === 'UNAUTHORIZED') return undefined;
    throw error;
  }
}

function answerFailure(error: unknown, request: IncomingMessage, response: ServerResponse, logger: Logger): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, type } = (error ?? {}) as { readonly status?: unknown; readonly type?: unknown };
  if (isRegistryError(error)) {
    const facts = { type: error.code.toLowerCase(), detail: error.message };
    return answerJson(response, error.status, apiErrorBody(error.status, facts), error.headers);
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    const detail = type === 'entity.parse.failed' ? 'the body must be one JSON object' : 'the body cannot be read';
    return answerJson(response, status, apiErrorBody(status, { type: 'invalid_request', detail }));
  }
  logger.error({ err: error, url: request.url }, 'a request to the API failed unexpectedly');
  answerJson(response, 500, apiErrorBody(500, { type: 'internal_error', detail: 'Internal Error' }));
}
