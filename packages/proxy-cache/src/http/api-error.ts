import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRegistryError, type Logger } from '@breakwater/registry-core';
import { answerJson, apiErrorBody, requestId } from '@breakwater/registry-http';

/** What is wrong with one field of a request. The sentence begins after the name of the field. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

/** The one table of refusals of this API; types and texts are Quay's where Quay has them. */
const API_ERRORS = {
  INVALID: { status: 400, type: 'invalid_request', detail: 'Invalid request' },
  UNAUTHENTICATED: { status: 401, type: 'invalid_token', detail: 'Requires authentication' },
  FORBIDDEN: { status: 403, type: 'insufficient_scope', detail: 'Unauthorized' },
  NOT_FOUND: { status: 404, type: 'not_found', detail: 'Not Found' },
  METHOD_NOT_ALLOWED: { status: 405, type: 'method_not_allowed', detail: 'Method Not Allowed' },
} as const satisfies Record<string, { readonly status: number; readonly type: string; readonly detail: string }>;

/** A request that is refused. */
export class ApiError extends Error {
  readonly headers: Readonly<Record<string, string>>;
  readonly problems: readonly FieldProblem[];

  constructor(
    readonly code: keyof typeof API_ERRORS,
    options: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly problems?: readonly FieldProblem[];
    } = {},
  ) {
    super(API_ERRORS[code].detail);
    this.name = 'ApiError';
    this.headers = options.headers ?? {};
    this.problems = options.problems ?? [];
  }
}

function isApiError(error: unknown): error is ApiError {
  const { name, code } = (error ?? {}) as Partial<ApiError>;
  return name === 'ApiError' && typeof code === 'string' && Object.hasOwn(API_ERRORS, code);
}

/** Answers with a failure in the shape that Quay's clients read; what nobody expected goes to the log only. */
export function answerApiError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  logger: Logger,
): void {
  const id = requestId(request);
  const { status, body, headers } = describe(error, id, logger);
  answerJson(response, status, body, { 'x-request-id': id, ...headers });
}

function describe(
  error: unknown,
  id: string,
  logger: Logger,
): { readonly status: number; readonly body: unknown; readonly headers: Readonly<Record<string, string>> } {
  if (isApiError(error)) {
    const { status, type, detail } = API_ERRORS[error.code];
    const { headers, problems } = error;
    if (problems.length === 0) return { status, body: apiErrorBody(status, { type, detail }), headers };
    const sentences = `${problems.map(({ field, message }) => `${field} ${message}`).join('; ')}.`;
    return { status, body: { ...apiErrorBody(status, { type, detail: sentences }), problems }, headers };
  }
  if (isRegistryError(error)) {
    if (error.status >= 500) logger.error({ err: error, request_id: id }, 'a request to the API could not be answered');
    const facts = { type: error.code.toLowerCase(), detail: error.message };
    return { status: error.status, body: apiErrorBody(error.status, facts), headers: error.headers };
  }
  // A path that cannot be decoded, as Express says it.
  const { status } = (error ?? {}) as { readonly status?: unknown };
  if (status === 400) return describe(new ApiError('INVALID'), id, logger);
  logger.error({ err: error, request_id: id }, 'a request to the API failed unexpectedly');
  const detail = `Internal Error: the operator finds it in the log by the request id ${id}`;
  return { status: 500, body: apiErrorBody(500, { type: 'internal_error', detail }), headers: {} };
}
