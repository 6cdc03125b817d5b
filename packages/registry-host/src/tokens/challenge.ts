import type { IncomingMessage } from 'node:http';
import { parseRegistryRoute } from '@breakwater/registry-http';
import { neededAction } from '../access/needed-action.js';

export interface ChallengeOptions {
  /** Without a slash at its end; `undefined` = what the client called us. */
  readonly publicUrl: string | undefined;
  readonly service: string;
}

/** A host and port as clients may send it; whatever else stands there goes into no header of ours. */
const HOST = /^(?:[a-zA-Z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::[0-9]{1,5})?$/;

/** The `WWW-Authenticate` of Docker's token protocol: where tokens are, and which one the request would need. */
export function tokenChallenge(request: IncomingMessage, { publicUrl, service }: ChallengeOptions): string {
  const scope = neededScope(request);
  return `Bearer realm="${baseUrl(request, publicUrl)}/v2/auth",service="${service}"${scope === undefined ? '' : `,scope="${scope}"`}`;
}

function baseUrl(request: IncomingMessage, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl;
  const { host } = request.headers;
  if (host !== undefined && HOST.test(host)) return `http://${host}`;
  const { localAddress = '127.0.0.1', localPort = 80 } = request.socket;
  return `http://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`;
}

function neededScope(request: IncomingMessage): string | undefined {
  const route = parseRegistryRoute(originalTarget(request));
  if (route === undefined || !('organization' in route)) return undefined;
  const action = neededAction(request, route);
  const actions = action === 'pull' ? 'pull' : `pull,${action}`;
  return `repository:${route.organization}/${route.repository}:${actions}`;
}

/** The target as it came. Express rewrites `url` below a mount path and keeps the original beside it. */
export function originalTarget(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? '';
}
