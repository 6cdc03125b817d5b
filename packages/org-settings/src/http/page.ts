import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Logger } from '@breakwater/registry-core';
import type { ApiHandler } from '@breakwater/registry-http';
import { type PageFile, readPageFiles } from './page-files.js';

export interface PageOptions {
  /** Directory of the built page; default the bundle of `@breakwater/settings-page`. */
  readonly directory?: string;
  readonly logger: Logger;
}

/** Where the files of the page are; it is built for this path. */
const FILES_PATH = '/settings-page/';
/** Addresses that people see; which of them it is, is decided in the browser. */
const PAGE_PATH = /^\/(?:signin|organization)(?:\/[^/]*)?\/?$/;
const A_YEAR = 'public, max-age=31536000, immutable';

/**
 * No inline script, no inline style, nothing of another origin, no page around it. What the upstream says can at worst be
 * shown as text (S22). Icons of the component library are `data:` images in its style sheets.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
].join('; ');

const SECURITY_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/**
 * The settings page: `/signin`, `/organization`, `/organization/{organization}` and its files below `/settings-page/`, to be
 * mounted at the root of an app. All other paths go to `next`. The files are read at the first request.
 */
export function createPage(options: PageOptions): ApiHandler {
  const { directory = bundleDirectory(), logger } = options;
  let reading: Promise<ReadonlyMap<string, PageFile>> | undefined;
  const files = () => {
    reading ??= readPageFiles(directory).catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    return reading;
  };
  return (request, response, next) => {
    const name = fileName(request.url ?? '');
    if (name === undefined) return next();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answerText(response, 405, 'Method Not Allowed', { allow: 'GET, HEAD' });
    }
    files().then(
      (all) => {
        const file = all.get(name);
        if (file !== undefined) return answerFile(request, response, file);
        if (name === 'index.html') return notBuilt(response);
        return answerText(response, 404, 'Not Found');
      },
      (error: unknown) => {
        logger.error({ err: error, directory }, 'the settings page cannot be read');
        notBuilt(response);
      },
    );
  };
}

/** The file that a path asks for; `undefined` when it is none of ours. */
function fileName(url: string): string | undefined {
  const [path = ''] = url.split('?', 1);
  if (PAGE_PATH.test(path)) return 'index.html';
  return path.startsWith(FILES_PATH) ? path.slice(FILES_PATH.length) : undefined;
}

function answerFile(request: IncomingMessage, response: ServerResponse, file: PageFile): void {
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? '')) ? file.gzipped : undefined;
  const bytes = zipped ?? file.bytes;
  const etag = zipped === undefined ? `"${file.hash}"` : `"${file.hash}-gzip"`;
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': file.contentType,
    'cache-control': file.immutable ? A_YEAR : 'no-cache',
    etag,
    vary: 'accept-encoding',
  };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(200, {
    ...headers,
    ...(zipped === undefined ? {} : { 'content-encoding': 'gzip' }),
    'content-length': bytes.length,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function notBuilt(response: ServerResponse): void {
  answerText(response, 503, 'The settings page is not built: run "npm run build" and try again.');
}

function answerText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...SECURITY_HEADERS, 'content-type': 'text/plain; charset=utf-8', ...headers });
  response.end(`${text}\n`);
}

/** Not by import: the package is for browsers, and this process must not load it. */
function bundleDirectory(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@breakwater/settings-page/package.json')), 'bundle');
}
