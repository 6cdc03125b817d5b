import type { ServerResponse } from 'node:http';

/** Answers with headers alone, as the spec has it for everything that writes. */
export function answerEmpty(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): void {
  response.writeHead(status, {
    ...(status === 204 ? {} : { 'content-length': '0' }),
    'docker-distribution-api-version': 'registry/2.0',
    ...(headers as Record<string, string | string[]>),
  });
  response.end();
}
