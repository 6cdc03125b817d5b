import { parseOrganizationName } from '@breakwater/registry-core';

/** How a client's request names a repository, other than `/v2/<organization>/<repository>`. */
export interface WayIn {
  /** `<organization>` of `/<organization>/v2/…`. */
  readonly mount: string | undefined;
  /** The value of `ns`, where there is exactly one. */
  readonly ns: string | undefined;
  /** What stands between `/v2/` and what is asked for; `undefined` for `/v2/` itself and for what no repository is in. */
  readonly name: string | undefined;
  /** The target from `/v2/` on, with its query. */
  readonly target: string;
}

const MOUNTED = /^\/([^/?]+)(\/v2(?:[/?].*)?)$/s;
const NAMED = /^\/v2\/(.+)\/(?:manifests\/[^/]*|blobs\/(?:uploads\/?[^/]*|[^/]*)|referrers\/[^/]*|tags\/list)$/;

/**
 * Reads a request target as it came; `undefined` for the way in that needs no thought, and for what is not below `/v2`.
 * With `always`, a plain `/v2/<name>/…` is read as well.
 */
export function parseWayIn(target: string, always: boolean): WayIn | undefined {
  if (target.startsWith('/v2/') || target === '/v2') {
    const ns = nsOf(target);
    return ns === undefined && !always ? undefined : { mount: undefined, ns, name: nameIn(target), target };
  }
  const mounted = MOUNTED.exec(target);
  if (mounted === null) return undefined;
  const rest = mounted[2] ?? '';
  if (parseOrganizationName(mounted[1] ?? '') === undefined) return undefined;
  return { mount: mounted[1], ns: nsOf(rest), name: nameIn(rest), target: rest };
}

/** The target with another name in the place of the one it has. */
export function renamed({ name, target }: WayIn, wanted: string): string {
  return name === undefined ? target : `/v2/${wanted}${target.slice('/v2/'.length + name.length)}`;
}

function nsOf(target: string): string | undefined {
  const mark = target.indexOf('?');
  if (mark === -1 || !target.includes('ns=', mark)) return undefined;
  const given = new URLSearchParams(target.slice(mark + 1)).getAll('ns');
  return given.length === 1 ? given[0] : undefined;
}

function nameIn(target: string): string | undefined {
  const mark = target.indexOf('?');
  return NAMED.exec(mark === -1 ? target : target.slice(0, mark))?.[1];
}
