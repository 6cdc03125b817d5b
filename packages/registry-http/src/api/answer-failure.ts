import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRegistryError, type Logger } from '@breakwater/registry-core';
import { answerJson, apiErrorBody } from '../api-answer.js';
import { requestId } from '../request-id.js';
import { API_ERRORS, ApiError, isApiError } from './api-error.js';

/** A refusal as it is answered. */
export interface ApiFailure {
  readonly status: number;
  /** Quay's `error_type`, or one of ours in its style. */
  readonly type: string;
  /** What a person reads. */
  readonly detail: string;
  /** Quay's own text, which programs compare; default the detail. */
  readonly message?: string;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the body. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Says how an error of a package's own is answered; `undefined` for one that it does not know. */
export type DescribeError = (error: unknown) => ApiFailure | undefined;

/** How a failed request is answered. */
export interface FailureOptions {
  readonly logger: Logger;
  readonly describeError?: DescribeError | undefined;
  /** Largest body that is taken, in words. */
  readonly bodyLimit?: string | undefined;
}

/**
 * Answers a request that failed, in the shape that Quay's clients read. `error_message` is Quay's own text, which programs
 * compare; `detail`, which its UI shows, may say more. What nobody expected goes to the log only, and there without its
 * message: those of database drivers repeat whole statements.
 */
export function answerFailure(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  options: FailureOptions,
): void {
  const id = requestId(request);
  const { status, type, detail, message, headers, extra } = failureOf(error, id, options);
  const facts = { type, detail, ...(message === undefined ? {} : { message }) };
  answerJson(response, status, { ...apiErrorBody(status, facts), ...extra }, { 'x-request-id': id, ...headers });
}

function failureOf(error: unknown, id: string, options: FailureOptions): ApiFailure {
  const { logger } = options;
  const known = options.describeError?.(error) ?? (isApiError(error) ? describeApiError(error) : undefined);
  if (known !== undefined) return known;
  if (isRegistryError(error)) {
    if (error.status >= 500) {
      logger.error({ request_id: id, code: codeOf(error.cause ?? error) }, error.message);
    }
    return { status: error.status, type: error.code.toLowerCase(), detail: error.message, headers: error.headers };
  }
  const refused = bodyRefusal(error, options.bodyLimit);
  if (refused !== undefined) return describeApiError(refused);
  logger.error({ request_id: id, code: codeOf(error) }, 'a request to the API failed unexpectedly');
  const detail = `Internal Error: the operator finds it in the log by the request id ${id}`;
  return { status: 500, type: 'internal_error', detail, message: 'Internal Error' };
}

function describeApiError(error: ApiError): ApiFailure {
  const { status, type, message } = API_ERRORS[error.code];
  const { detail, problems, headers, extra } = error;
  return {
    status,
    type,
    detail,
    message: error.code === 'INVALID' ? detail : message,
    headers,
    extra: { ...(problems.length === 0 ? {} : { problems }), ...extra },
  };
}

/** Errors of the body parser, told by their `type` and `status`. Their texts repeat the body. */
function bodyRefusal(error: unknown, bodyLimit: string | undefined): ApiError | undefined {
  const { type, status } = (error ?? {}) as { readonly type?: unknown; readonly status?: unknown };
  if (type === 'entity.parse.failed') {
    return new ApiError('INVALID', { detail: 'the body is not valid JSON; it must be one JSON object' });
  }
  if (type === 'entity.too.large') {
    const most = bodyLimit === undefined ? '' : `: the body may have at most ${bodyLimit}`;
    return new ApiError('TOO_LARGE', { detail: `Request too large${most}` });
  }
  if (status === 415) {
    return new ApiError('UNSUPPORTED_MEDIA_TYPE', {
      detail: 'Unsupported Media Type: send the body as UTF-8 JSON, uncompressed',
    });
  }
  return typeof status === 'number' && status >= 400 && status < 500
    ? new ApiError('INVALID', { detail: 'the request could not be read: check its path and its body' })
    : undefined;
}

function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown';
}
