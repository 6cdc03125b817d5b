import { isIPv6 } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
const UNKNOWN = 'unknown';

/**
 * The address that limits are counted by: an IPv4 address, or the /64 of an IPv6 one, of which one machine has as many as
 * it likes. `remoteAddress` is a socket's; one that is gone already has none.
 */
export function clientAddress(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined) return UNKNOWN;
  const mapped = MAPPED_IPV4.exec(remoteAddress)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(remoteAddress) ? `${network(remoteAddress)}::/64` : remoteAddress;
}

/** The first four groups, without leading zeros. */
function network(address: string): string {
  const [before = '', after] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...tail];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
