import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Access, type AccessAction, bareMediaType, type Logger } from '@breakwater/registry-core';
import { json, type NextFunction, type Request, type Response, Router } from 'express';
import { invalid, SettingsError } from '../errors.js';
import { NOT_CONFIGURED, settingsView } from '../fields/settings-view.js';
import type { OrganizationDirectory } from '../ports.js';
import type { SettingsEditor } from '../settings-editor.js';
import type { StoredSettings } from '../settings-store.js';
import { type Admitted, admit } from './admission.js';
import { type Answer, errorAnswer, writeAnswer } from './answer.js';
import { entityTag, parseIfMatch } from './if-match.js';

/** A handler for `app.use()` of Express 4 and 5, and of anything else that passes node's request and response. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

export interface SettingsRouterOptions {
  readonly access: Access;
  readonly organizations: OrganizationDirectory;
  readonly editor: SettingsEditor;
  readonly logger: Logger;
}

interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly right: AccessAction;
  /** Whether there is a body to read. */
  readonly body: boolean;
  handle(editor: SettingsEditor, admitted: Admitted, request: Request): Promise<Answer>;
}

/** Room for two fields of 4096 characters, each of which JSON may write as six bytes, and for 64 KiB of certificates. */
const MAX_BODY = '192kb';
const CONFIG_PATH = '/api/v1/organization/:organization/proxycache';
const VALIDATE_PATH = '/api/v1/organization/:organization/validateproxycache';

/** Who may do what, in one table. The comments give Quay's names of the operations. */
const ROUTES: readonly Route[] = [
  // getProxyCacheConfig
  {
    method: 'get',
    path: CONFIG_PATH,
    right: 'read-settings',
    body: false,
    async handle(editor, { organization }) {
      const stored = await editor.read(organization);
      return stored === undefined ? { status: 200, body: NOT_CONFIGURED } : whole(stored);
    },
  },
  // createProxyCacheConfig
  {
    method: 'post',
    path: CONFIG_PATH,
    right: 'write-settings',
    body: true,
    async handle(editor, { organization, principal }, request) {
      await editor.create(organization, request.body, principal.name);
      return { status: 201, body: 'Created' };
    },
  },
  // updateProxyCacheConfig: Quay has none
  {
    method: 'put',
    path: CONFIG_PATH,
    right: 'write-settings',
    body: true,
    async handle(editor, { organization, principal }, request) {
      const isMeant = parseIfMatch(request.headers['if-match']);
      return whole(await editor.update(organization, request.body, isMeant, principal.name));
    },
  },
  // deleteProxyCacheConfig
  {
    method: 'delete',
    path: CONFIG_PATH,
    right: 'write-settings',
    body: false,
    async handle(editor, { organization, principal }, request) {
      await editor.remove(organization, parseIfMatch(request.headers['if-match']), principal.name);
      return { status: 201, body: 'Deleted' };
    },
  },
  // validateProxyCacheConfig
  {
    method: 'post',
    path: VALIDATE_PATH,
    right: 'write-settings',
    body: true,
    async handle(editor, { organization }, request) {
      const outcome = await editor.validate(organization, request.body);
      return { status: 202, body: outcome === 'valid' ? 'Valid' : 'Anonymous' };
    },
  },
];

/** The settings API below `/api/v1/organization/`, to be mounted at the root of an app. All other paths go to `next`. */
export function createSettingsRouter(options: SettingsRouterOptions): HttpHandler {
  const { access, organizations, editor, logger } = options;
  const router = Router({ caseSensitive: true });
  const parser = json({ limit: MAX_BODY, strict: false, inflate: false });

  for (const route of ROUTES) {
    router[route.method](route.path, (request: Request, response: Response, next: NextFunction) => {
      respond(route, request, response).catch(next);
    });
  }
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const methods = ROUTES.filter((route) => route.path === path).map((route) => route.method.toUpperCase());
    const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
    router.all(path, (request: Request, response: Response) => {
      const error = new SettingsError('METHOD_NOT_ALLOWED', { headers: { allow } });
      writeAnswer(request, response, errorAnswer(request, error, logger));
    });
  }
  // Every refusal, and paths that cannot be decoded. Express takes a handler for errors by its four parameters.
  router.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) next(error);
    else writeAnswer(request, response, errorAnswer(request, error, logger));
  });

  return (request, response, next) => router(request as Request, response as Response, next);

  async function respond(route: Route, request: Request, response: Response): Promise<void> {
    const name = String(request.params['organization']);
    const admitted = await admit(access, organizations, request, name, route.right);
    // Only now: nobody without the right gets us to read a body.
    if (route.body) await readBody(request, response);
    writeAnswer(request, response, await route.handle(editor, admitted, request));
  }

  /** JSON only: a page of another site can make a browser send a form or plain text, but not this (CSRF). */
  async function readBody(request: Request, response: Response): Promise<void> {
    if (bareMediaType(request.headers['content-type']) !== 'application/json') {
      const message = 'the body must be a JSON object, sent with Content-Type: application/json';
      throw invalid([{ field: undefined, message }]);
    }
    // A host that parses every body has done it already; its parser need not be of the same version of Express.
    if (request.readableEnded && request.body !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      parser(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }
}

function whole({ values, sealed, version }: StoredSettings): Answer {
  return { status: 200, body: settingsView(values, sealed !== undefined), headers: { etag: entityTag(version) } };
}
