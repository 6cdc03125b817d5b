import { getDomain } from 'tldts';

/** A registry and its token server, both by the names of their hosts. */
export interface KnownRealm {
  readonly registry: string;
  readonly realm: string;
}

/** Token servers that stand under another domain than their registry. */
const KNOWN_REALMS: readonly KnownRealm[] = [{ registry: 'registry-1.docker.io', realm: 'auth.docker.io' }];

/**
 * Whether credentials of an upstream may be shown to the token server that its challenge names (S5): https unless the
 * upstream itself is plain http, and the upstream's own host, a host of the same registrable domain, or a known pair, of
 * which an operator may add some.
 */
export function isAcceptableRealm(upstreamOrigin: string, realm: URL, added: readonly KnownRealm[] = []): boolean {
  const upstream = new URL(upstreamOrigin);
  if (realm.protocol !== 'https:' && !(realm.protocol === 'http:' && upstream.protocol === 'http:')) return false;
  if (realm.username !== '' || realm.password !== '') return false;
  if (realm.hostname === upstream.hostname) return true;
  const isKnown = (pair: KnownRealm) => pair.registry === upstream.hostname && pair.realm === realm.hostname;
  if (KNOWN_REALMS.some(isKnown) || added.some(isKnown)) return true;
  const domain = getDomain(upstream.hostname, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(realm.hostname, { allowPrivateDomains: true });
}
