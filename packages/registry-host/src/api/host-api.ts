import type { Access, Logger } from '@breakwater/registry-core';
import { type AdmissionParts, type ApiHandler, type ApiOperation, serveOperations } from '@breakwater/registry-http';
import { json } from 'express';
import { type OrganizationOperationParts, organizationOperations } from './organization-operations.js';
import { type RobotOperationParts, robotOperations } from './robot-operations.js';
import { type SessionOperationParts, sessionOperations } from './session-operations.js';
import { type StorageOperationParts, storageOperations } from './storage-operations.js';
import { type SuperuserOperationParts, superuserOperations } from './superuser-operations.js';
import { type UserOperationParts, userOperations } from './user-operations.js';

export interface HostApiParts
  extends Omit<OrganizationOperationParts, 'organizations'>,
    RobotOperationParts,
    SessionOperationParts,
    StorageOperationParts,
    SuperuserOperationParts,
    Omit<UserOperationParts, 'users' | 'members'> {
  readonly access: Access;
  readonly organizations: OrganizationOperationParts['organizations'] & AdmissionParts['organizations'];
  readonly logger: Logger;
}

/** What the host itself has in its API: sessions, users, organizations and their members. */
export function hostOperations(parts: HostApiParts): readonly ApiOperation[] {
  return [
    ...sessionOperations(parts),
    ...userOperations(parts),
    ...superuserOperations(parts),
    ...storageOperations(parts),
    ...organizationOperations(parts),
    ...robotOperations(parts),
  ];
}

/** Serves it. All other paths go to `next`. */
export function hostApi(parts: HostApiParts): ApiHandler {
  const { access, organizations, logger } = parts;
  return serveOperations({
    operations: hostOperations(parts),
    access,
    organizations,
    logger,
    parseJson: json({ limit: '64kb', strict: false, inflate: false }),
    bodyLimit: '64 KiB',
  });
}
