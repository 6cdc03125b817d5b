import type { ServerResponse } from 'node:http';
import { answerJson, apiErrorBody } from '@breakwater/registry-http';

/** Errors of this API: Quay's types where it has one, and ours. */
const API_ERRORS = {
  invalid_request: { status: 400, title: 'invalid_request' },
  invalid_token: { status: 401, title: 'Requires authentication' },
  insufficient_scope: { status: 403, title: 'Unauthorized' },
  gc_running: { status: 409, title: 'gc_running' },
  gc_unavailable: { status: 503, title: 'gc_unavailable' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ApiErrorType = keyof typeof API_ERRORS;

/** Answers with an error in the shape that Quay's clients read (RFC 7807's fields, sent as application/json). */
export function answerApiError(
  response: ServerResponse,
  type: ApiErrorType,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const { status, title } = API_ERRORS[type];
  answerJson(response, status, apiErrorBody(status, { type, title, detail }), headers);
}
