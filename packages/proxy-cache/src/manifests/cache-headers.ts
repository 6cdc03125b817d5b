import type { ExtraHeaders } from '@breakwater/registry-http';
import type { ShieldedFacts } from './pulled-manifest.js';

/** The name of this cache in `Cache-Status` (RFC 9211). */
const CACHE_NAME = 'Breakwater';

/** Answered from the cache; `ttlMs` is what is left until the next check, and absent for what never needs one. */
export function hitHeaders(ageMs?: number, ttlMs?: number): ExtraHeaders {
  if (ageMs === undefined || ttlMs === undefined) return { 'cache-status': `${CACHE_NAME}; hit` };
  return { 'cache-status': `${CACHE_NAME}; hit; ttl=${Math.max(0, Math.floor(ttlMs / 1000))}`, age: seconds(ageMs) };
}

/** Fetched from the upstream, or confirmed by it, for this pull; `detail` is why it is not stored. */
export function forwardedHeaders(why: 'uri-miss' | 'stale', stored: boolean, detail?: 'quota'): ExtraHeaders {
  const what = `${stored ? '; stored' : ''}${detail === undefined ? '' : `; detail=${detail}`}`;
  return { 'cache-status': `${CACHE_NAME}; fwd=${why}${what}`, age: '0' };
}

/**
 * Answered from the cache without the upstream's confirmation. The warning is the spec's channel to the person who pulls
 * (distribution-spec, "Warnings"): code 299, no agent, no date.
 */
export function shieldedHeaders(
  upstreamName: string,
  shielded: ShieldedFacts,
  ageMs: number,
  what: 'tag' | 'list' = 'tag',
): ExtraHeaders {
  const status = shielded.upstreamStatus === undefined ? '' : `; fwd-status=${shielded.upstreamStatus}`;
  return {
    'cache-status': `${CACHE_NAME}; hit; fwd=stale${status}; detail=${shielded.failureClass}`,
    age: seconds(ageMs),
    warning: `299 - "${warningText(upstreamName, shielded, ageMs, what)}"`,
  };
}

function warningText(
  upstreamName: string,
  { why, failureClass }: ShieldedFacts,
  ageMs: number,
  what: 'tag' | 'list',
): string {
  const copy = `serving the copy confirmed ${duration(ageMs)} ago`;
  if (why === 'removed') return `${upstreamName} no longer has this ${what}; ${copy}`;
  if (why === 'denied') return `${upstreamName} denies access to this ${what}; ${copy}`;
  if (why === 'incomplete') {
    const before = `serving the image before it, confirmed ${duration(ageMs)} ago`;
    return `the newest image of this ${what} cannot be fetched whole from ${upstreamName} (${failureClass}); ${before}`;
  }
  return `${upstreamName} cannot be asked (${failureClass}); ${copy}`;
}

function seconds(ms: number): string {
  return String(Math.floor(ms / 1000));
}

/** A duration as people say it, in its two largest units. */
function duration(ms: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  let rest = Math.floor(ms / 1000);
  const parts: string[] = [];
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${name}`);
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}
