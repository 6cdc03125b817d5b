import type { Access, Logger } from '@breakwater/registry-core';
import { type ApiHandler, type ApiOperation, serveOperations } from '@breakwater/registry-http';
import { json } from 'express';
import type { OrganizationDirectory } from '../ports.js';

export interface ApiRouterParts {
  readonly access: Access;
  readonly organizations: OrganizationDirectory;
  readonly operations: readonly ApiOperation[];
  readonly logger: Logger;
}

/** The API of the cache, to be mounted at the root of an app. All other paths go to `next`. */
export function createApiRouter(parts: ApiRouterParts): ApiHandler {
  return serveOperations({
    ...parts,
    parseJson: json({ limit: '192kb', strict: false, inflate: false }),
    bodyLimit: '192 KiB',
  });
}
