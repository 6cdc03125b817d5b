import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Access,
  type BlobStore,
  type Logger,
  type ManifestStore,
  type OrganizationName,
  type Principal,
  type Reference,
  RegistryError,
  type Repository,
  type TagStore,
} from '@breakwater/registry-core';
import {
  admitToContent,
  answerBlob,
  answerEmpty,
  answerError,
  answerManifest,
  answerTags,
  parseRegistryRoute,
  parseTagPage,
  ReadBuffers,
  type RegistryRoute,
  unauthorized,
} from '@breakwater/registry-http';
import { neededAction } from '../access/needed-action.js';
import { answerHostedReferrers } from '../hosted/answer-hosted-referrers.js';
import { answerUpload } from '../hosted/answer-upload.js';
import type {
  BlobMounts,
  ContentRemoval,
  ReferrerLists,
  RepositoryContent,
  TagPointing,
} from '../hosted/hosted-content.js';
import { currentDigest, pushManifest } from '../hosted/push-manifest.js';
import { conditionFailed, holds, writeConditionOf } from '../hosted/write-condition.js';
import { isContentDamaged } from '../storage/storage-error.js';
import type { BlobUploads } from '../uploads/blob-uploads.js';

/** What hosted organizations are served from, and written to. */
export interface HostedRegistryParts {
  readonly access: Access;
  readonly organizations: { exists(name: OrganizationName): Promise<boolean> };
  readonly manifests: ManifestStore;
  readonly blobs: BlobStore;
  readonly tags: TagStore & TagPointing;
  readonly uploads: BlobUploads;
  /** Largest manifest in bytes that can be pushed. */
  readonly maxManifestBytes: number;
  readonly content: ContentRemoval & BlobMounts & RepositoryContent & ReferrerLists;
  readonly logger: Logger;
}

type Next = (error?: unknown) => void;
type HostedRoute = Extract<RegistryRoute, { readonly organization: unknown }>;

/** A request whose route, sender and right are known. */
interface AdmittedRequest {
  readonly parts: ServingParts;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly repository: Repository;
  readonly principal: Principal | undefined;
}

/** What all requests share. */
interface ServingParts extends HostedRegistryParts {
  readonly buffers: ReadBuffers;
}

/** Tags of one page where the client leaves it to us. */
const DEFAULT_PAGE = 1_000;

/** Answers `/v2/` for hosted organizations, and whatever nobody else below `/v2` did. */
export function hostedRegistry(given: HostedRegistryParts) {
  const parts = { ...given, buffers: new ReadBuffers() };
  return (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const target = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '';
    const route = parseRegistryRoute(target);
    if (route === undefined) return next();
    answer(parts, request, response, route).catch((error: unknown) =>
      answerError(request, response, error, parts.logger),
    );
  };
}

async function answer(
  parts: ServingParts,
  request: IncomingMessage,
  response: ServerResponse,
  route: RegistryRoute,
): Promise<void> {
  if (route.kind === 'invalid') throw route.error;
  if (route.kind === 'base') return answerBase(parts.access, request, response);
  const action = neededAction(request, route);
  const principal = await admitToContent(parts.access, request, action, route);
  if (action !== 'pull' && !(await parts.organizations.exists(route.organization))) {
    throw new RegistryError('NAME_UNKNOWN', `there is no organization ${route.organization}; it has to be made first`);
  }
  const repository: Repository = { organization: route.organization, name: route.repository };
  const admitted = { parts, request, response, repository, principal };
  switch (route.kind) {
    case 'manifest':
      return answerManifestRoute(admitted, route.reference, queryOf(request));
    case 'blob':
      return answerBlobRoute(admitted, route);
    case 'tags':
      readOnly(request);
      return answerHostedTags(parts.tags, request, response, repository, route.query);
    case 'referrers':
      readOnly(request);
      return answerHostedReferrers(parts.content, request, response, {
        repository,
        digest: route.digest,
        query: route.query,
      });
    case 'upload':
      return answerUpload(
        {
          uploads: parts.uploads,
          mounts: parts.content,
          mayPull: (source) => mayPull(parts.access, principal, source),
        },
        request,
        response,
        { repository, session: route.session, query: route.query },
      );
  }
}

async function answerManifestRoute(
  { parts, request, response, repository }: AdmittedRequest,
  reference: Reference,
  query: string,
): Promise<void> {
  switch (request.method) {
    case 'GET':
    case 'HEAD': {
      const digest =
        reference.kind === 'digest' ? reference.digest : await parts.tags.resolve(repository, reference.tag);
      const manifest = digest === undefined ? undefined : await parts.manifests.get(repository, digest);
      if (manifest === undefined) throw new RegistryError('MANIFEST_UNKNOWN');
      await answerManifest(request, response, repository, manifest, {});
      return;
    }
    case 'PUT':
      return pushManifest(parts, request, response, { repository, reference, query });
    case 'DELETE':
      await removeReference(parts, request, repository, reference);
      return answerEmpty(response, 202);
    default:
      throw notAllowed('GET, HEAD, PUT, DELETE');
  }
}

async function removeReference(
  parts: ServingParts,
  request: IncomingMessage,
  repository: Repository,
  reference: Reference,
): Promise<void> {
  const condition = writeConditionOf(request);
  if (condition !== undefined) {
    const current = await currentDigest(parts, repository, reference);
    // What is not there is 404, whatever it should have been (RFC 9110, 13.2.1).
    if (current !== undefined && !holds(condition, current)) throw conditionFailed();
  }
  if (reference.kind === 'tag' && condition !== undefined && condition !== 'nothing') {
    if ((await parts.tags.move(repository, reference.tag, condition, undefined)) === 'moved') return;
    throw (await parts.tags.resolve(repository, reference.tag)) === undefined
      ? new RegistryError('MANIFEST_UNKNOWN')
      : conditionFailed();
  }
  const removed =
    reference.kind === 'tag'
      ? await parts.content.removeTag(repository, reference.tag)
      : await parts.content.removeManifest(repository, reference.digest);
  if (!removed) throw new RegistryError('MANIFEST_UNKNOWN');
}

async function answerBlobRoute(
  { parts, request, response, repository, principal }: AdmittedRequest,
  { digest }: HostedRoute & { readonly kind: 'blob' },
): Promise<void> {
  switch (request.method) {
    case 'GET':
    case 'HEAD': {
      const blob = await parts.blobs.open(repository, digest).catch(async (error: unknown) => {
        // Who pushes asks by HEAD what need not be sent. What is damaged has to be, or it will never be whole again.
        if (request.method !== 'HEAD' || !isContentDamaged(error)) throw error;
        const target = { organization: repository.organization, repository: repository.name };
        if (!(await parts.access.authorize(principal, 'push', target))) throw error;
        return undefined;
      });
      if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN');
      return answerBlob(request, response, repository, digest, blob, {}, parts.buffers);
    }
    case 'DELETE':
      if (!(await parts.content.removeBlob(repository, digest))) throw new RegistryError('BLOB_UNKNOWN');
      return answerEmpty(response, 202);
    default:
      throw notAllowed('GET, HEAD, DELETE');
  }
}

/** 401 to whoever did not sign in, also where pulls are open to all: clients learn from it how to sign in. */
async function answerBase(access: Access, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if ((await access.authenticate(request)) === undefined) throw unauthorized(access, request);
  readOnly(request);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': 2,
    'docker-distribution-api-version': 'registry/2.0',
  });
  response.end(request.method === 'HEAD' ? undefined : '{}');
}

/** Mounts are from hosted repositories: what is cached is some upstream's, and pushed anew if need be. */
function mayPull(access: Access, principal: Principal | undefined, source: Repository): Promise<boolean> {
  return access.authorize(principal, 'pull', { organization: source.organization, repository: source.name });
}

async function answerHostedTags(
  tags: TagStore,
  request: IncomingMessage,
  response: ServerResponse,
  repository: Repository,
  query: string,
): Promise<void> {
  const { limit = DEFAULT_PAGE, last } = parseTagPage(query);
  const page = await tags.list(repository, { last, limit });
  if (page === undefined) throw new RegistryError('NAME_UNKNOWN');
  answerTags(request, response, repository, { ...page, limit, next: page.more ? page.tags.at(-1) : undefined }, {});
}

function queryOf(request: IncomingMessage): string {
  const target = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '';
  const mark = target.indexOf('?');
  return mark === -1 ? '' : target.slice(mark + 1);
}

function readOnly(request: IncomingMessage): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw notAllowed('GET, HEAD');
}

function notAllowed(allow: string): RegistryError {
  return new RegistryError('UNSUPPORTED', `only ${allow} can be done here`, { headers: { allow } });
}
