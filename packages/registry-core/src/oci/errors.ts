/**
 * The one table of errors that a client of the registry can meet: the codes of the distribution-spec ("Error codes"),
 * and, for answers of 5xx, UNAVAILABLE and INTERNAL, which distribution and other registries use beside them. An answer
 * of 4xx may have no other code than the spec's.
 */
export const REGISTRY_ERRORS = {
  BLOB_UNKNOWN: { status: 404, message: 'blob unknown to the registry' },
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to the registry' },
  DIGEST_INVALID: { status: 400, message: 'provided digest is not a supported digest' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, message: 'manifest references a manifest or blob unknown to the registry' },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown to the registry' },
  NAME_INVALID: { status: 400, message: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, message: 'repository name not known to the registry' },
  SIZE_INVALID: { status: 400, message: 'provided length did not match content length' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  DENIED: { status: 403, message: 'requested access to the resource is denied' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  UNAVAILABLE: { status: 503, message: 'service unavailable' },
  INTERNAL: { status: 500, message: 'internal error' },
} as const satisfies Record<string, { readonly status: number; readonly message: string }>;

export type RegistryErrorCode = keyof typeof REGISTRY_ERRORS;

export interface RegistryErrorOptions {
  /** HTTP status, where it differs from the table's (504 for an UNAVAILABLE that timed out). */
  readonly status?: number;
  /** Machine-readable facts for the `detail` of the error body. Never a secret, an address or a stack. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Headers that belong to the answer, `Retry-After` say. Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The reason phrase of the status line: all that several clients show of an answer to HEAD. */
  readonly reasonPhrase?: string;
  readonly cause?: unknown;
}

/** A failure with an answer that the client may see. Tell it by `code`, never by `instanceof`. */
export class RegistryError extends Error {
  readonly status: number;
  readonly detail: Readonly<Record<string, unknown>> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly reasonPhrase: string | undefined;

  constructor(
    readonly code: RegistryErrorCode,
    message: string = REGISTRY_ERRORS[code].message,
    options: RegistryErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RegistryError';
    this.status = options.status ?? REGISTRY_ERRORS[code].status;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
    this.reasonPhrase = options.reasonPhrase;
  }
}

/** True for a RegistryError, also of another copy of this package. */
export function isRegistryError(error: unknown): error is RegistryError {
  const candidate = error as Partial<RegistryError> | null | undefined;
  return candidate?.name === 'RegistryError' && Object.hasOwn(REGISTRY_ERRORS, candidate.code ?? '');
}
