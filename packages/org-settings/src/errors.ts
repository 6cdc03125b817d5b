/** One thing that is wrong with a request. The sentence begins after the name of the field. */
export interface FieldProblem {
  /** The name of the field in the API; `undefined` when the body as a whole is wrong. */
  readonly field: string | undefined;
  readonly message: string;
}

/**
 * Answers to requests that are refused, beside those of every API route (API_ERRORS of registry-http). Types and texts are Quay's where Quay has them (its UI replaces
 * every text of a 5xx, so what an administrator must read is a 4xx).
 */
export const SETTINGS_ERRORS = {
  INVALID: { status: 400, type: 'invalid_request', message: 'Invalid request' },
  ALREADY_EXISTS: { status: 400, type: 'invalid_request', message: 'Proxy Cache Configuration already exists' },
  UPSTREAM_NOT_ALLOWED: {
    status: 400,
    type: 'invalid_request',
    message:
      'The provided registry URL is not allowed. An operator can allow it with BREAKWATER_UPSTREAM_ALLOWED_HOSTS.',
  },
  LOGIN_FAILED: {
    status: 400,
    type: 'invalid_request',
    message: 'Failed login to remote registry. Please verify entered details and try again.',
  },
  VALIDATION_FAILED: {
    status: 400,
    type: 'invalid_request',
    message: 'Failed to validate Proxy cache configuration',
  },
  NOT_FOUND: { status: 404, type: 'not_found', message: 'Not Found' },
  PRECONDITION_FAILED: { status: 412, type: 'precondition_failed', message: 'Precondition Failed' },
} as const satisfies Record<string, { readonly status: number; readonly type: string; readonly message: string }>;

export type SettingsErrorCode = keyof typeof SETTINGS_ERRORS;

export interface SettingsErrorOptions {
  /** What a person reads; the table's text when absent. Never a secret. */
  readonly detail?: string;
  readonly problems?: readonly FieldProblem[];
  /** Why an upstream could not be used: a failure class. */
  readonly reason?: string;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** A request that is refused. Tell it by `code`, never by `instanceof`. */
export class SettingsError extends Error {
  readonly detail: string;
  readonly problems: readonly FieldProblem[];
  readonly reason: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: SettingsErrorCode,
    options: SettingsErrorOptions = {},
  ) {
    super(options.detail ?? SETTINGS_ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'SettingsError';
    this.detail = this.message;
    this.problems = options.problems ?? [];
    this.reason = options.reason;
    this.headers = options.headers ?? {};
  }
}

/** True for a SettingsError, also of another copy of this package. */
export function isSettingsError(error: unknown): error is SettingsError {
  const candidate = error as Partial<SettingsError> | null | undefined;
  return candidate?.name === 'SettingsError' && typeof candidate.code === 'string' && candidate.code in SETTINGS_ERRORS;
}

/** The refusal of a request with mistakes: all of them, each with what would be right. */
export function invalid(problems: readonly FieldProblem[]): SettingsError {
  const sentences = problems.map(({ field, message }) => (field === undefined ? message : `${field} ${message}`));
  return new SettingsError('INVALID', { detail: `${sentences.join('; ')}.`, problems });
}
