import { isIPv6 } from 'node:net';
import { parseRepositoryName } from './reference.js';

/** Which registry an organization proxies, and which part of it: `host[:port][/namespace]`. */
export interface UpstreamAddress {
  /** Host name or IP literal in lower case, without a trailing dot; IPv6 in its shortest form, without brackets. */
  readonly host: string;
  /** Port, if one was named. */
  readonly port?: number;
  /** The path that every repository lies below, `library` say. */
  readonly namespace?: string;
}

/** Docker Hub has three names: it answers under another one than its images are named by (moby, registry/config.go). */
export const DOCKER_HUB_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** Longest upstream address, as Quay has it. */
const MAX_LENGTH = 270;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^:/[\]]+)(?::([0-9]{1,5}))?(?:\/(.*))?$/;

/**
 * Reads `host[:port][/namespace]`. What is wrong comes back as a sentence that says what would be right.
 * Whether the host may be dialled is not decided here.
 */
export function parseUpstreamAddress(text: string): UpstreamAddress | { readonly problem: string } {
  if (text.length > MAX_LENGTH) return { problem: `must be at most ${MAX_LENGTH} characters long` };
  if (text.includes('://'))
    return { problem: 'must be host[:port][/namespace] without a scheme, for example docker.io' };
  const match = ADDRESS.exec(text.trim());
  if (match === null)
    return { problem: 'must be host[:port][/namespace], for example docker.io or quay.io/prometheus' };
  const [, rawHost = '', rawPort, namespace] = match;
  const host = rawHost.startsWith('[') ? parseIpv6(rawHost) : parseHostName(rawHost);
  if (host === undefined) {
    return {
      problem: 'must begin with a host name such as docker.io or an address such as 192.0.2.1 or [2001:db8::1]',
    };
  }
  const port = rawPort === undefined ? undefined : Number(rawPort);
  if (port !== undefined && (port < 1 || port > 65_535)) return { problem: 'must have a port from 1 to 65535' };
  if (namespace !== undefined && parseRepositoryName(namespace) === undefined) {
    return { problem: 'must have a namespace of lower-case path segments, for example quay.io/prometheus' };
  }
  return { host, ...(port === undefined ? {} : { port }), ...(namespace === undefined ? {} : { namespace }) };
}

/** The canonical text of an upstream: equal for two spellings of the same one, and the identity of its cache. */
export function formatUpstreamAddress(address: UpstreamAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const port = address.port === undefined ? '' : `:${address.port}`;
  return `${host}${port}${address.namespace === undefined ? '' : `/${address.namespace}`}`;
}

function parseHostName(text: string): string | undefined {
  const host = text.toLowerCase().replace(/\.$/, '');
  return HOST_NAME.test(host) ? host : undefined;
}

/** The URL parser writes an address in its one shortest form (RFC 5952). */
function parseIpv6(bracketed: string): string | undefined {
  if (!isIPv6(bracketed.slice(1, -1))) return undefined;
  return new URL(`http://${bracketed}`).hostname.slice(1, -1);
}
