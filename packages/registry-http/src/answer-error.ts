import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRegistryError, type Logger, RegistryError } from '@breakwater/registry-core';
import { requestId } from './request-id.js';

/** The spec's body for an error (distribution-spec, "Error codes"). */
interface ErrorBody {
  readonly errors: readonly { readonly code: string; readonly message: string; readonly detail?: unknown }[];
}

/** Says that the answer is about what `ns` named, which an error is as well (distribution-spec, "Registry Proxying"). */
const NAMESPACE = 'oci-namespace';

/**
 * Answers with an error, whatever was thrown: a RegistryError as it says, anything else as a plain 500 whose cause goes
 * to the log only. When the head is out already, the connection is cut, so that no client takes a part for the whole.
 */
export function answerError(request: IncomingMessage, response: ServerResponse, thrown: unknown, logger: Logger): void {
  const id = requestId(request);
  const error = isRegistryError(thrown) ? thrown : new RegistryError('INTERNAL');
  if (!isRegistryError(thrown)) logger.error({ err: thrown, request_id: id }, 'a request failed unexpectedly');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const detail = error.status >= 429 ? { ...error.detail, request_id: id } : error.detail;
  const body: ErrorBody = {
    errors: [{ code: error.code, message: error.message, ...(detail === undefined ? {} : { detail }) }],
  };
  const bytes = Buffer.from(JSON.stringify(body));
  for (const name of response.getHeaderNames()) if (name !== NAMESPACE) response.removeHeader(name);
  if (error.reasonPhrase !== undefined) response.statusMessage = error.reasonPhrase;
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': bytes.byteLength,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': id,
    'docker-distribution-api-version': 'registry/2.0',
    ...error.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}
