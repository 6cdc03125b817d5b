import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseWayIn, renamed, type WayIn } from '@breakwater/registry-http';
import type { NameResolver } from './name-resolver.js';

type Next = (error?: unknown) => void;

/** What other paths of this registry begin with. */
const PATHS_OF_OURS: ReadonlySet<string> = new Set(['api', 'organization']);

/**
 * Leads every way in to `/v2/<organization>/<repository>…`: `/<organization>/v2/…` (Docker's mirrors), `?ns=` (containerd),
 * and names without an organization. It stands before everything else, and lets pass what names its organization.
 */
export function waysIn(names: NameResolver) {
  return (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const way = parseWayIn(request.url ?? '', names.hasDefault);
    if (way === undefined) return next();
    resolve(names, way).then((found) => {
      if (found !== undefined) {
        request.url = found.target;
        if (found.namespace !== undefined) response.setHeader('OCI-Namespace', found.namespace);
      }
      next();
    }, next);
  };
}

async function resolve(
  names: NameResolver,
  way: WayIn,
): Promise<{ readonly target: string; readonly namespace?: string } | undefined> {
  if (way.mount !== undefined) {
    // Whether there is such an organization is for the request itself to find out: to whoever may not know of it, one that is
    // there and one that is not have to look the same.
    if (PATHS_OF_OURS.has(way.mount) && !(await names.isOrganization(way.mount))) return undefined;
    return { target: way.name === undefined ? way.target : renamed(way, `${way.mount}/${way.name}`) };
  }
  if (way.name === undefined) return undefined;
  if (way.ns !== undefined) {
    const name = await names.byNamespace(way.ns, way.name);
    // An upstream that no organization names is not the default one's either.
    return name === undefined ? undefined : { target: renamed(way, name), namespace: way.ns };
  }
  return { target: renamed(way, await names.byPath(way.name)) };
}
