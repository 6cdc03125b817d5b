import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from '@breakwater/registry-core';
import {
  answerError,
  answerFailure,
  answerJson,
  apiErrorBody,
  assertNoBody,
  assertOneHost,
} from '@breakwater/registry-http';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { Registry as MetricsRegistry } from 'prom-client';
import { type HostedRegistryParts, hostedRegistry } from './hosted-registry.js';
import { toOriginForm } from './origin-form.js';

/** A handler of node:http with a way on, as all of the packages' hooks are. */
export type Hook = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

export interface AppParts extends HostedRegistryParts {
  /** Hooks that see every request before Express does, in this order. */
  readonly hooks: readonly Hook[];
  /** Answers for tokens, below `/v2/` where everything else is the registry's. */
  readonly tokenEndpoint: Hook;
  /** Routers of the packages. */
  readonly routers: readonly Hook[];
  readonly metrics: MetricsRegistry;
  /** Whether the registry should be sent clients: not before it has started, nor while it is shutting down. */
  isReady(): boolean;
  /** Whether it can serve those that come all the same. */
  hasStarted(): boolean;
}

/**
 * The whole registry as one handler. The hooks stand before Express, because an Express router costs a cached pull five
 * times what the pull itself does (benchmarks); everything else is an ordinary Express app.
 */
export function createApp(parts: AppParts): (request: IncomingMessage, response: ServerResponse) => void {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/', (_request, response) => response.redirect(302, '/organization'));
  app.get('/livez', (_request, response) => answerJson(response, 200, { live: true }));
  app.get('/readyz', (_request, response) => {
    const ready = parts.isReady();
    answerJson(response, ready ? 200 : 503, { ready });
  });
  app.get('/metrics', (_request, response, next) => {
    parts.metrics.metrics().then((text) => {
      response.writeHead(200, { 'content-type': parts.metrics.contentType });
      response.end(text);
    }, next);
  });
  app.use(parts.tokenEndpoint);
  app.use(hostedRegistry(parts));
  for (const router of parts.routers) app.use(router);
  app.use((_request, response) => {
    answerJson(response, 404, apiErrorBody(404, { type: 'not_found', detail: 'Not Found' }));
  });
  app.use('/api', (error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) next(error);
    else answerFailure(request, response, error, parts);
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    answerError(request, response, error, parts.logger);
  });
  return (request, response) => {
    toOriginForm(request);
    try {
      assertNoBody(request);
      assertOneHost(request);
    } catch (error) {
      answerError(request, response, error, parts.logger);
      return;
    }
    const hooks = parts.hasStarted() ? parts.hooks : WHILE_STARTING;
    runHooks(hooks, 0, request, response, (error) => {
      if (error === undefined) app(request, response);
      else answerError(request, response, error, parts.logger);
    });
  };
}

/** Pulls are answered by an outage's answer until everything is there; the health routes pass. */
const whileStarting: Hook = (request, _response, next) => {
  if (!/^\/(?:api|(?:[^/?]+\/)?v2)(?:[/?]|$)/.test(request.url ?? '')) return next();
  const error = new RegistryError('UNAVAILABLE', 'the registry is starting', {
    headers: { 'retry-after': '5' },
    reasonPhrase: 'Registry Not Ready',
  });
  next(error);
};

const WHILE_STARTING: readonly Hook[] = [whileStarting];

function runHooks(
  hooks: readonly Hook[],
  index: number,
  request: IncomingMessage,
  response: ServerResponse,
  done: (error?: unknown) => void,
): void {
  const hook = hooks[index];
  if (hook === undefined) {
    done();
    return;
  }
  hook(request, response, (error) => {
    if (error !== undefined) done(error);
    else runHooks(hooks, index + 1, request, response, done);
  });
}
