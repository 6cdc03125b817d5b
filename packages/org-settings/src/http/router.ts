import type { Access, Logger } from '@breakwater/registry-core';
import { type ApiHandler, type ApiOperation, serveOperations } from '@breakwater/registry-http';
import { json } from 'express';
import type { OrganizationDirectory } from '../ports.js';
import { describeSettingsError } from './operations.js';

export interface SettingsRouterOptions {
  readonly access: Access;
  readonly organizations: OrganizationDirectory;
  readonly operations: readonly ApiOperation[];
  readonly logger: Logger;
}

/** Room for two fields of 4096 characters, each of which JSON may write as six bytes, and for 64 KiB of certificates. */
const BODY_KIB = 192;

/** The settings API below `/api/v1/organization/`, to be mounted at the root of an app. All other paths go to `next`. */
export function createSettingsRouter(options: SettingsRouterOptions): ApiHandler {
  return serveOperations({
    ...options,
    parseJson: json({ limit: `${BODY_KIB}kb`, strict: false, inflate: false }),
    bodyLimit: `${BODY_KIB} KiB`,
    describeError: describeSettingsError,
  });
}
