import { FAILURE_CLASSES, RegistryError } from '@breakwater/registry-core';
import type { UpstreamError } from '../upstream/upstream-error.js';

/** What a client asked for, as far as its error answer depends on it. */
export interface FailedPull {
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers';
  /** Whether the organization has credentials for its upstream. */
  readonly hasCredentials: boolean;
  /** The upstream as people name it. */
  readonly upstreamName: string;
  /** Whether an older copy is stored, which may be served again when the upstream is in order. */
  readonly hasCopy?: boolean;
  /** Since when the upstream is known to be down, ms since the epoch. */
  readonly since?: number;
  /** How long until the check is due that may end it, in milliseconds. */
  readonly nextCheckMs?: number;
}

/** `Retry-After` that clients are sent, in seconds (P14): podman obeys up to 60. */
const MIN_RETRY_AFTER_S = 5;
const MAX_RETRY_AFTER_S = 60;
/** A rate limit that does not say for how long is given a minute (F36). */
const UNTOLD_LIMIT_MS = 60_000;
/** So that those who were refused together do not come back together. */
const MAX_JITTER_MS = 10_000;

/**
 * The client's answer for a failure of the upstream (design 6.3): an outage is 503 or 504, a rate limit 429, and only what
 * the upstream itself said was not there is a 404.
 * @param random 0 to 1
 */
export function pullFailure(error: UpstreamError, pull: FailedPull, random = Math.random()): RegistryError {
  const { failureClass, upstreamStatus } = error;
  const { status, phrase, shields } = FAILURE_CLASSES[failureClass];
  // A refusal is no outage, whatever else the upstream is known for.
  const since = shields === 'always' ? pull.since : undefined;
  const detail = {
    reason: failureClass,
    ...(upstreamStatus === undefined ? {} : { upstream_status: upstreamStatus }),
    ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
  };
  if (failureClass === 'removed')
    return new RegistryError(unknownCode(error, pull), undefined, { detail, cause: error });
  if (error.isSchema1 && pull.hasCopy !== true) {
    const message =
      `${pull.upstreamName} has this image in Docker's schema 1 only, which is not supported and which clients have given up: ` +
      'ask its publisher to push it again with a current client, or pull another tag';
    return new RegistryError('MANIFEST_UNKNOWN', message, {
      detail,
      reasonPhrase: 'Unsupported Schema 1',
      cause: error,
    });
  }
  if (failureClass === 'denied') {
    return pull.hasCredentials
      ? new RegistryError('DENIED', `${pull.upstreamName} denied access to this organization's credentials`, {
          detail,
          reasonPhrase: phrase,
          cause: error,
        })
      : new RegistryError(
          pull.kind === 'referrers' ? 'DENIED' : 'NAME_UNKNOWN',
          `${pull.upstreamName} does not know it, or it is private`,
          {
            detail,
            cause: error,
          },
        );
  }
  if (failureClass === 'rate_limited') {
    const headers = retryAfter(error.retryAfterMs ?? UNTOLD_LIMIT_MS);
    const message = `the rate limit of ${pull.upstreamName} is reached`;
    return new RegistryError('TOOMANYREQUESTS', message, { detail, headers, reasonPhrase: phrase, cause: error });
  }
  // It is not asked of its own accord before its next check, and hardly back before.
  const waitMs = Math.max(pull.nextCheckMs ?? error.retryAfterMs ?? 0, MIN_RETRY_AFTER_S * 1000);
  const headers = retryAfter(waitMs + random * MAX_JITTER_MS);
  const message = `${pull.upstreamName} cannot be asked (${failureClass}) and nothing that may be served is cached`;
  return new RegistryError('UNAVAILABLE', message, { status, detail, headers, reasonPhrase: phrase, cause: error });
}

function unknownCode(error: UpstreamError, { kind }: FailedPull): 'NAME_UNKNOWN' | 'BLOB_UNKNOWN' | 'MANIFEST_UNKNOWN' {
  if (kind === 'blob') return 'BLOB_UNKNOWN';
  return kind === 'tags' || error.unknown === 'repository' ? 'NAME_UNKNOWN' : 'MANIFEST_UNKNOWN';
}

function retryAfter(ms: number): Record<'retry-after', string> {
  return { 'retry-after': String(Math.ceil(Math.min(MAX_RETRY_AFTER_S, Math.max(MIN_RETRY_AFTER_S, ms / 1000)))) };
}
