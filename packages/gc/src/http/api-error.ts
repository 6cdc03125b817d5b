import type { ServerResponse } from 'node:http';

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
  answerJson(
    response,
    status,
    { detail, error_message: detail, error_type: type, title, type: `/api/v1/error/${type}`, status },
    headers,
  );
}

/** Answers with JSON that no cache may keep. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(text);
}
