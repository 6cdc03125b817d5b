import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Access,
  type Clock,
  type Logger,
  type Principal,
  type ProxyCacheSettings,
  type ProxyCacheSettingsReader,
  RegistryError,
} from '@breakwater/registry-core';
import {
  admitToContent,
  answerBlob,
  answerError,
  answerManifest,
  answerReferrers,
  answerTags,
  clientAddress,
  parseReferrersPage,
  parseTagPage,
  type ReadBuffers,
  type RegistryRoute,
  RouteMemory,
  requestId,
} from '@breakwater/registry-http';
import type { PullThroughBlobs } from '../blobs/pull-through-blobs.js';
import type { ImageCompletion } from '../completing/image-completion.js';
import { type Emit, type RequestIdSource, requestFacts } from '../events.js';
import type { UpstreamHealth } from '../health/upstream-health.js';
import type { PullThroughListings } from '../listings/pull-through-listings.js';
import { referrersRequest, toReferrers } from '../listings/referrers.js';
import { tagListRequest, toTagPage } from '../listings/tag-list.js';
import { hitHeaders } from '../manifests/cache-headers.js';
import type { PullThroughManifests } from '../manifests/pull-through-manifests.js';
import type { PulledManifest } from '../manifests/pulled-manifest.js';
import type { ProxiedRepository } from '../ports.js';
import { cachedName, upstreamDisplayName } from '../upstream/endpoint.js';
import type { Hops } from '../upstream/hops.js';
import { isUpstreamError, type UpstreamError } from '../upstream/upstream-error.js';
import { statusFacts } from '../upstream-failures.js';
import { pullFailure } from './pull-failure.js';
import type { RefusalBudget } from './refusal-budget.js';

/** A plain handler of node:http, which Express 4 and 5 mount like any middleware. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What the middleware leans on. */
export interface MiddlewareParts {
  readonly settings: ProxyCacheSettingsReader;
  readonly access: Access;
  readonly manifests: PullThroughManifests;
  readonly blobs: PullThroughBlobs;
  readonly buffers: ReadBuffers;
  readonly listings: PullThroughListings;
  readonly completion: Pick<ImageCompletion, 'pulled'>;
  readonly health: UpstreamHealth;
  readonly hops: Hops;
  readonly refusals: RefusalBudget;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly logger: Logger;
}

/** Shortest and longest `Retry-After` of a client that asks for too much, in seconds. */
const MIN_WAIT_S = 5;
const MAX_WAIT_S = 60;

type ProxiedRoute = Extract<RegistryRoute, { readonly organization: unknown }>;

/** Answers whatever is asked of proxy organizations, and leaves all else to `next`. */
export function proxyCacheMiddleware(parts: MiddlewareParts): Middleware {
  const routes = new RouteMemory();
  return (request, response, next) => {
    const route = routes.parse(originalTarget(request));
    if (route === undefined || !('organization' in route)) return next();
    handle(parts, request, response, route)
      .then((answered) => {
        if (!answered) next();
      })
      .catch((error: unknown) => answerError(request, response, error, parts.logger));
  };
}

/** The target as it came. Express rewrites `url` below a mount path and keeps the original beside it. */
function originalTarget(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? '';
}

/** Resolves to false when the organization is not a proxy organization. */
async function handle(
  parts: MiddlewareParts,
  request: IncomingMessage,
  response: ServerResponse,
  route: ProxiedRoute,
): Promise<boolean> {
  const settings = await parts.settings.find(route.organization);
  if (settings === undefined) return false;
  const principal = await admitToContent(parts.access, request, 'pull', route);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new RegistryError(
      'UNSUPPORTED',
      `${route.organization} is a cache of ${settings.upstream}: it can be pulled from, not written to`,
      {
        headers: { allow: 'GET, HEAD' },
      },
    );
  }
  const { organization } = route;
  const { upstream } = settings;
  const repository = { organization, name: cachedName(upstream, route.repository), upstream };
  try {
    await parts.hops.follow(request.headers.via, () => {
      const hot =
        route.kind === 'manifest' ? parts.manifests.pullHot(settings, repository, route.reference) : undefined;
      return hot === undefined
        ? answer(parts, clientOf(request, principal), request, response, route, settings, repository)
        : answerPulled(parts, request, response, settings, repository, hot);
    });
  } catch (error) {
    if (!isUpstreamError(error)) throw error;
    parts.refusals.charge(clientOf(request, principal), error);
    tellPassed(parts, request, route, repository, error);
    if (!response.headersSent) throw passOn(parts, route, settings, repository, error);
    // Cut, so that no client takes a part for the whole. It was told above, and is no surprise.
    response.destroy();
  }
  return true;
}

/** Whom a refusal is charged to: whoever has signed in, or the address that anybody comes from. */
function clientOf(request: IncomingMessage, principal: Principal | undefined): string {
  return principal === undefined ? `address ${clientAddress(request.socket.remoteAddress)}` : `name ${principal.name}`;
}

/**
 * Stops a client that has asked for too much that is not there (F162). What is cached it gets all the same.
 * @throws RegistryError TOOMANYREQUESTS
 */
async function assertMayAskInVain(
  parts: MiddlewareParts,
  client: string,
  route: ProxiedRoute,
  repository: ProxiedRepository,
): Promise<void> {
  const waitS = parts.refusals.waitS(client);
  if (waitS === 0 || (await isCached(parts, route, repository))) return;
  throw new RegistryError(
    'TOOMANYREQUESTS',
    'too many requests for what the upstream does not have or does not give; what is cached can be pulled as before',
    {
      detail: { reason: 'overload' },
      headers: { 'retry-after': String(Math.min(MAX_WAIT_S, Math.max(MIN_WAIT_S, waitS))) },
      reasonPhrase: 'Too Many Requests For What Is Not There',
    },
  );
}

async function isCached(parts: MiddlewareParts, route: ProxiedRoute, repository: ProxiedRepository): Promise<boolean> {
  switch (route.kind) {
    case 'manifest':
      return parts.manifests.isCached(repository, route.reference);
    case 'blob':
      return parts.blobs.isCached(repository, route.digest);
    case 'tags':
      return parts.listings.isCached(tagListRequest(repository, parseTagPage(route.query)));
    case 'referrers':
      return parts.listings.isCached(referrersRequest(repository, route.digest, parseReferrersPage(route.query)));
    case 'upload':
      return false;
  }
}

async function answer(
  parts: MiddlewareParts,
  client: string,
  request: IncomingMessage,
  response: ServerResponse,
  route: ProxiedRoute,
  settings: ProxyCacheSettings,
  repository: ProxiedRepository,
): Promise<void> {
  await assertMayAskInVain(parts, client, route, repository);
  const id: RequestIdSource = () => requestId(request);
  switch (route.kind) {
    case 'manifest': {
      const pulled = await parts.manifests.pull(settings, repository, route.reference, id);
      return answerPulled(parts, request, response, settings, repository, pulled);
    }
    case 'blob':
      return answerBlobRequest(parts, request, response, route, settings, repository, id);
    case 'tags':
      return answerTagsRequest(parts, request, response, route, settings, repository, id);
    case 'referrers': {
      const page = parseReferrersPage(route.query);
      const wanted = referrersRequest(repository, route.digest, page);
      const { listing, headers } = await parts.listings.pull(settings, wanted, id);
      return answerReferrers(request, response, repository, route.digest, toReferrers(listing, page), headers);
    }
    case 'upload':
      throw new RegistryError('UNSUPPORTED', undefined, { status: 404 });
  }
}

function answerPulled(
  parts: MiddlewareParts,
  request: IncomingMessage,
  response: ServerResponse,
  settings: ProxyCacheSettings,
  repository: ProxiedRepository,
  { manifest, headers }: PulledManifest,
): Promise<void> | undefined {
  // Whoever gets it goes on to its blobs, as a rule; HEAD only wants to know whether it has changed.
  if (request.method === 'GET') parts.completion.pulled(settings, repository, manifest);
  return answerManifest(request, response, repository, manifest, headers);
}

async function answerTagsRequest(
  parts: MiddlewareParts,
  request: IncomingMessage,
  response: ServerResponse,
  route: ProxiedRoute & { kind: 'tags' },
  settings: ProxyCacheSettings,
  repository: ProxiedRepository,
  id: RequestIdSource,
): Promise<void> {
  const page = parseTagPage(route.query);
  if (page.limit === 0) {
    return answerTags(request, response, repository, { tags: [], limit: 0, next: undefined }, hitHeaders());
  }
  const { listing, headers } = await parts.listings.pull(settings, tagListRequest(repository, page), id);
  answerTags(request, response, repository, toTagPage(listing, page), headers);
}

async function answerBlobRequest(
  parts: MiddlewareParts,
  request: IncomingMessage,
  response: ServerResponse,
  route: ProxiedRoute & { kind: 'blob' },
  settings: ProxyCacheSettings,
  repository: ProxiedRepository,
  id: RequestIdSource,
): Promise<void> {
  if (request.method === 'HEAD') {
    const known = await parts.blobs.size(settings, repository, route.digest, id);
    if (known !== undefined) {
      const blob = { size: known.size, read: async () => 0, close: async () => undefined };
      return answerBlob(request, response, repository, route.digest, blob, known.headers, parts.buffers);
    }
  }
  const { blob, headers } = await parts.blobs.pull(settings, repository, route.digest, id);
  await answerBlob(request, response, repository, route.digest, blob, headers, parts.buffers);
}

/** A body that is cut because its upstream failed is a failure passed on as well. */
function tellPassed(
  parts: MiddlewareParts,
  request: IncomingMessage,
  route: ProxiedRoute,
  repository: ProxiedRepository,
  error: UpstreamError,
): void {
  const age = cachedAge(parts, route, repository);
  parts.emit('passed-error', {
    organization: repository.organization,
    repository: repository.name,
    reference: referenceText(route),
    failureClass: error.failureClass,
    ...statusFacts(error),
    ...(age === undefined ? {} : { ageMs: age }),
    ...requestFacts(() => requestId(request)),
  });
}

function passOn(
  parts: MiddlewareParts,
  route: ProxiedRoute,
  settings: ProxyCacheSettings,
  repository: ProxiedRepository,
  error: UpstreamError,
): RegistryError {
  // An address that is not valid is blocked, and has no health.
  const { down } = error.failureClass === 'blocked' ? {} : parts.health.peek(parts.health.scopeOf(settings));
  const hasCopy = cachedAge(parts, route, repository) !== undefined;
  return pullFailure(error, {
    kind: route.kind === 'upload' ? 'manifest' : route.kind,
    hasCredentials: settings.credentials !== undefined,
    upstreamName: upstreamDisplayName(settings.upstream),
    hasCopy,
    ...(down === undefined ? {} : { since: down.since }),
    ...(down?.nextCheckAt === undefined ? {} : { nextCheckMs: down.nextCheckAt - parts.clock.now() }),
  });
}

/** Age in milliseconds of the tag that was asked for; `undefined` when it is none, or not cached. */
function cachedAge(parts: MiddlewareParts, route: ProxiedRoute, repository: ProxiedRepository): number | undefined {
  if (route.kind !== 'manifest' || route.reference.kind !== 'tag') return undefined;
  return parts.manifests.ageMs(repository, route.reference.tag);
}

function referenceText(route: ProxiedRoute): string {
  switch (route.kind) {
    case 'manifest':
      return route.reference.kind === 'tag' ? route.reference.tag : route.reference.digest;
    case 'blob':
    case 'referrers':
      return route.digest;
    default:
      return '';
  }
}
