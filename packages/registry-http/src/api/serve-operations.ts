import type { IncomingMessage, ServerResponse } from 'node:http';
import { bareMediaType, type Logger } from '@breakwater/registry-core';
import { answerJson } from '../api-answer.js';
import { requestId } from '../request-id.js';
import { type AdmissionParts, admitAdministrator, admitSignedIn, admitToOrganization } from './admission.js';
import { answerFailure, type DescribeError, type FailureOptions } from './answer-failure.js';
import { ApiError, invalidRequest } from './api-error.js';
import type { ApiAnswer, ApiCall, ApiOperation } from './operation.js';

/** A handler for `app.use()` of Express 4 and 5, and of anything else that passes node's request and response. */
export type ApiHandler = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** A parser that leaves what it read in `request.body`, as `json()` of Express does. */
export type BodyParser = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

export interface ServeOptions extends AdmissionParts {
  readonly operations: readonly ApiOperation[];
  readonly logger: Logger;
  readonly parseJson: BodyParser;
  /** Largest body that the parser takes, in words. */
  readonly bodyLimit: string;
  readonly describeError?: DescribeError;
}

interface Match {
  readonly operation: ApiOperation;
  readonly path: Readonly<Record<string, string>>;
}

/**
 * Serves operations, to be mounted at the root of an app; all other paths go to `next`. Who may is checked here and nowhere
 * else, and before a body is read.
 */
export function serveOperations(options: ServeOptions): ApiHandler {
  const routes = options.operations.map((operation) => ({ operation, pattern: patternOf(operation.path) }));
  const failure: FailureOptions = options;

  function matching(path: string): readonly Match[] {
    return routes.flatMap(({ operation, pattern }) => {
      const found = pattern.exec(path);
      return found === null ? [] : [{ operation, path: { ...found.groups } }];
    });
  }

  async function respond(
    matches: readonly Match[],
    query: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const wanted = request.method === 'HEAD' ? 'GET' : request.method;
    const match = matches.find(({ operation }) => operation.method === wanted);
    if (match === undefined) throw new ApiError('METHOD_NOT_ALLOWED', { headers: { allow: allowed(matches) } });
    const { operation } = match;
    const path = decoded(match.path);
    const admitted = await admit(options, operation, request, path);
    // Only now: nobody without the right gets us to read a body.
    const wantsBody = operation.body !== undefined && !(operation.bodyOptional === true && isEmpty(request));
    const body = wantsBody ? await readBody(options.parseJson, request, response) : undefined;
    const call = { request, path, query: new URLSearchParams(query), body, ...admitted };
    writeAnswer(request, response, await (operation.handle as (call: ApiCall) => Promise<ApiAnswer>)(call));
  }

  return (request, response, next) => {
    // The target as it came: Express rewrites `url` below a mount path and keeps the original beside it.
    const target = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '';
    const [path = '', query = ''] = target.split(/\?(.*)/s);
    const matches = matching(path);
    if (matches.length === 0) return next();
    respond(matches, query, request, response).catch((error: unknown) => {
      if (response.headersSent) next(error);
      else answerFailure(request, response, error, failure);
    });
  };
}

function admit(
  parts: AdmissionParts,
  operation: ApiOperation,
  request: IncomingMessage,
  path: Readonly<Record<string, string>>,
): Promise<object> {
  switch (operation.right) {
    case 'public':
      return Promise.resolve({});
    case 'signed-in':
      return admitSignedIn(parts.access, request).then((principal) => ({ principal }));
    case 'administer':
      return admitAdministrator(parts.access, request).then((principal) => ({ principal }));
    default:
      return admitToOrganization(parts, request, path['orgname'] ?? '', operation.right);
  }
}

/** With or without a slash at its end, as Quay's clients write it. */
function patternOf(path: string): RegExp {
  const segments = path.replace(/\/$/, '').split('/');
  const source = segments.map((segment) => {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    return name === undefined ? segment.replace(/[^\w]/g, '\\$&') : `(?<${name}>[^/]+)`;
  });
  return new RegExp(`^${source.join('/')}/?$`);
}

function decoded(path: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  try {
    return Object.fromEntries(Object.entries(path).map(([name, text]) => [name, decodeURIComponent(text)]));
  } catch {
    throw new ApiError('INVALID', { detail: 'the request could not be read: its path is not percent-encoded UTF-8' });
  }
}

function allowed(matches: readonly Match[]): string {
  const methods = matches.flatMap(({ operation }) => (operation.method === 'GET' ? ['GET', 'HEAD'] : operation.method));
  return methods.join(', ');
}

/** JSON only: a page of another site can make a browser send a form or plain text, but not this (CSRF). */
async function readBody(parser: BodyParser, request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  if (bareMediaType(request.headers['content-type']) !== 'application/json') {
    const message = 'the body must be a JSON object, sent with Content-Type: application/json';
    throw invalidRequest([{ field: undefined, message }]);
  }
  // Parsers take nothing for an empty object, and a save that silently does nothing is worse than one that is refused.
  if (isEmpty(request))
    throw invalidRequest([{ field: undefined, message: 'the body must be a JSON object; it is empty' }]);
  const holder = request as { readonly body?: unknown };
  // A host that parses every body has done it already; its parser need not be of the same version of Express.
  if (request.readableEnded && holder.body !== undefined) return holder.body;
  await new Promise<void>((resolve, reject) => {
    parser(request, response, (error?: unknown) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
  return holder.body;
}

/** Whether no body came with the request. */
function isEmpty({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

function writeAnswer(request: IncomingMessage, response: ServerResponse, answer: ApiAnswer): void {
  const headers = { 'x-request-id': requestId(request), ...answer.headers };
  if (answer.body !== undefined) return answerJson(response, answer.status, answer.body, headers);
  response.writeHead(answer.status, { 'cache-control': 'no-store', ...headers });
  response.end();
}
