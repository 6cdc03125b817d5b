import {
  type Digest,
  DOCKER_HUB_NAMES,
  type OrganizationName,
  parseDigest,
  parseRepositoryName,
  parseTag,
  parseUpstreamAddress,
  type Reference,
} from '@breakwater/registry-core';
import { OFFICIAL_IMAGES } from '../upstream/endpoint.js';
import type { WarmImage } from './warm-request.js';

/** An image as people write it, in its parts: `host` is `host[:port]` in lower case. */
export interface ImageName {
  readonly host: string | undefined;
  readonly path: string;
  readonly reference: Reference;
}

/** Whose images are taken. */
export interface ImageOwner {
  readonly organization: OrganizationName;
  /** `host[:port][/namespace]` */
  readonly upstream: string;
  /** `host[:port]` of this registry as the caller names it. */
  readonly ownHost: string | undefined;
}

const LATEST = parseTag('latest');
/** What makes the first part of a name a host (distribution/reference, "splitDockerDomain"). */
const IS_HOST = /[.:]|^localhost$/;

/** Reads `[host/]path[:tag][@digest]`; without a tag and a digest it is `latest`. `undefined` when it is none. */
export function parseImageName(text: string): ImageName | undefined {
  const [named = '', digestText, ...more] = text.trim().split('@');
  if (more.length > 0) return undefined;
  const slash = named.indexOf('/');
  const first = slash === -1 ? '' : named.slice(0, slash);
  const host = IS_HOST.test(first) ? first.toLowerCase() : undefined;
  if (host !== undefined && 'problem' in parseUpstreamAddress(host)) return undefined;
  const rest = host === undefined ? named : named.slice(slash + 1);
  const colon = rest.lastIndexOf(':');
  const path = colon === -1 ? rest : rest.slice(0, colon);
  const reference = referenceOf(colon === -1 ? undefined : rest.slice(colon + 1), digestText);
  return reference === undefined || parseRepositoryName(path) === undefined ? undefined : { host, path, reference };
}

/**
 * The image in the organization's cache, or why it is none of it. A name without a host is Docker's: `nginx` is
 * `docker.io/library/nginx`.
 */
export function imageOf(name: ImageName, owner: ImageOwner): WarmImage | { readonly problem: string } {
  const own = ownPath(name, owner);
  if (own !== undefined) return toWarmImage(own, name.reference);
  const address = parseUpstreamAddress(owner.upstream);
  if ('problem' in address) return { problem: 'the upstream address of this organization is not valid' };
  const host = hubOr(name.host ?? 'docker.io');
  const port = address.port === undefined ? '' : `:${address.port}`;
  const upstreamHost = hubOr(`${address.host.includes(':') ? `[${address.host}]` : address.host}${port}`);
  if (host !== upstreamHost) return { problem: `it is of ${name.host ?? 'docker.io'}, not of ${owner.upstream}` };
  const path = host === HUB && !name.path.includes('/') ? `${OFFICIAL_IMAGES}/${name.path}` : name.path;
  const { namespace } = address;
  if (namespace === undefined) return toWarmImage(path, name.reference);
  return path.startsWith(`${namespace}/`)
    ? toWarmImage(path.slice(namespace.length + 1), name.reference)
    : { problem: `it is not below ${owner.upstream}` };
}

const HUB = 'docker.io';

/** Path below the organization, where the image is named by this registry itself. */
function ownPath({ host, path }: ImageName, { organization, ownHost }: ImageOwner): string | undefined {
  const isOurs = host !== undefined && host === ownHost?.toLowerCase() && path.startsWith(`${organization}/`);
  return isOurs ? path.slice(organization.length + 1) : undefined;
}

function toWarmImage(path: string, reference: Reference): WarmImage | { readonly problem: string } {
  const repository = parseRepositoryName(path);
  return repository === undefined ? { problem: 'it has no valid name' } : { repository, reference };
}

function hubOr(host: string): string {
  return DOCKER_HUB_NAMES.has(host) ? HUB : host;
}

/** A digest says it all; the tag beside it is for people. */
function referenceOf(tagText: string | undefined, digestText: string | undefined): Reference | undefined {
  const tag = tagText === undefined ? LATEST : parseTag(tagText);
  if (tag === undefined) return undefined;
  if (digestText === undefined) return { kind: 'tag', tag };
  const digest: Digest | undefined = parseDigest(digestText);
  return digest === undefined ? undefined : { kind: 'digest', digest };
}
