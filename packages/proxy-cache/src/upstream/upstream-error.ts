import type { UpstreamFailureClass } from '@breakwater/registry-core';

export interface UpstreamErrorOptions {
  /** The upstream's own HTTP status, if it answered. */
  readonly upstreamStatus?: number;
  /** How long the upstream asked us to wait, in milliseconds, already bounded. */
  readonly retryAfterMs?: number;
  /** The origin that failed, where it is known: the registry's, its token server's, or that of a redirect. */
  readonly origin?: string;
  /** With class `removed`: whether the upstream does not know the repository, or only this content. */
  readonly unknown?: 'repository' | 'content';
  /** It is this content that cannot be used: the upstream answered as a registry does, and is not to blame as a whole. */
  readonly isOfContent?: boolean;
  /** It is an image of Docker's schema 1: the upstream is in order, but nobody here can ever use it. */
  readonly isSchema1?: boolean;
  readonly cause?: unknown;
}

/** Asking an upstream failed. Carries no address, header or body of the upstream. Tell it by `code`. */
export class UpstreamError extends Error {
  readonly code = 'UPSTREAM_FAILED';
  readonly upstreamStatus: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly unknown: 'repository' | 'content';
  readonly origin: string | undefined;
  readonly isOfContent: boolean;
  readonly isSchema1: boolean;

  constructor(
    readonly failureClass: UpstreamFailureClass,
    message: string,
    options: UpstreamErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UpstreamError';
    this.upstreamStatus = options.upstreamStatus;
    this.retryAfterMs = options.retryAfterMs;
    this.unknown = options.unknown ?? 'content';
    this.origin = options.origin;
    this.isSchema1 = options.isSchema1 ?? false;
    this.isOfContent = options.isOfContent ?? this.isSchema1;
  }
}

/** True for an UpstreamError. */
export function isUpstreamError(error: unknown): error is UpstreamError {
  return (error as { code?: unknown } | null | undefined)?.code === 'UPSTREAM_FAILED';
}

/** The same failure, said of the origin it happened at. One that is known already counts. */
export function atOrigin(error: UpstreamError, origin: string): UpstreamError {
  return error.origin === undefined ? changed(error, { origin }) : error;
}

/** The same failure, said of this content only. */
export function ofContent(error: UpstreamError): UpstreamError {
  return changed(error, { isOfContent: true });
}

function changed(error: UpstreamError, options: UpstreamErrorOptions): UpstreamError {
  return new UpstreamError(error.failureClass, error.message, {
    ...(error.upstreamStatus === undefined ? {} : { upstreamStatus: error.upstreamStatus }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.origin === undefined ? {} : { origin: error.origin }),
    unknown: error.unknown,
    isOfContent: error.isOfContent,
    isSchema1: error.isSchema1,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
    ...options,
  });
}
