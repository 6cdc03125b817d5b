import { getDomain } from 'tldts';

/** Token servers that stand under another domain than their registry, which is named first. */
const KNOWN_REALMS: readonly (readonly [registry: string, realm: string])[] = [
  ['registry-1.docker.io', 'auth.docker.io'],
];

/**
 * Whether credentials of an upstream may be shown to the token server that its challenge names (S5): https unless the
 * upstream itself is plain http, and the upstream's own host, a host of the same registrable domain, or a known pair.
 */
export function isAcceptableRealm(upstreamOrigin: string, realm: URL): boolean {
  const upstream = new URL(upstreamOrigin);
  if (realm.protocol !== 'https:' && !(realm.protocol === 'http:' && upstream.protocol === 'http:')) return false;
  if (realm.username !== '' || realm.password !== '') return false;
  if (realm.hostname === upstream.hostname) return true;
  if (KNOWN_REALMS.some(([registry, host]) => registry === upstream.hostname && host === realm.hostname)) return true;
  const domain = getDomain(upstream.hostname, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(realm.hostname, { allowPrivateDomains: true });
}
