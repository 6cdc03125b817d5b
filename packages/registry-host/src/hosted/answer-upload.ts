import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Digest,
  parseDigest,
  parseOrganizationName,
  parseRepositoryName,
  RegistryError,
  type Repository,
} from '@breakwater/registry-core';
import { answerEmpty } from '@breakwater/registry-http';
import { type BlobUploads, rangeOf, type UploadPart } from '../uploads/blob-uploads.js';
import type { BlobMounts } from './hosted-content.js';

/** What uploads lean on. */
export interface UploadParts {
  readonly uploads: BlobUploads;
  readonly mounts: BlobMounts;
  /** Whether whoever asks may pull from a repository, so that its blobs may be mounted elsewhere. */
  mayPull(repository: Repository): Promise<boolean>;
}

/** A request below `/v2/<name>/blobs/uploads/`. */
export interface UploadRequest {
  readonly repository: Repository;
  /** '' for one that begins an upload. */
  readonly session: string;
  readonly query: string;
}

/** Repositories of the organization that are tried for a mount that names none. */
const MOST_HOLDERS = 20;
const CONTENT_RANGE = /^([0-9]{1,15})-([0-9]{1,15})$/;

/** Answers whatever is done to uploads (distribution-spec, "Pushing blobs"). */
export async function answerUpload(
  parts: UploadParts,
  request: IncomingMessage,
  response: ServerResponse,
  { repository, session, query }: UploadRequest,
): Promise<void> {
  const parameters = new URLSearchParams(query);
  if (session === '') {
    if (request.method !== 'POST') throw notAllowed('POST');
    return beginUpload(parts, request, response, repository, parameters);
  }
  switch (request.method) {
    case 'GET': {
      const bytes = await parts.uploads.bytes(repository, session);
      return answerEmpty(response, 204, progress(repository, session, bytes));
    }
    case 'PATCH': {
      const bytes = await parts.uploads.append(repository, session, partOf(request));
      return answerEmpty(response, 202, progress(repository, session, bytes));
    }
    case 'PUT':
      return endUpload(parts.uploads, request, response, repository, session, parameters);
    case 'DELETE':
      await parts.uploads.cancel(repository, session);
      return answerEmpty(response, 204);
    default:
      throw notAllowed('GET, PATCH, PUT, DELETE');
  }
}

async function beginUpload(
  parts: UploadParts,
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  parameters: URLSearchParams,
): Promise<void> {
  const { uploads } = parts;
  const algorithm = parameters.get('digest-algorithm');
  if (algorithm !== null && algorithm !== 'sha256' && algorithm !== 'sha512') {
    throw new RegistryError('DIGEST_INVALID', 'digest-algorithm must be sha256 or sha512');
  }
  const mount = parameters.get('mount');
  if (mount !== null) {
    const digest = digestParameter(mount);
    if (await mounted(parts, repository, digest, parameters.get('from'))) return created(response, repository, digest);
  }
  const given = parameters.get('digest');
  const digest = given === null ? undefined : digestParameter(given);
  const session = await uploads.begin(repository);
  if (digest === undefined) return answerEmpty(response, 202, progress(repository, session, 0));
  await uploads.append(repository, session, partOf(request)).catch(async (error: unknown) => {
    // Nobody was told of this upload, so nobody can go on with it.
    await uploads.cancel(repository, session).catch(() => undefined);
    throw error;
  });
  await uploads.finish(repository, session, digest);
  created(response, repository, digest);
}

async function endUpload(
  uploads: BlobUploads,
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  session: string,
  parameters: URLSearchParams,
): Promise<void> {
  const digest = digestParameter(parameters.get('digest') ?? '');
  const part = partOf(request);
  if (part.length !== 0 || part.start !== undefined) await uploads.append(repository, session, part);
  await uploads.finish(repository, session, digest);
  created(response, repository, digest);
}

/**
 * Mounts only what whoever asks may pull anyhow. Without `from`, the repository itself and others of its organization are
 * tried: a digest that another organization has must look like one that nobody has.
 */
async function mounted(
  { mounts, mayPull }: UploadParts,
  repository: Repository,
  digest: Digest,
  from: string | null,
): Promise<boolean> {
  if (from !== null) {
    const source = parseName(from);
    return source !== undefined && (await mayPull(source)) && mounts.mount(repository, source, digest);
  }
  for (const name of await mounts.holders(repository.organization, digest, MOST_HOLDERS)) {
    const source = { organization: repository.organization, name };
    if ((await mayPull(source)) && (await mounts.mount(repository, source, digest))) return true;
  }
  return false;
}

function parseName(text: string): Repository | undefined {
  const slash = text.indexOf('/');
  if (slash === -1) return undefined;
  const organization = parseOrganizationName(text.slice(0, slash));
  const name = parseRepositoryName(text.slice(slash + 1));
  return organization === undefined || name === undefined ? undefined : { organization, name };
}

function digestParameter(text: string): Digest {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  throw new RegistryError('DIGEST_INVALID', 'the digest must be sha256:<64 hex digits> or sha512:<128 hex digits>');
}

/** @throws RegistryError BLOB_UPLOAD_INVALID, SIZE_INVALID */
function partOf(request: IncomingMessage): UploadPart {
  const body = request as AsyncIterable<Uint8Array>;
  const sent = request.headers['content-length'];
  const streamed = request.headers['transfer-encoding'] !== undefined;
  const length = sent === undefined ? (streamed ? undefined : 0) : Number(sent);
  const range = request.headers['content-range'];
  if (range === undefined) return { body, ...(length === undefined ? {} : { length }) };
  const match = CONTENT_RANGE.exec(range);
  if (match === null) {
    throw new RegistryError(
      'BLOB_UPLOAD_INVALID',
      'Content-Range must be <first byte>-<last byte>, 0-1023 for instance',
    );
  }
  const start = Number(match[1]);
  const ranged = Number(match[2]) - start + 1;
  if (ranged < 1 || (length !== undefined && length !== ranged)) {
    throw new RegistryError('SIZE_INVALID', 'Content-Range and Content-Length do not say the same');
  }
  return { body, start, length: ranged };
}

function progress(repository: Repository, session: string, bytes: number): Readonly<Record<string, string>> {
  return {
    location: `/v2/${repository.organization}/${repository.name}/blobs/uploads/${session}`,
    range: rangeOf(bytes),
    'docker-upload-uuid': session,
  };
}

function created(response: ServerResponse, repository: Repository, digest: Digest): void {
  answerEmpty(response, 201, {
    location: `/v2/${repository.organization}/${repository.name}/blobs/${digest}`,
    'docker-content-digest': digest,
  });
}

function notAllowed(allow: string): RegistryError {
  return new RegistryError('UNSUPPORTED', `only ${allow} can be done here`, { headers: { allow } });
}
