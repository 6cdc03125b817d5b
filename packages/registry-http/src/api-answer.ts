import type { ServerResponse } from 'node:http';

/** What an error of the management API says, beside its status. */
export interface ApiErrorFacts {
  /** Quay's `error_type`, or one of ours in its style. */
  readonly type: string;
  readonly title?: string;
  /** What Quay's page shows. */
  readonly detail: string;
  /** Quay's own text, which programs compare; default the detail. */
  readonly message?: string;
}

/** The body of an error in the shape that Quay's clients read: RFC 7807's fields and Quay's, sent as application/json. */
export function apiErrorBody(status: number, facts: ApiErrorFacts): Readonly<Record<string, unknown>> {
  return {
    detail: facts.detail,
    error_message: facts.message ?? facts.detail,
    error_type: facts.type,
    title: facts.title ?? facts.type,
    type: `/api/v1/error/${facts.type}`,
    status,
  };
}

/** Answers with JSON that no cache may keep, and without an ETag that nobody asked for. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body), 'utf8');
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.byteLength,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}
