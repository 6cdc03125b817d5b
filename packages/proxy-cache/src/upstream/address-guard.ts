import ipaddr from 'ipaddr.js';

/** What the guard asks of an operator's entry: a host name, optionally with a port, or a block of addresses. */
type AllowedEntry =
  | { readonly kind: 'host'; readonly host: string; readonly port: number | undefined }
  | { readonly kind: 'block'; readonly block: [ipaddr.IPv4 | ipaddr.IPv6, number] };

/** Where a connection is about to go. `host` is what was named, `address` what it resolved to, or the literal itself. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly address: string;
}

/**
 * Decides which addresses may be dialled (S1 to S3): global unicast ones, and what the operator let through. It looks at
 * the address of each new connection, so a name that resolves differently the second time gains nothing.
 */
export class AddressGuard {
  readonly #allowed: readonly AllowedEntry[];

  /**
   * @param allowedHosts `host`, `host:port`, an address, or a block such as 10.0.0.0/8
   * @throws RangeError naming the entry that is none of these
   */
  constructor(allowedHosts: readonly string[] = []) {
    this.#allowed = allowedHosts.map(parseEntry);
  }

  allows(target: DialTarget): boolean {
    const address = parseAddress(target.address);
    if (address === undefined) return false;
    return isGlobalUnicast(address) || this.#allowed.some((entry) => matches(entry, target, address));
  }
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = text.replace(/^\[|\]$/g, '');
  if (bare.includes('%') || !(ipaddr.IPv4.isValidFourPartDecimal(bare) || ipaddr.IPv6.isValid(bare))) return undefined;
  const parsed = ipaddr.parse(bare);
  return parsed.kind() === 'ipv6' && (parsed as ipaddr.IPv6).isIPv4MappedAddress()
    ? (parsed as ipaddr.IPv6).toIPv4Address()
    : parsed;
}

/** `unicast` is ipaddr.js's word for what no special-purpose registry (RFC 6890) has set apart. */
function isGlobalUnicast(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false;
  if (address.kind() === 'ipv4') return true;
  // IANA has allocated global unicast out of 2000::/3 only; this leaves out ::a.b.c.d and site-local fec0::/10 too.
  return address.match(ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number]);
}

function matches(entry: AllowedEntry, target: DialTarget, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (entry.kind === 'host') {
    return entry.host === normalizeHost(target.host) && (entry.port === undefined || entry.port === target.port);
  }
  return entry.block[0].kind() === address.kind() && address.match(entry.block as [ipaddr.IPv4, number]);
}

function parseEntry(text: string): AllowedEntry {
  const entry = text.trim();
  if (entry.includes('/')) {
    try {
      return { kind: 'block', block: ipaddr.parseCIDR(entry) };
    } catch {
      throw wrongEntry(text);
    }
  }
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(entry);
  if (match === null) {
    if (ipaddr.IPv6.isValid(entry)) return { kind: 'host', host: normalizeHost(entry), port: undefined };
    throw wrongEntry(text);
  }
  const host = normalizeHost(match[1] ?? '');
  if (host === '' || /[^a-z0-9.:_-]/.test(host)) throw wrongEntry(text);
  return { kind: 'host', host, port: match[2] === undefined ? undefined : Number(match[2]) };
}

function normalizeHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

function wrongEntry(text: string): RangeError {
  return new RangeError(
    `${JSON.stringify(text)} is not an allowed host: write host, host:port, or a block such as 10.0.0.0/8`,
  );
}
