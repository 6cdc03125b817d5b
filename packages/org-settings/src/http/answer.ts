import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRegistryError, type Logger } from '@breakwater/registry-core';
import { answerJson, apiErrorBody, requestId } from '@breakwater/registry-http';
import { errorCode } from '../database-error.js';
import { isSettingsError, SETTINGS_ERRORS, SettingsError } from '../errors.js';

/** An answer of the settings API. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Writes an answer as JSON. Not through Express, because that would add a weak ETag of its own. */
export function writeAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  answerJson(response, answer.status, answer.body, { 'x-request-id': requestId(request), ...answer.headers });
}

/**
 * The answer to a request that failed, in Quay's error shape. `error_message` is Quay's own text, which programs compare;
 * `detail`, which its UI shows, may say more.
 */
export function errorAnswer(request: IncomingMessage, error: unknown, logger: Logger): Answer {
  if (isSettingsError(error)) {
    const { status, type, message } = SETTINGS_ERRORS[error.code];
    return shape(status, type, error.detail, error.code === 'INVALID' ? error.detail : message, error.headers, {
      ...(error.problems.length === 0 ? {} : { problems: error.problems }),
      ...(error.reason === undefined ? {} : { reason: error.reason }),
    });
  }
  if (isRegistryError(error)) {
    if (error.status >= 500) {
      logger.error({ requestId: requestId(request), code: errorCode(error.cause) }, error.message);
    }
    return shape(error.status, error.code.toLowerCase(), error.message, error.message, error.headers, {});
  }
  const refused = bodyRefusal(error);
  if (refused !== undefined) return errorAnswer(request, refused, logger);
  logger.error({ requestId: requestId(request), code: errorCode(error) }, 'a settings request failed unexpectedly');
  const text = `Internal Error: the operator finds it in the log by the request id ${requestId(request)}`;
  return shape(500, 'internal_error', text, 'Internal Error', {}, {});
}

function shape(
  status: number,
  type: string,
  detail: string,
  errorMessage: string,
  headers: Readonly<Record<string, string>>,
  extra: Readonly<Record<string, unknown>>,
): Answer {
  return { status, body: { ...apiErrorBody(status, { type, detail, message: errorMessage }), ...extra }, headers };
}

/** Errors of the body parser and of the router, told by their `type` and `status`. Their texts repeat the body. */
function bodyRefusal(error: unknown): SettingsError | undefined {
  const { type, status } = (error ?? {}) as { readonly type?: unknown; readonly status?: unknown };
  if (type === 'entity.parse.failed') {
    return new SettingsError('INVALID', { detail: 'the body is not valid JSON; it must be one JSON object' });
  }
  if (type === 'entity.too.large') {
    return new SettingsError('TOO_LARGE', { detail: 'Request too large: the body may have at most 192 KiB' });
  }
  if (status === 415) {
    return new SettingsError('UNSUPPORTED_MEDIA_TYPE', {
      detail: 'Unsupported Media Type: send the body as UTF-8 JSON, uncompressed',
    });
  }
  return typeof status === 'number' && status >= 400 && status < 500
    ? new SettingsError('INVALID', { detail: 'the request could not be read: check its path and its body' })
    : undefined;
}
