import type { Access, Logger } from '@breakwater/registry-core';
import { type AdmissionParts, type ApiHandler, type ApiOperation, serveOperations } from '@breakwater/registry-http';
import { json } from 'express';
import { type AccountLogOperationParts, accountLogOperation } from './account-log-operation.js';
import { documentRoutes } from './document-routes.js';
import { type OrganizationOperationParts, organizationOperations } from './organization-operations.js';
import { type RobotOperationParts, robotOperations } from './robot-operations.js';
import { type SessionOperationParts, sessionOperations } from './session-operations.js';
import { type StorageOperationParts, storageOperations } from './storage-operations.js';
import { type SuperuserOperationParts, superuserOperations } from './superuser-operations.js';
import { type UserOperationParts, userOperations } from './user-operations.js';

export interface HostApiParts
  extends Omit<OrganizationOperationParts, 'organizations'>,
    RobotOperationParts,
    Omit<SessionOperationParts, 'users' | 'accountLog'>,
    StorageOperationParts,
    SuperuserOperationParts,
    Omit<UserOperationParts, 'users' | 'members'> {
  readonly access: Access;
  readonly accountLog: AccountLogOperationParts['accountLog'] & SessionOperationParts['accountLog'];
  readonly organizations: OrganizationOperationParts['organizations'] & AdmissionParts['organizations'];
  /** Operations of the packages, which are documented with the host's own. */
  readonly documented: readonly ApiOperation[];
  readonly logger: Logger;
}

/** What the host itself has in its API: sessions, users, organizations and their members. */
function hostOperations(parts: HostApiParts): readonly ApiOperation[] {
  return [
    ...sessionOperations(parts),
    ...userOperations(parts),
    ...superuserOperations(parts),
    accountLogOperation(parts),
    ...storageOperations(parts),
    ...organizationOperations(parts),
    ...robotOperations(parts),
  ];
}

const API = { title: 'Breakwater management API', version: '1.0.0' };

/** Serves it, and the documentation of the whole API. All other paths go to `next`. */
export function hostApi(parts: HostApiParts): ApiHandler {
  const { access, organizations, logger } = parts;
  const operations = hostOperations(parts);
  const documentation = documentRoutes([...parts.documented, ...operations], API);
  const api = serveOperations({
    operations,
    access,
    organizations,
    logger,
    parseJson: json({ limit: '64kb', strict: false, inflate: false }),
    bodyLimit: '64 KiB',
  });
  return (request, response, next) => {
    documentation(request, response, (error) => {
      if (error === undefined) api(request, response, next);
      else next(error);
    });
  };
}
