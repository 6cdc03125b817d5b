import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Access,
  type BlobStore,
  type Logger,
  type ManifestStore,
  RegistryError,
  type Repository,
  type TagStore,
} from '@breakwater/registry-core';
import {
  answerBlob,
  answerError,
  answerManifest,
  answerTags,
  parseRegistryRoute,
  parseTagPage,
  type RegistryRoute,
} from '@breakwater/registry-http';

/** What hosted organizations are served from. */
export interface HostedRegistryParts {
  readonly access: Access;
  readonly manifests: ManifestStore;
  readonly blobs: BlobStore;
  readonly tags: TagStore;
  readonly logger: Logger;
}

type Next = (error?: unknown) => void;
type HostedRoute = Extract<RegistryRoute, { readonly organization: unknown }>;

/** Tags of one page where the client leaves it to us. */
const DEFAULT_PAGE = 1_000;

/** Answers `/v2/` for hosted organizations, read-only, and whatever nobody else below `/v2` did. */
export function hostedRegistry(parts: HostedRegistryParts) {
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
  parts: HostedRegistryParts,
  request: IncomingMessage,
  response: ServerResponse,
  route: RegistryRoute,
): Promise<void> {
  if (route.kind === 'invalid') throw route.error;
  if (route.kind === 'base') return answerBase(parts.access, request, response);
  await authorize(parts.access, request, route);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new RegistryError('UNSUPPORTED', 'this registry can be pulled from, not written to', {
      headers: { allow: 'GET, HEAD' },
    });
  }
  const repository: Repository = { organization: route.organization, name: route.repository };
  switch (route.kind) {
    case 'manifest': {
      const { reference } = route;
      const digest =
        reference.kind === 'digest' ? reference.digest : await parts.tags.resolve(repository, reference.tag);
      const manifest = digest === undefined ? undefined : await parts.manifests.get(repository, digest);
      if (manifest === undefined) throw new RegistryError('MANIFEST_UNKNOWN');
      await answerManifest(request, response, repository, manifest, {});
      return;
    }
    case 'blob': {
      const blob = await parts.blobs.open(repository, route.digest);
      if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN');
      return answerBlob(request, response, repository, route.digest, blob, {});
    }
    case 'tags':
      return answerHostedTags(parts.tags, request, response, repository, route.query);
    default:
      throw new RegistryError('UNSUPPORTED', undefined, { status: 404 });
  }
}

/** 401 to whoever did not sign in, also where pulls are open to all: clients learn from it how to sign in. */
async function answerBase(access: Access, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if ((await access.authenticate(request)) === undefined) throw unauthorized(access, request);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': 2,
    'docker-distribution-api-version': 'registry/2.0',
  });
  response.end(request.method === 'HEAD' ? undefined : '{}');
}

async function authorize(access: Access, request: IncomingMessage, route: HostedRoute): Promise<void> {
  const principal = await access.authenticate(request);
  const target = { organization: route.organization, repository: route.repository };
  if (await access.authorize(principal, 'pull', target)) return;
  throw principal === undefined ? unauthorized(access, request) : new RegistryError('DENIED');
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

function unauthorized(access: Access, request: IncomingMessage): RegistryError {
  return new RegistryError('UNAUTHORIZED', undefined, { headers: { 'www-authenticate': access.challenge(request) } });
}
