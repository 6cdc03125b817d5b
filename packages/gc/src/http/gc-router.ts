import type { Access, Logger } from '@breakwater/registry-core';
import { type ApiHandler, type ApiOperation, serveOperations } from '@breakwater/registry-http';
import { json } from 'express';
import { describeGcError } from './gc-operations.js';

/** What the router needs. */
export interface GcRouterParts {
  readonly access: Access;
  readonly operations: readonly ApiOperation[];
  readonly logger: Logger;
}

/** `POST /api/v1/gc/run`: makes a run and answers with its report; `?dry_run=true` only says what would go. */
export function gcRouter(parts: GcRouterParts): ApiHandler {
  return serveOperations({
    ...parts,
    // Nothing here is about an organization.
    organizations: { exists: async () => false },
    parseJson: json({ limit: '64kb', strict: false, inflate: false }),
    bodyLimit: '64 KiB',
    describeError: describeGcError,
  });
}
