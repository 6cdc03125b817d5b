/** What is wrong with one field of a request. The sentence begins after the name of the field. */
export interface FieldProblem {
  /** The name of the field in the API; `undefined` when the body as a whole is wrong. */
  readonly field: string | undefined;
  readonly message: string;
}

/** The refusals that every route of the management API has in common; types and texts are Quay's where Quay has them. */
export const API_ERRORS = {
  INVALID: { status: 400, type: 'invalid_request', message: 'Invalid request' },
  UNAUTHENTICATED: { status: 401, type: 'invalid_token', message: 'Requires authentication' },
  FORBIDDEN: { status: 403, type: 'insufficient_scope', message: 'Unauthorized' },
  CSRF: { status: 403, type: 'invalid_csrf_token', message: 'CSRF token was invalid or missing.' },
  NOT_FOUND: { status: 404, type: 'not_found', message: 'Not Found' },
  METHOD_NOT_ALLOWED: { status: 405, type: 'method_not_allowed', message: 'Method Not Allowed' },
  TOO_LARGE: { status: 413, type: 'invalid_request', message: 'Request too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, type: 'invalid_request', message: 'Unsupported Media Type' },
} as const satisfies Record<string, { readonly status: number; readonly type: string; readonly message: string }>;

export type ApiErrorCode = keyof typeof API_ERRORS;

export interface ApiErrorOptions {
  /** What a person reads; the table's text when absent. Never a secret. */
  readonly detail?: string;
  readonly problems?: readonly FieldProblem[];
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the body. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A request to the management API that is refused. Tell it by `code`, never by `instanceof`. */
export class ApiError extends Error {
  readonly detail: string;
  readonly problems: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    readonly code: ApiErrorCode,
    options: ApiErrorOptions = {},
  ) {
    super(options.detail ?? API_ERRORS[code].message);
    this.name = 'ApiError';
    this.detail = this.message;
    this.problems = options.problems ?? [];
    this.headers = options.headers ?? {};
    this.extra = options.extra ?? {};
  }
}

/** True for an ApiError, also of another copy of this package. */
export function isApiError(error: unknown): error is ApiError {
  const { name, code } = (error ?? {}) as Partial<ApiError>;
  return name === 'ApiError' && typeof code === 'string' && Object.hasOwn(API_ERRORS, code);
}

/** The refusal of a request with mistakes: all of them, each with what would be right. */
export function invalidRequest(problems: readonly FieldProblem[]): ApiError {
  const sentences = problems.map(({ field, message }) => (field === undefined ? message : `${field} ${message}`));
  return new ApiError('INVALID', { detail: `${sentences.join('; ')}.`, problems });
}
