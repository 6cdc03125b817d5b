import type { IncomingMessage } from 'node:http';
import type { Digest } from '@breakwater/registry-core';

const ENTITY_TAG = /(?:W\/)?"([^"]*)"/g;

/**
 * Whether a client has what it asks for already: `If-None-Match` names the digest, alone or in a list, strong or weak, or is
 * `*` (RFC 9110, 13.1.2). Then the answer is 304.
 */
export function hasAlready({ headers }: IncomingMessage, digest: Digest): boolean {
  const condition = headers['if-none-match'];
  if (condition === undefined) return false;
  if (condition === `"${digest}"` || condition.trim() === '*') return true;
  return [...condition.matchAll(ENTITY_TAG)].some(([, tag]) => tag === digest);
}
