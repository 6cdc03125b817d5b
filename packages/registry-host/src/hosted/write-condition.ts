import type { IncomingMessage } from 'node:http';
import { type Digest, parseDigest, RegistryError } from '@breakwater/registry-core';

/** What must be there before it is written: anything, nothing, or one of these. */
export type WriteCondition = 'anything' | 'nothing' | readonly Digest[];

const ENTITY_TAG = /(W\/)?"([^"]*)"/g;

/**
 * What a push or a deletion of a manifest is conditional on: `If-Match` with ETags or `*`, `If-None-Match: *` (RFC 9110, 13.1).
 * `undefined` for one that is not.
 *
 * @throws RegistryError UNSUPPORTED with status 400 for another condition: to ignore it would overwrite what it protects
 */
export function writeConditionOf({ headers }: IncomingMessage): WriteCondition | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match === undefined && noneMatch === undefined) return undefined;
  if (match === undefined && noneMatch?.trim() === '*') return 'nothing';
  if (match === undefined || noneMatch !== undefined) {
    const message = 'what is written may be conditional on If-Match, or on If-None-Match: *, and not on both';
    throw new RegistryError('UNSUPPORTED', message, { status: 400 });
  }
  if (match.trim() === '*') return 'anything';
  // Weak ones match nothing (RFC 9110, 8.8.3.2), and neither does what is no digest.
  return [...match.matchAll(ENTITY_TAG)].flatMap(
    ([, weak, text = '']) => (weak === undefined && parseDigest(text)) || [],
  );
}

/** Whether what is there is as the condition wants it. */
export function holds(condition: WriteCondition, current: Digest | undefined): boolean {
  if (condition === 'nothing') return current === undefined;
  return current !== undefined && (condition === 'anything' || condition.includes(current));
}

/** The answer to a write whose condition does not hold: nothing was changed. */
export function conditionFailed(): RegistryError {
  return new RegistryError('DENIED', 'something else is there by now than the condition of the request says', {
    status: 412,
    detail: { reason: 'precondition' },
    reasonPhrase: 'Precondition Failed',
  });
}
