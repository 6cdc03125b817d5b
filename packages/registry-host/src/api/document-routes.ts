import {
  type ApiFacts,
  type ApiHandler,
  type ApiOperation,
  answerJson,
  openApiDocument,
} from '@breakwater/registry-http';
import { referencePage } from './reference-page.js';

/** `GET /api/v1/openapi.json`, and the same as a page at `/api/v1/docs`. Both are for anybody: they say what the sources say. */
export function documentRoutes(operations: readonly ApiOperation[], facts: ApiFacts): ApiHandler {
  const document = openApiDocument(operations, facts);
  const page = referencePage(document);
  const html = Buffer.from(page.html);
  return (request, response, next) => {
    const [path] = (request.url ?? '').split('?');
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    if (path === '/api/v1/openapi.json') return answerJson(response, 200, document);
    if (path !== '/api/v1/docs') return next();
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': html.byteLength,
      'content-security-policy': page.contentSecurityPolicy,
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : html);
  };
}
