import {
  DOCKER_HUB_NAMES,
  type ProxyCacheSettings,
  parseUpstreamAddress,
  type RepositoryName,
} from '@breakwater/registry-core';
import { UpstreamError } from './upstream-error.js';

/** Where the registry behind an organization is dialled, and how its repositories are named there. */
export interface UpstreamEndpoint {
  /** `scheme://host[:port]` without a default port: what credentials and health are bound to. */
  readonly origin: string;
  /** The name that people know the upstream by, for messages. */
  readonly displayName: string;
  /** The upstream's name of a repository of ours. */
  repositoryPath(name: RepositoryName): string;
}

/** Where Docker Hub is dialled, by whichever of its names. */
const DOCKER_HUB_HOST = 'registry-1.docker.io';
/** Where Docker Hub keeps images whose names have one part. */
export const OFFICIAL_IMAGES = 'library';

/**
 * The endpoint of an organization's settings.
 * @throws UpstreamError class `blocked` when the stored address cannot be one
 */
export function upstreamEndpoint(settings: Pick<ProxyCacheSettings, 'upstream' | 'insecure'>): UpstreamEndpoint {
  const address = parseUpstreamAddress(settings.upstream);
  if ('problem' in address) throw notValid();
  const isDockerHub = address.port === undefined && DOCKER_HUB_NAMES.has(address.host);
  const host = isDockerHub ? DOCKER_HUB_HOST : address.host;
  const authority = host.includes(':') ? `[${host}]` : host;
  const port = address.port === undefined ? '' : `:${address.port}`;
  const url = `${settings.insecure ? 'http' : 'https'}://${authority}${port}`;
  // Names that are none for a URL: 1.2.3.4.5, which ends like an IPv4 address but is not one, and broken Punycode.
  if (!URL.canParse(url)) throw notValid();
  const { origin } = new URL(url);
  const { namespace } = address;
  return {
    origin,
    displayName: address.host,
    repositoryPath(name) {
      if (namespace !== undefined) return `${namespace}/${name}`;
      return isDockerHub && !name.includes('/') ? `${OFFICIAL_IMAGES}/${name}` : name;
    },
  };
}

/**
 * The one name under which a repository is kept: `nginx` of Docker Hub is `library/nginx`, which is the same repository
 * there, and a name of a cached repository is one of the upstream's and nothing else's (S20).
 */
export function cachedName(upstream: string, name: RepositoryName): RepositoryName {
  if (name.includes('/') || !DOCKER_HUB_NAMES.has(upstream)) return name;
  return `${OFFICIAL_IMAGES}/${name}` as RepositoryName;
}

/** The name that people know an upstream by, also where its address is not valid. */
export function upstreamDisplayName(upstream: string): string {
  const address = parseUpstreamAddress(upstream);
  return 'problem' in address ? 'the upstream' : address.host;
}

function notValid(): UpstreamError {
  return new UpstreamError('blocked', 'the upstream address of this organization is not valid');
}
